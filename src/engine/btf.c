/* SPDX-License-Identifier: MIT */
#include "btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "btf_index.h"
#include "sys.h"

enum { BTF_MAGIC = 0xeb9f, BTF_VERSION = 1, BTF_WORD = 4 };

struct btf_header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags; /* cppcheck-suppress unusedStructMember */
	uint32_t header_size;
	uint32_t type_offset; /* from the end of the header, as string_offset is */
	uint32_t type_size;
	uint32_t string_offset;
	uint32_t string_size;
};

/* What lies behind struct btf_type: words once, and words for each of btf_vlen(). All of it is
 * 32-bit words, whatever the kind, so that changing the byte order needs to know no more. */
struct kind_layout {
	uint8_t words;
	uint8_t words_each;
};

static const struct kind_layout layouts[] = {
	[BTF_KIND_INT] = {1, 0},
	[BTF_KIND_PTR] = {0, 0},
	[BTF_KIND_ARRAY] = {3, 0},
	[BTF_KIND_STRUCT] = {0, 3},
	[BTF_KIND_UNION] = {0, 3},
	[BTF_KIND_ENUM] = {0, 2},
	[BTF_KIND_FWD] = {0, 0},
	[BTF_KIND_TYPEDEF] = {0, 0},
	[BTF_KIND_VOLATILE] = {0, 0},
	[BTF_KIND_CONST] = {0, 0},
	[BTF_KIND_RESTRICT] = {0, 0},
	[BTF_KIND_FUNC] = {0, 0},
	[BTF_KIND_FUNC_PROTO] = {0, 2},
	[BTF_KIND_VAR] = {1, 0},
	[BTF_KIND_DATASEC] = {0, 3},
	[BTF_KIND_FLOAT] = {0, 0},
	[BTF_KIND_DECL_TAG] = {1, 0},
	[BTF_KIND_TYPE_TAG] = {0, 0},
	[BTF_KIND_ENUM64] = {0, 3},
};

enum { KIND_COUNT = sizeof(layouts) / sizeof(layouts[0]) };

const struct btf_type btf_void;

size_t btf_record_size(const struct btf_type *type)
{
	const struct kind_layout *layout = &layouts[btf_kind(type)];
	size_t words = layout->words + (size_t)layout->words_each * btf_vlen(type);

	return sizeof(*type) + words * BTF_WORD;
}

static void swap_words(unsigned char *at, uint64_t count)
{
	uint32_t word;

	for (; count; count--, at += BTF_WORD) {
		memcpy(&word, at, BTF_WORD);
		word = __builtin_bswap32(word);
		memcpy(at, &word, BTF_WORD);
	}
}

/* Checks the header, in place, and that both parts it describes lie inside the section. */
static int parse_header(struct btf *btf, struct btf_header *h, struct error *err)
{
	uint64_t room;

	if (btf->size < sizeof(*h))
		return error_set(err, ENOEXEC, "BTF of %zu bytes has no whole header", btf->size);
	memcpy(h, btf->data, sizeof(*h));
	btf->foreign = h->magic == __builtin_bswap16(BTF_MAGIC);
	if (btf->foreign && btf->storage != BTF_ALLOCATED)
		return error_set(err, ENOEXEC, "BTF is in the byte order of another machine");
	if (btf->foreign) {
		h->magic = BTF_MAGIC;
		swap_words((unsigned char *)h + BTF_WORD, sizeof(*h) / BTF_WORD - 1);
	}
	if (h->magic != BTF_MAGIC)
		return error_set(err, ENOEXEC, "BTF magic is 0x%04x, not 0xeb9f", h->magic);
	if (h->version != BTF_VERSION)
		return error_set(err, ENOEXEC, "BTF version %u is not supported", h->version);
	if (h->header_size < sizeof(*h) || h->header_size > btf->size)
		return error_set(err, ENOEXEC, "BTF header of %u bytes in %zu bytes of BTF",
			h->header_size, btf->size);
	room = btf->size - h->header_size;
	if (h->type_offset > room || h->type_size > room - h->type_offset)
		return error_set(err, ENOEXEC, "BTF types lie outside the BTF");
	if (h->string_offset > room || h->string_size > room - h->string_offset)
		return error_set(err, ENOEXEC, "BTF strings lie outside the BTF");
	if (((uintptr_t)btf->data + h->header_size + h->type_offset) % BTF_WORD)
		return error_set(err, ENOEXEC, "BTF types are not aligned");
	/* Swapping the types would garble strings that overlap them. */
	if (h->string_offset < (uint64_t)h->type_offset + h->type_size &&
		h->type_offset < (uint64_t)h->string_offset + h->string_size)
		return error_set(err, ENOEXEC, "BTF types and strings overlap");
	return 0;
}

