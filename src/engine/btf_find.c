/* SPDX-License-Identifier: MIT */
/*
 * Types by name. Comparing a name with all those of the kernel's hundred thousand types is slow,
 * and putting all of them in order is too; so of each name a signature is kept, made the first
 * time that something is looked for: then one array is run through, and few names are compared.
 * There are two such arrays: of functions, which are three of four names in the kernel and rarely
 * asked for, and of everything else.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "btf_index.h"

enum { FUNCTIONS, OTHERS, CLASSES };

struct signatures {
	const struct btf_named *types; /* ascending by id */
	uint32_t count;
	struct btf_named *owned; /* NULL: `types` are the BTF's */
	uint32_t *values; /* as many; NULL: not made yet */
};

struct btf_index {
	struct signatures classes[CLASSES];
};

void btf_index_free(struct btf_index *index)
{
	int class;

	for (class = 0; index && class < CLASSES; class ++) {
		free(index->classes[class].values);
		free(index->classes[class].owned);
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

enum { SIGNED_BYTES = 8, PREFETCHED = 16, BLOCK = 16 };

#define EACH_BYTE(byte) ((byte)*0x0101010101010101u)

/* The high bit of each byte that is zero. */
static uint64_t zero_bytes(uint64_t bytes)
{
	return ~(((bytes & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | bytes | EACH_BYTE(0x7f));
}

/* Eight bytes, the first as the lowest, of which those from the first NUL on are zero. */
static uint64_t cut_at_nul(uint64_t bytes)
{
	uint64_t zero = zero_bytes(bytes);

	return zero ? bytes & ((zero & -zero) - 1) >> 7 : bytes;
}

static uint32_t sign(uint64_t bytes)
{
	return (uint32_t)((bytes * 0x9e3779b97f4a7c15u) >> 32);
}

/* By what comes first in the essential part of the name. */
static uint32_t sign_name(const char *name, size_t essential)
{
	uint64_t bytes = 0;

	memcpy(&bytes, name, essential < SIGNED_BYTES ? essential : SIGNED_BYTES);
	return sign(le64toh(bytes));
}

/* The same of a name inside the BTF's strings. Most need no look at more than eight bytes: a
 * flavour can begin among them only where the last is an underscore, or three others are. */
static uint32_t sign_string(const struct btf *btf, uint32_t name_off)
{
	const char *name = btf_string(btf, name_off);
	uint64_t bytes, runs;

	if (name_off < btf->first_string || name_off + (uint64_t)SIGNED_BYTES > btf->string_size)
		return sign_name(name, btf_essential_length(name));
	memcpy(&bytes, name, sizeof(bytes));
	bytes = cut_at_nul(le64toh(bytes));
	runs = zero_bytes(bytes ^ EACH_BYTE((uint64_t)'_'));
	if (runs >> 63 || (runs & runs >> 8 & runs >> 16))
		return sign_name(name, btf_essential_length(name));
	return sign(bytes);
}

/* Names lie all over the strings: the processor is told early which ones are going to be read. */
static int sign_types(const struct btf *btf, struct signatures *s)
{
	uint32_t i;

	s->values = malloc((s->count + (size_t)1) * sizeof(*s->values));
	if (!s->values)
		return -1;
	for (i = 0; i < s->count; i++) {
		if (i + PREFETCHED < s->count)
			__builtin_prefetch(btf_string(btf, s->types[i + PREFETCHED].name_off));
		s->values[i] = sign_string(btf, s->types[i].name_off);
	}
	return 0;
}

static int list_functions(const struct btf *btf, struct signatures *s)
{
	uint32_t id, most = btf->type_count - btf->first_id;
	const struct btf_type *type;

	s->owned = malloc((most + (size_t)1) * sizeof(*s->owned));
	if (!s->owned)
		return -1;
	for (id = btf->first_id; id < btf->type_count; id++) {
		type = btf_type(btf, id);
		s->owned[s->count] = (struct btf_named){id, type->name_off};
		s->count += btf_kind(type) == BTF_KIND_FUNC && type->name_off;
	}
	s->types = s->owned;
	return 0;
}

/* The signatures of a class; NULL: there is no memory for them. */
static struct signatures *get_signatures(struct btf *btf, int class)
{
	struct signatures *s;

	if (!btf->index)
		btf->index = calloc(1, sizeof(*btf->index));
	if (!btf->index)
		return NULL;
	s = &btf->index->classes[class];
	if (s->values)
		return s;
	if (class == OTHERS) {
		s->types = btf->named;
		s->count = btf->named_count;
	} else if (!s->owned && list_functions(btf, s) < 0) {
		return NULL;
	}
	return sign_types(btf, s) < 0 ? NULL : s;
}

struct search {
	const char *name;
	size_t essential; /* how much of the name its signature is of */
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

/* The position of the first type beyond `after`. */
static uint32_t find_position(const struct signatures *s, uint32_t after)
{
	uint32_t low = 0, high = s->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (s->types[middle].id > after)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The first position from `at` on that has the signature. Blocks are looked at as a whole, which
 * compilers know how to do fast. */
static uint32_t find_signature(const struct signatures *s, uint32_t at, uint32_t wanted)
{
	const uint32_t *values = s->values;
	uint32_t i, hits = 0;

	for (; !hits && s->count - at >= BLOCK; at += BLOCK) {
		for (i = 0; i < BLOCK; i++)
			hits += values[at + i] == wanted;
	}
	if (hits)
		at -= BLOCK;
	while (at < s->count && values[at] != wanted)
		at++;
	return at;
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
	uint32_t functions = BTF_MASK(BTF_KIND_FUNC), at, wanted;
	const struct signatures *signatures;
	struct search s = *all;

	s.kinds &= class == FUNCTIONS ? functions : ~functions;
	if (!s.kinds)
		return 0;
	signatures = get_signatures(btf, class);
	if (!signatures)
		return find_one_by_one(btf, &s, after);
	wanted = sign_name(s.name, s.essential);
	at = find_position(signatures, after);
	while ((at = find_signature(signatures, at, wanted)) < signatures->count) {
		if (matches(btf, signatures->types[at].id, &s))
			return signatures->types[at].id;
		at++;
	}
	return 0;
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
