/* SPDX-License-Identifier: MIT */
/*
 * Types by name. Looking through all types for one name is slow in the kernel's BTF with its
 * hundred thousand types, and so is putting all their names in order; so the first few names are
 * looked for one by one, and an index is made for whoever asks for more.
 */
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "btf_index.h"

enum {
	PATIENCE = 3, /* how often all types are looked through before an index pays */
	SMALL = 64, /* this few types need none */
};

/* Chains of ids whose essential names have the same hash, ascending. Positions are ids less the
 * first one, plus 1: 0 ends a chain. */
struct btf_index {
	uint32_t searches;
	uint32_t mask; /* of the hash; 0: there are no chains yet */
	uint32_t *heads; /* by hash */
	uint32_t *next; /* by position; in the same block as heads */
};

void btf_index_free(struct btf_index *index)
{
	if (index)
		free(index->heads);
	free(index);
}

size_t btf_essential_length(const char *name)
{
	size_t length = strnlen(name, BTF_NAME_LIMIT), i;

	/* The shortest flavoured name is "a___b". */
	for (i = length; i >= 5; i--) {
		const char *at = name + i - 5;

		if (at[0] != '_' && at[1] == '_' && at[2] == '_' && at[3] == '_' && at[4] != '_')
			return i - 4;
	}
	return length;
}

/* Takes eight bytes at a time: names are short, and there are many. */
static uint32_t hash_name(const char *name, size_t length)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u;
	uint64_t hash = length * odd, word;

	for (; length >= sizeof(word); length -= sizeof(word), name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		hash = (hash ^ word) * odd;
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, name, length);
	hash = (hash ^ word) * odd;
	return (uint32_t)(hash >> 32);
}

static uint32_t own_count(const struct btf *btf)
{
	return btf->type_count - btf->first_id;
}

/* Without memory there is no index, and looking for names stays slow. */
static void make_index(struct btf *btf, struct btf_index *index)
{
	uint32_t count = own_count(btf), buckets = 64, position, hash;
	const char *name;

	while (buckets < count / 2 && buckets < 1U << 30)
		buckets *= 2;
	index->heads = calloc((size_t)buckets + count + 1, sizeof(*index->heads));
	if (!index->heads)
		return;
	index->next = index->heads + buckets;
	index->mask = buckets - 1;
	for (position = count; position > 0; position--) {
		name = btf_name(btf, btf_type(btf, btf->first_id + position - 1));
		if (!name[0])
			continue;
		hash = hash_name(name, btf_essential_length(name)) & index->mask;
		index->next[position] = index->heads[hash];
		index->heads[hash] = position;
	}
}

struct search {
	const char *name;
	size_t essential; /* how much of the name counts for the hash */
	size_t compared; /* how much of it must be the same */
	bool flavours; /* what follows in a type's name may be a flavour */
	uint32_t kinds;
};

static bool matches(const struct btf *btf, uint32_t id, const struct search *s)
{
	const struct btf_type *type = btf_type(btf, id);
	const char *name = btf_name(btf, type);

	/* The terminating NUL is compared too, where no flavour may follow. */
	return s->kinds >> btf_kind(type) & 1 && strncmp(name, s->name, s->compared) == 0 &&
	       (!s->flavours || btf_essential_length(name) == s->essential);
}

static uint32_t find_by_index(const struct btf *btf, const struct search *s, uint32_t after)
{
	const struct btf_index *index = btf->index;
	uint32_t position = index->heads[hash_name(s->name, s->essential) & index->mask];
	uint32_t id;

	for (; position; position = index->next[position]) {
		id = btf->first_id + position - 1;
		if (id > after && matches(btf, id, s))
			return id;
	}
	return 0;
}

static uint32_t find_one_by_one(const struct btf *btf, const struct search *s, uint32_t after)
{
	uint32_t id = after < btf->first_id ? btf->first_id : after + 1;

	for (; id < btf->type_count; id++) {
		if (matches(btf, id, s))
			return id;
	}
	return 0;
}

static uint32_t find_own(struct btf *btf, const struct search *s, uint32_t after)
{
	if (own_count(btf) <= SMALL)
		return find_one_by_one(btf, s, after);
	if (!btf->index)
		btf->index = calloc(1, sizeof(*btf->index));
	if (btf->index && !btf->index->mask && ++btf->index->searches > PATIENCE)
		make_index(btf, btf->index);
	if (!btf->index || !btf->index->mask)
		return find_one_by_one(btf, s, after);
	return find_by_index(btf, s, after);
}

static uint32_t find(struct btf *btf, const struct search *s, uint32_t after)
{
	uint32_t id = 0;

	if (!s->essential || after >= btf->type_count - 1)
		return 0;
	if (btf->base && after < btf->first_id - 1)
		id = find_own(btf->base, s, after);
	return id ? id : find_own(btf, s, after);
}

uint32_t btf_find(struct btf *btf, const char *name, uint32_t kinds, uint32_t after)
{
	struct search s = {
		.name = name,
		.essential = btf_essential_length(name),
		.compared = strnlen(name, BTF_NAME_LIMIT) + 1,
		.kinds = kinds,
	};

	return s.compared > BTF_NAME_LIMIT ? 0 : find(btf, &s, after);
}

uint32_t btf_find_essential(struct btf *btf, const char *name, uint32_t kinds, uint32_t after)
{
	struct search s = {
		.name = name,
		.essential = btf_essential_length(name),
		.flavours = true,
		.kinds = kinds,
	};

	s.compared = s.essential;
	return s.essential >= BTF_NAME_LIMIT ? 0 : find(btf, &s, after);
}
