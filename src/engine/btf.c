/* SPDX-License-Identifier: MIT */
#include "btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static const struct btf_type void_type;

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
static int parse_header(struct btf *btf, struct btf_header *h, bool *foreign, struct error *err)
{
	uint64_t room;

	if (btf->size < sizeof(*h))
		return error_set(err, ENOEXEC, "BTF of %zu bytes has no whole header", btf->size);
	memcpy(h, btf->data, sizeof(*h));
	*foreign = h->magic == __builtin_bswap16(BTF_MAGIC);
	if (*foreign) {
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
	if (((uint64_t)h->header_size + h->type_offset) % BTF_WORD)
		return error_set(err, ENOEXEC, "BTF types are not aligned");
	/* Swapping the types would garble strings that overlap them. */
	if (h->string_offset < (uint64_t)h->type_offset + h->type_size &&
		h->type_offset < (uint64_t)h->string_offset + h->string_size)
		return error_set(err, ENOEXEC, "BTF types and strings overlap");
	return 0;
}

static int set_strings(struct btf *btf, const struct btf_header *h, struct error *err)
{
	const char *strings = (const char *)btf->data + h->header_size + h->string_offset;

	if (!h->string_size || strings[0] || strings[h->string_size - 1])
		return error_set(err, ENOEXEC, "BTF strings do not begin and end with NUL");
	btf->strings = strings;
	btf->string_size = h->string_size;
	return 0;
}

/* Measures the record at `at`, of which `room` bytes are left, and makes its byte order native.
 * Returns its size, or 0 with an error. */
static uint64_t take_type(
	unsigned char *at, uint64_t room, bool foreign, uint32_t id, struct error *err)
{
	const struct btf_type *type = (const void *)at;
	uint64_t words;
	uint32_t kind;

	if (room < sizeof(*type)) {
		error_set(err, ENOEXEC, "BTF type %u is cut off", id);
		return 0;
	}
	if (foreign)
		swap_words(at, sizeof(*type) / BTF_WORD);
	kind = btf_kind(type);
	if (kind == BTF_KIND_UNKN || kind >= KIND_COUNT) {
		error_set(err, ENOEXEC, "BTF type %u is of the unknown kind %u", id, kind);
		return 0;
	}
	words = layouts[kind].words + (uint64_t)layouts[kind].words_each * btf_vlen(type);
	if (words * BTF_WORD > room - sizeof(*type)) {
		error_set(err, ENOEXEC, "BTF type %u is cut off", id);
		return 0;
	}
	if (foreign)
		swap_words(at + sizeof(*type), words);
	return sizeof(*type) + words * BTF_WORD;
}

static int index_types(struct btf *btf, const struct btf_header *h, bool foreign, struct error *err)
{
	unsigned char *at = btf->data + h->header_size + h->type_offset;
	uint64_t left = h->type_size, size;
	size_t most = h->type_size / sizeof(struct btf_type) + 1;

	btf->types = malloc(most * sizeof(*btf->types));
	if (!btf->types)
		return error_errno(err, ENOMEM, "index %zu BTF types", most);
	btf->types[0] = &void_type;
	btf->type_count = 1;
	for (; left; at += size, left -= size) {
		size = take_type(at, left, foreign, btf->type_count, err);
		if (!size)
			return -1;
		btf->types[btf->type_count++] = (const void *)at;
	}
	return 0;
}

static int bad_type(uint32_t id, const char *what, uint32_t value, struct error *err)
{
	return error_set(err, ENOEXEC, "BTF type %u: %s %u is out of range", id, what, value);
}

/* Checks the words behind a type that name things: pairs or triples that start with a name, and
 * carry a type id second when `typed`. */
static int check_list(const struct btf *btf, uint32_t id, bool typed, struct error *err)
{
	const struct btf_type *type = btf->types[id];
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

static int check_datasec(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_var_secinfo *var = btf_tail(btf->types[id]);
	uint32_t i, kind;

	for (i = 0; i < btf_vlen(btf->types[id]); i++, var++) {
		if (var->type >= btf->type_count)
			return bad_type(id, "type", var->type, err);
		/* Functions stand in .ksyms. */
		kind = btf_kind(btf->types[var->type]);
		if (kind != BTF_KIND_VAR && kind != BTF_KIND_FUNC)
			return error_set(err, ENOEXEC,
				"BTF type %u: type %u in a section is no variable", id, var->type);
	}
	return 0;
}

static int check_array(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_array *array = btf_tail(btf->types[id]);

	if (array->type >= btf->type_count)
		return bad_type(id, "type", array->type, err);
	if (array->index_type >= btf->type_count)
		return bad_type(id, "index type", array->index_type, err);
	return 0;
}

static int check_reference(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf->types[id];

	if (type->size >= btf->type_count)
		return bad_type(id, "type", type->size, err);
	if (btf_kind(type) == BTF_KIND_FUNC &&
		btf_kind(btf->types[type->size]) != BTF_KIND_FUNC_PROTO)
		return error_set(err, ENOEXEC, "BTF type %u: a function without a prototype", id);
	return 0;
}

static int check_type(const struct btf *btf, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf->types[id];

	if (type->name_off >= btf->string_size)
		return bad_type(id, "name", type->name_off, err);
	switch (btf_kind(type)) {
	case BTF_KIND_ARRAY:
		return check_array(btf, id, err);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return check_list(btf, id, true, err);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return check_list(btf, id, false, err);
	case BTF_KIND_FUNC_PROTO:
		return check_reference(btf, id, err) < 0 ? -1 : check_list(btf, id, true, err);
	case BTF_KIND_DATASEC:
		return check_datasec(btf, id, err);
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_FWD:
		return 0;
	default:
		return check_reference(btf, id, err);
	}
}

int btf_parse(struct btf *btf, const void *data, size_t size, struct error *err)
{
	struct btf_header header;
	bool foreign = false;
	uint32_t id;

	btf->data = malloc(size ? size : 1);
	if (!btf->data)
		return error_errno(err, ENOMEM, "copy %zu bytes of BTF", size);
	memcpy(btf->data, data, size);
	btf->size = size;
	if (parse_header(btf, &header, &foreign, err) < 0 || set_strings(btf, &header, err) < 0 ||
		index_types(btf, &header, foreign, err) < 0)
		return -1;
	for (id = 1; id < btf->type_count; id++) {
		if (check_type(btf, id, err) < 0)
			return -1;
	}
	return 0;
}

void btf_free(struct btf *btf)
{
	free(btf->types);
	free(btf->data);
	memset(btf, 0, sizeof(*btf));
}

uint32_t btf_find(const struct btf *btf, const char *name, enum btf_kind kind)
{
	uint32_t id;

	for (id = 1; id < btf->type_count; id++) {
		if (btf_kind(btf->types[id]) == kind &&
			strcmp(btf_string(btf, btf->types[id]->name_off), name) == 0)
			return id;
	}
	return 0;
}

bool btf_resolve(const struct btf *btf, uint32_t id, uint32_t *resolved)
{
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		switch (btf_kind(btf->types[id])) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			id = btf->types[id]->size;
			break;
		default:
			*resolved = id;
			return true;
		}
	}
	return false;
}

bool btf_size(const struct btf *btf, uint32_t id, uint32_t *size)
{
	const struct btf_type *type;
	const struct btf_array *array;
	uint64_t times = 1;
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (!btf_resolve(btf, id, &id))
			return false;
		type = btf->types[id];
		switch (btf_kind(type)) {
		case BTF_KIND_INT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FLOAT:
		case BTF_KIND_DATASEC:
			times *= type->size;
			break;
		case BTF_KIND_PTR:
			times *= sizeof(uint64_t); /* on the BPF machine, whatever ours */
			break;
		case BTF_KIND_VAR:
			id = type->size;
			continue;
		case BTF_KIND_ARRAY:
			array = btf_tail(type);
			times *= array->nelems;
			if (times > UINT32_MAX)
				return false;
			id = array->type;
			continue;
		default:
			return false;
		}
		*size = (uint32_t)times;
		return times <= UINT32_MAX;
	}
	return false;
}