/* Strings of split BTF may be none, and need not begin with the empty one. */
static int set_strings(struct btf *btf, const struct btf_header *h, struct error *err)
{
	const char *strings = (const char *)btf->data + h->header_size + h->string_offset;

	if (!btf->base && (!h->string_size || strings[0]))
		return error_set(err, ENOEXEC, "BTF strings do not begin with NUL");
	if (h->string_size && strings[h->string_size - 1])
		return error_set(err, ENOEXEC, "BTF strings do not end with NUL");
	if (h->string_size > UINT32_MAX - btf->first_string)
		return error_set(err, ENOEXEC, "BTF strings exceed 4 GiB with the base's");
	btf->strings = strings;
	btf->string_size = btf->first_string + h->string_size;
	return 0;
}

/* Why the record at `at`, of which `room` bytes are left, is none. */
static int bad_record(const unsigned char *at, uint64_t room, uint32_t id, struct error *err)
{
	const struct btf_type *type = (const void *)at;

	if (room >= sizeof(*type) && (!btf_kind(type) || btf_kind(type) >= KIND_COUNT))
		return error_set(
			err, ENOEXEC, "BTF type %u is of the unknown kind %u", id, btf_kind(type));
	return error_set(err, ENOEXEC, "BTF type %u is cut off", id);
}

/* Measures a record of which `room` bytes are left, in native byte order if `foreign` is not;
 * then it is made so. Returns its size; 0: it is none. */
static inline uint64_t take_record(unsigned char *at, uint64_t room, bool foreign)
{
	const struct btf_type *type = (const void *)at;
	uint64_t words;
	uint32_t kind;

	if (room < sizeof(*type))
		return 0;
	if (foreign)
		swap_words(at, sizeof(*type) / BTF_WORD);
	kind = btf_kind(type);
	if (kind == BTF_KIND_UNKN || kind >= KIND_COUNT)
		return 0;
	words = layouts[kind].words + (uint64_t)layouts[kind].words_each * btf_vlen(type);
	if (words * BTF_WORD > room - sizeof(*type))
		return 0;
	if (foreign)
		swap_words(at + sizeof(*type), words);
	return sizeof(*type) + words * BTF_WORD;
}

/* Gives back what of the arrays is not needed; without memory they stay as they are. */
static void shrink(struct btf *btf)
{
	size_t count = btf->type_count - btf->first_id + (size_t)1;
	size_t named_count = btf->named_count + (size_t)1;
	struct btf_named *named = realloc(btf->named, named_count * sizeof(*named));
	uint32_t *offsets = realloc(btf->offsets, count * sizeof(*offsets));

	if (named)
		btf->named = named;
	if (offsets)
		btf->offsets = offsets;
}

/*
 * Finds where each type begins: the one thing that has to be known of all of them. In passing,
 * lists those that have a name and are no functions, so that looking for one need not go through
 * all types again. The kernel has 130 000 types, and most programs that are loaded wait for this:
 * it works on local copies, without a branch for what cannot be foretold.
 */
