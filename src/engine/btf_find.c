/* SPDX-License-Identifier: MIT */
/*
 * Types by name. Looking through all types for one name is slow in the kernel's BTF with its
 * hundred thousand types, and so is putting all their names in order; so names are looked for
 * one by one until that has cost as much as an index, which is made then. There are two indexes:
 * functions, which are three of four names in the kernel, and everything else.
 */
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "btf_index.h"

enum { FUNCTIONS, OTHERS, CLASSES };

/* How many times all types are looked through before an index pays, by class. */
static const uint32_t patience[CLASSES] = {[FUNCTIONS] = 3, [OTHERS] = 1};

/* An id in a chain of those whose essential names have the same hash, ascending. */
struct entry {
	uint32_t id;
	uint32_t next; /* a position in the array of entries; 0: none */
};

struct chains {
	uint64_t looked; /* types looked at without an index */
	uint32_t *heads; /* positions by hash; NULL: there is no index yet */
	uint32_t mask; /* of the hash */
	struct entry *entries; /* [0] is none */
	uint32_t last; /* the entry found last, where looking for more of the same goes on */
	uint32_t last_hash;
};

struct btf_index {
	struct chains chains[CLASSES];
};

void btf_index_free(struct btf_index *index)
{
	int class;

	for (class = 0; index && class < CLASSES; class ++) {
		free(index->chains[class].heads);
		free(index->chains[class].entries);
	}
	free(index);
}

/*
 * A flavour begins at a run of exactly three underscores between other characters; the last one
 * counts. Every third character is looked at, since no such run lies in between.
 */
size_t btf_essential_length(const char *name)
{
	size_t length = strnlen(name, BTF_NAME_LIMIT), end = length, first, last;

	while (end >= 3) { /* a run that still counts has its last character before end - 1 */
		first = last = end - 2;
		if (name[first] != '_') {
			end = first - 1;
			continue;
		}
		while (first > 0 && name[first - 1] == '_')
			first--;
		while (last + 1 < length && name[last + 1] == '_')
			last++;
		if (last - first == 2 && first > 0 && last + 1 < length)
			return first;
		end = first;
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

static uint32_t class_mask(int class)
{
	return class == FUNCTIONS ? BTF_MASK(BTF_KIND_FUNC) : ~BTF_MASK(BTF_KIND_FUNC);
}

/* Whether the type has a name of that class. */
static bool belongs(const struct btf *btf, uint32_t id, uint32_t mask)
{
	const struct btf_type *type = btf_type(btf, id);

	return mask >> btf_kind(type) & 1 && type->name_off;
}

static void fill_chains(const struct btf *btf, struct chains *chains, uint32_t mask)
{
	uint32_t id, hash, used = 0;
	const char *name;

	for (id = btf->type_count; id-- > btf->first_id;) {
		if (!belongs(btf, id, mask))
			continue;
		name = btf_name(btf, btf_type(btf, id));
		hash = hash_name(name, btf_essential_length(name)) & chains->mask;
		used++;
		chains->entries[used].id = id;
		chains->entries[used].next = chains->heads[hash];
		chains->heads[hash] = used;
	}
}

/* Without memory there is no index, and looking for names stays slow. */
static void make_chains(const struct btf *btf, struct chains *chains, uint32_t mask)
{
	uint32_t id, count = 0, buckets = 16;

	for (id = btf->first_id; id < btf->type_count; id++)
		count += belongs(btf, id, mask);
	while (buckets < count / 2 && buckets < 1U << 30)
		buckets *= 2;
	chains->entries = malloc((count + (size_t)1) * sizeof(*chains->entries));
	if (!chains->entries)
		return;
	chains->heads = calloc(buckets, sizeof(*chains->heads));
	if (!chains->heads) {
		free(chains->entries);
		chains->entries = NULL;
		return;
	}
	chains->mask = buckets - 1;
	chains->entries[0] = (struct entry){.id = 0};
	fill_chains(btf, chains, mask);
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

static uint32_t find_in_chains(
	const struct btf *btf, struct chains *chains, const struct search *s, uint32_t after)
{
	uint32_t hash = hash_name(s->name, s->essential) & chains->mask;
	uint32_t at = chains->heads[hash];
	uint32_t id;

	if (after && hash == chains->last_hash && chains->entries[chains->last].id == after)
		at = chains->entries[chains->last].next;
	for (; at; at = chains->entries[at].next) {
		id = chains->entries[at].id;
		if (id > after && matches(btf, id, s)) {
			chains->last = at;
			chains->last_hash = hash;
			return id;
		}
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

/* Among the functions, or among the others. */
static uint32_t find_class(struct btf *btf, const struct search *all, int class, uint32_t after)
{
	struct search s = *all;
	struct chains *chains;
	uint32_t id;

	s.kinds &= class_mask(class);
	if (!s.kinds)
		return 0;
	if (!btf->index)
		btf->index = calloc(1, sizeof(*btf->index));
	if (!btf->index)
		return find_one_by_one(btf, &s, after);
	chains = &btf->index->chains[class];
	if (!chains->heads && chains->looked > (uint64_t)own_count(btf) * patience[class])
		make_chains(btf, chains, class_mask(class));
	if (chains->heads)
		return find_in_chains(btf, chains, &s, after);
	id = find_one_by_one(btf, &s, after);
	chains->looked += (id ? id : btf->type_count) - btf->first_id + 1;
	return id;
}

static uint32_t find_own(struct btf *btf, const struct search *s, uint32_t after)
{
	uint32_t function = find_class(btf, s, FUNCTIONS, after);
	uint32_t other = find_class(btf, s, OTHERS, after);

	return function && (!other || function < other) ? function : other;
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