static int measure_types(struct btf *btf, uint64_t type_size, struct error *err)
{
	unsigned char *records = (unsigned char *)(uintptr_t)btf->records;
	uint32_t *offsets = btf->offsets, count = 0, named_count = 0;
	const uint32_t first = btf->first_id;
	struct btf_named *named = btf->named;
	const bool foreign = btf->foreign;
	const struct btf_type *type;
	uint64_t at = 0, size;

	for (; at < type_size; at += size) {
		size = take_record(records + at, type_size - at, foreign);
		if (!size)
			return bad_record(records + at, type_size - at, first + count, err);
		type = (const void *)(records + at);
		named[named_count] = (struct btf_named){first + count, type->name_off};
		named_count += (btf_kind(type) != BTF_KIND_FUNC) & (type->name_off != 0);
		offsets[count++] = (uint32_t)at;
	}
	btf->named_count = named_count;
	btf->type_count = first + count;
	shrink(btf);
	return 0;
}

static int read_types(struct btf *btf, const struct btf_header *h, struct error *err)
{
	size_t most = h->type_size / sizeof(struct btf_type) + 1;

	if (most > UINT32_MAX - btf->first_id)
		return error_set(err, ENOEXEC, "BTF types exceed 32-bit ids with the base's");
	btf->records = btf->data + h->header_size + h->type_offset;
	btf->offsets = malloc(most * sizeof(*btf->offsets));
	btf->named = malloc(most * sizeof(*btf->named));
	if (!btf->offsets || !btf->named)
		return error_errno(err, ENOMEM, "index %zu BTF types", most);
	return measure_types(btf, h->type_size, err);
}

static int bad_type(uint32_t id, const char *what, uint32_t value, struct error *err)
{
	return error_set(err, ENOEXEC, "BTF type %u: %s %u is out of range", id, what, value);
}

/* Checks the words behind a type that name things: pairs or triples that start with a name, and
 * carry a type id second when `typed`. */
static int check_list(const struct btf *btf, uint32_t id, bool typed, struct error *err)
{
	const struct btf_type *type = btf_type(btf, id);
	const uint32_t *word = btf_tail(type);
	uint32_t stride = layouts[btf_kind(type)].words_each;
	uint32_t i;

	for (i = 0; i < btf_vlen(type); i++, word += stride) {
		if (word[0] >= btf->string_size)
			return bad_type(id, "name", word[0], err);
		if (typed && word[1] >= btf->type_count)
			return bad_type(id, "type", word[1], err);
	}
	return 0;
}

/* Members begin within their struct, and bitfields end there; kernels demand it too. */
static int check_members(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf_type(btf, id);
	uint64_t whole = (uint64_t)type->size * 8;
	uint32_t count, i, bits, offset;
	const struct btf_member *member = btf_members(type, &count);

	if (check_list(btf, id, true, err) < 0)
		return -1;
	for (i = 0; i < count; i++, member++) {
		bits = btf_flag(type) ? member->offset >> 24 : 0;
		offset = btf_flag(type) ? member->offset & 0xffffff : member->offset;
		if ((uint64_t)offset + bits > whole)
			return error_set(err, ENOEXEC,
				"BTF type %u: member %u lies outside its %u bytes", id, i,
				type->size);
	}
	return 0;
}

static int check_int(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf_type(btf, id);

	if (!type->size || type->size > 16 || btf_int_bits(type) > type->size * 8)
		return error_set(err, ENOEXEC, "BTF type %u: an integer of %u bits in %u bytes", id,
			btf_int_bits(type), type->size);
	return 0;
}

static int check_datasec(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_var_secinfo *var = btf_tail(btf_type(btf, id));
	uint32_t i, kind;

	for (i = 0; i < btf_vlen(btf_type(btf, id)); i++, var++) {
		if (var->type >= btf->type_count)
			return bad_type(id, "type", var->type, err);
		/* Functions stand in .ksyms. */
		kind = btf_kind(btf_type(btf, var->type));
		if (kind != BTF_KIND_VAR && kind != BTF_KIND_FUNC)
			return error_set(err, ENOEXEC,
				"BTF type %u: type %u in a section is no variable", id, var->type);
	}
	return 0;
}

static int check_array(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_array *array = btf_tail(btf_type(btf, id));

	if (array->type >= btf->type_count)
		return bad_type(id, "type", array->type, err);
	if (array->index_type >= btf->type_count)
		return bad_type(id, "index type", array->index_type, err);
	return 0;
}

static int check_reference(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf_type(btf, id);

	if (type->size >= btf->type_count)
		return bad_type(id, "type", type->size, err);
	if (btf_kind(type) == BTF_KIND_FUNC &&
		btf_kind(btf_type(btf, type->size)) != BTF_KIND_FUNC_PROTO)
		return error_set(err, ENOEXEC, "BTF type %u: a function without a prototype", id);
	return 0;
}

static int check_type(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf_type(btf, id);

	if (type->name_off >= btf->string_size)
		return bad_type(id, "name", type->name_off, err);
	switch (btf_kind(type)) {
	case BTF_KIND_ARRAY:
		return check_array(btf, id, err);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return check_members(btf, id, err);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return check_list(btf, id, false, err);
	case BTF_KIND_FUNC_PROTO:
		return check_reference(btf, id, err) < 0 ? -1 : check_list(btf, id, true, err);
	case BTF_KIND_DATASEC:
		return check_datasec(btf, id, err);
	case BTF_KIND_INT:
		return check_int(btf, id, err);
	case BTF_KIND_FLOAT:
	case BTF_KIND_FWD:
		return 0;
	default:
		return check_reference(btf, id, err);
	}
}

static int check_types(const struct btf *btf, struct error *err)
{
	uint32_t id;

	for (id = btf->first_id; id < btf->type_count; id++) {
		if (check_type(btf, id, err) < 0)
			return -1;
	}
	return 0;
}

static void free_data(void *data, size_t size, enum btf_storage storage)
{
	if (storage == BTF_ALLOCATED)
		free(data);
	else if (storage == BTF_MAPPED)
		sys_unmap(data, size);
}

static int parse(struct btf *btf, bool trusted, struct error *err)
{
	struct btf_header header;

	if (btf->base && btf->base->base)
		return error_set(err, EINVAL, "the base of split BTF is split itself");
	if (parse_header(btf, &header, err) < 0 || set_strings(btf, &header, err) < 0 ||
		read_types(btf, &header, err) < 0)
		return -1;
	return trusted ? 0 : check_types(btf, err);
}

int btf_adopt(struct btf **out, struct btf *base, void *data, size_t size, enum btf_storage storage,
	bool trusted, struct error *err)
{
	struct btf *btf = calloc(1, sizeof(*btf));

	if (!btf) {
		free_data(data, size, storage);
		return error_errno(err, ENOMEM, "parse BTF");
	}
	btf->references = 1;
	btf->data = data;
	btf->size = size;
	btf->storage = storage;
	btf->base = base ? btf_retain(base) : NULL;
	btf->first_id = btf->type_count = base ? base->type_count : 1;
	btf->first_string = btf->string_size = base ? base->string_size : 0;
	if (parse(btf, trusted, err) < 0) {
		btf_release(btf);
		return -1;
	}
	*out = btf;
	return 0;
}

int btf_parse(struct btf **out, struct btf *base, const void *data, size_t size, struct error *err)
{
	void *copy = malloc(size ? size : 1);

	if (!copy)
		return error_errno(err, ENOMEM, "copy %zu bytes of BTF", size);
	memcpy(copy, data, size);
	return btf_adopt(out, base, copy, size, BTF_ALLOCATED, false, err);
}

struct btf *btf_retain(struct btf *btf)
{
	btf->references++;
	return btf;
}

void btf_release(struct btf *btf)
{
	if (!btf || --btf->references)
		return;
	if (btf->weak)
		*btf->weak = NULL;
	btf_release(btf->base);
	btf_index_free(btf->index);
	free(btf->offsets);
	free(btf->named);
	free_data(btf->data, btf->size, btf->storage);
	free(btf);
}
