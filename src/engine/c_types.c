/* SPDX-License-Identifier: MIT */
#include "c_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "btf.h"

enum { SIGNED = 1, BOOL = 4 };

static const struct base {
	const char *name; /* as clang calls it in BTF */
	uint8_t size, encoding;
	bool is_float;
} bases[C_BASES] = {
	[C_CHAR] = {"char", 1, SIGNED, false},
	[C_SCHAR] = {"signed char", 1, SIGNED, false},
	[C_UCHAR] = {"unsigned char", 1, 0, false},
	[C_SHORT] = {"short", 2, SIGNED, false},
	[C_USHORT] = {"unsigned short", 2, 0, false},
	[C_INT] = {"int", 4, SIGNED, false},
	[C_UINT] = {"unsigned int", 4, 0, false},
	[C_LONG] = {"long", 8, SIGNED, false},
	[C_ULONG] = {"unsigned long", 8, 0, false},
	[C_LLONG] = {"long long", 8, SIGNED, false},
	[C_ULLONG] = {"unsigned long long", 8, 0, false},
	[C_INT128] = {"__int128", 16, SIGNED, false},
	[C_UINT128] = {"unsigned __int128", 16, 0, false},
	[C_BOOL] = {"_Bool", 1, BOOL, false},
	[C_FLOAT] = {"float", 4, 0, true},
	[C_DOUBLE] = {"double", 8, 0, true},
};

/* Names that headers define, with what they mean to the kernel and to BPF programs. */
static const struct alias {
	const char *name;
	enum c_base base;
} aliases[] = {
	{"u8", C_UCHAR},
	{"u16", C_USHORT},
	{"u32", C_UINT},
	{"u64", C_ULLONG},
	{"s8", C_SCHAR},
	{"s16", C_SHORT},
	{"s32", C_INT},
	{"s64", C_LLONG},
	{"i8", C_SCHAR},
	{"i16", C_SHORT},
	{"i32", C_INT},
	{"i64", C_LLONG},
	{"__u8", C_UCHAR},
	{"__u16", C_USHORT},
	{"__u32", C_UINT},
	{"__u64", C_ULLONG},
	{"__s8", C_SCHAR},
	{"__s16", C_SHORT},
	{"__s32", C_INT},
	{"__s64", C_LLONG},
	{"__u128", C_UINT128},
	{"__s128", C_INT128},
	{"u128", C_UINT128},
	{"s128", C_INT128},
	{"__be16", C_USHORT},
	{"__be32", C_UINT},
	{"__be64", C_ULLONG},
	{"__le16", C_USHORT},
	{"__le32", C_UINT},
	{"__le64", C_ULLONG},
	{"__sum16", C_USHORT},
	{"__wsum", C_UINT},
	{"__aligned_u64", C_ULLONG},
	{"__aligned_s64", C_LLONG},
	{"__aligned_be64", C_ULLONG},
	{"__aligned_le64", C_ULLONG},
	{"uint8_t", C_UCHAR},
	{"uint16_t", C_USHORT},
	{"uint32_t", C_UINT},
	{"uint64_t", C_ULONG},
	{"int8_t", C_SCHAR},
	{"int16_t", C_SHORT},
	{"int32_t", C_INT},
	{"int64_t", C_LONG},
	{"u_int8_t", C_UCHAR},
	{"u_int16_t", C_USHORT},
	{"u_int32_t", C_UINT},
	{"u_int64_t", C_ULONG},
	{"uintptr_t", C_ULONG},
	{"intptr_t", C_LONG},
	{"uintmax_t", C_ULONG},
	{"intmax_t", C_LONG},
	{"ptrdiff_t", C_LONG},
	{"size_t", C_ULONG},
	{"ssize_t", C_LONG},
	{"__kernel_size_t", C_ULONG},
	{"bool", C_BOOL},
	{"_Bool", C_BOOL},
	{"unchar", C_UCHAR},
	{"u_char", C_UCHAR},
	{"ushort", C_USHORT},
	{"u_short", C_USHORT},
	{"uint", C_UINT},
	{"u_int", C_UINT},
	{"ulong", C_ULONG},
	{"u_long", C_ULONG},
	{"pid_t", C_INT},
	{"__kernel_pid_t", C_INT},
	{"uid_t", C_UINT},
	{"gid_t", C_UINT},
	{"umode_t", C_USHORT},
	{"id_t", C_UINT},
	{"off_t", C_LONG},
	{"loff_t", C_LLONG},
	{"ino_t", C_ULONG},
	{"time_t", C_LONG},
	{"time64_t", C_LLONG},
	{"ktime_t", C_LLONG},
	{"clockid_t", C_INT},
	{"sector_t", C_ULLONG},
	{"gfp_t", C_UINT},
	{"dma_addr_t", C_ULLONG},
	{"phys_addr_t", C_ULLONG},
	{"key_t", C_INT},
	{"sa_family_t", C_USHORT},
	{"in_addr_t", C_UINT},
	{"in_port_t", C_USHORT},
	{"socklen_t", C_UINT},
};

enum c_base c_types_find_base(const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strlen(aliases[i].name) == size && memcmp(aliases[i].name, name, size) == 0)
			return aliases[i].base;
	}
	return C_BASES;
}

/* Those whose size has never changed. */
struct c_type c_types_kernels_own(const char *name)
{
	static const struct {
		const char *name;
		struct c_type type;
	} own[] = {
		{"bpf_spin_lock", {.size = 4, .align = 4}},
		{"bpf_res_spin_lock", {.size = 4, .align = 4}},
		{"bpf_timer", {.size = 16, .align = 8}},
		{"bpf_wq", {.size = 16, .align = 8}},
		{"bpf_list_head", {.size = 16, .align = 8}},
		{"bpf_rb_root", {.size = 16, .align = 8}},
		{"bpf_refcount", {.size = 4, .align = 4}},
	};
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(own[i].name, name) == 0)
			return own[i].type;
	}
	return (struct c_type){0};
}

static int no_memory(struct error *err)
{
	return error_errno(err, ENOMEM, "compile a C declaration");
}

/* Appends a type of `count` words behind its name, info and size. */
static int add(struct c_types *types, struct btf_type head, const uint32_t *words, uint32_t count,
	struct c_type type, uint32_t *id, struct error *err)
{
	uint32_t *grown;
	struct c_type *more;

	grown = pool_grow(
		types->words, &types->word_room, types->word_count, count + 3, sizeof(*grown));
	if (!grown)
		return no_memory(err);
	types->words = grown;
	more = pool_grow(types->types, &types->room, types->count, 1, sizeof(*more));
	if (!more)
		return no_memory(err);
	types->types = more;
	memcpy(grown + types->word_count, &head, sizeof(head));
	if (count)
		memcpy(grown + types->word_count + 3, words, count * sizeof(*words));
	types->word_count += count + 3;
	*id = types->count;
	types->types[types->count++] = type;
	return 0;
}

static struct btf_type head_of(enum btf_kind kind, uint32_t name, uint32_t count, uint32_t size)
{
	return (struct btf_type){name, (uint32_t)kind << 24 | count, size};
}

static uint32_t name_offset(const struct c_types *types, uint32_t number)
{
	return types->names.offsets[number];
}

int c_types_begin(struct c_types *types, struct error *err)
{
	uint32_t number, *words;

	/* The empty name is the first of BTF's strings, and void its type 0. */
	if (pool_add(&types->names, "", &number, err) < 0)
		return -1;
	words = pool_grow(types->words, &types->word_room, 0, 1, sizeof(*words));
	types->words = words;
	types->types = pool_grow(types->types, &types->room, 0, 1, sizeof(*types->types));
	if (!words || !types->types)
		return no_memory(err);
	types->types[types->count++] = (struct c_type){0};
	return 0;
}

void c_types_free(struct c_types *types)
{
	pool_free(&types->names);
	free(types->words);
	free(types->types);
	memset(types, 0, sizeof(*types));
}

int c_types_base(struct c_types *types, enum c_base base, uint32_t *id, struct error *err)
{
	const struct base *b = &bases[base];
	uint32_t name, encoding = (uint32_t)b->encoding << 24 | b->size * 8U;
	struct c_type type = {
		.size = b->size,
		.align = b->size,
		.integer = !b->is_float,
		.bits = b->encoding & BOOL ? 1 : (uint8_t)(b->size * 8),
	};

	*id = types->bases[base];
	if (*id)
		return 0;
	if (pool_add(&types->names, b->name, &name, err) < 0)
		return -1;
	name = name_offset(types, name);
	if (add(types, head_of(b->is_float ? BTF_KIND_FLOAT : BTF_KIND_INT, name, 0, b->size),
		    &encoding, !b->is_float, type, id, err) < 0)
		return -1;
	types->bases[base] = *id;
	return 0;
}

int c_types_pointer(struct c_types *types, bool kptr, uint32_t *id, struct error *err)
{
	uint32_t *known = kptr ? &types->kptr : &types->pointer;
	uint32_t target = 0, name;
	struct c_type type = {.size = 8, .align = 8};

	*id = *known;
	if (*id)
		return 0;
	if (kptr && (pool_add(&types->names, "kptr", &name, err) < 0 ||
			    add(types, head_of(BTF_KIND_TYPE_TAG, name_offset(types, name), 0, 0),
				    NULL, 0, (struct c_type){0}, &target, err) < 0))
		return -1;
	if (add(types, head_of(BTF_KIND_PTR, 0, 0, target), NULL, 0, type, id, err) < 0)
		return -1;
	*known = *id;
	return 0;
}

int c_types_array(
	struct c_types *types, uint32_t element, uint32_t count, uint32_t *id, struct error *err)
{
	struct c_type type = types->types[element];
	struct btf_array array = {.type = element, .nelems = count};

	if (c_types_base(types, C_UINT, &array.index_type, err) < 0)
		return -1;
	type.size *= count;
	type.integer = false;
	return add(types, head_of(BTF_KIND_ARRAY, 0, 0, 0), (const uint32_t *)&array, 3, type, id,
		err);
}

int c_types_typedef(struct c_types *types, uint32_t name, uint32_t target, uint32_t align,
	uint32_t *id, struct error *err)
{
	struct c_type type = types->types[target];

	if (align)
		type.align = align;
	return add(types, head_of(BTF_KIND_TYPEDEF, name_offset(types, name), 0, target), NULL, 0,
		type, id, err);
}

int c_types_enum(struct c_types *types, const struct c_enum *e, const struct c_enumerator *values,
	uint32_t count, uint32_t *id, struct error *err)
{
	struct c_type type = {.size = e->size, .align = e->size, .integer = true};
	struct btf_type head = head_of(BTF_KIND_ENUM64, name_offset(types, e->tag), count, e->size);
	uint32_t i, *words = calloc(count + 1, 3 * sizeof(*words));
	int ret;

	if (!words)
		return no_memory(err);
	/* A plain enum does not say for sure whether it is signed. */
	head.info |= (uint32_t)e->is_signed << 31;
	type.bits = (uint8_t)(e->size * 8);
	for (i = 0; i < count; i++) {
		words[3 * i] = name_offset(types, values[i].name);
		words[3 * i + 1] = (uint32_t)values[i].value;
		words[3 * i + 2] = (uint32_t)((uint64_t)values[i].value >> 32);
	}
	ret = add(types, head, words, 3 * count, type, id, err);
	free(words);
	return ret;
}

int c_types_opaque(
	struct c_types *types, uint32_t tag, struct c_type type, uint32_t *id, struct error *err)
{
	return add(types, head_of(BTF_KIND_STRUCT, name_offset(types, tag), 0, type.size), NULL, 0,
		type, id, err);
}

/* Where the next member goes, and what the record has become. */
struct placing {
	const struct c_types *types;
	const struct c_record *record;
	uint64_t at; /* bits used */
	uint64_t most; /* bits of a union's largest member */
	uint32_t align;
	bool has_bitfields;
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * A bitfield lies in one unit of its type, unless packed; an attribute `aligned` moves its start.
 * One without a name takes part in this but does not align the struct, and one of no width only
 * closes the unit, packed or not.
 */
static void place_bitfield(struct placing *p, struct c_member *member)
{
	const struct c_type *type = &p->types->types[member->type];
	bool packed = p->record->packed || member->packed;
	uint64_t unit = (uint64_t)type->size * 8, align = (uint64_t)type->align * 8;

	if (packed && member->bits)
		align = 1;
	if ((uint64_t)member->align * 8 > align)
		align = (uint64_t)member->align * 8;
	if (!member->bits || member->align || (!packed && p->at % align + member->bits > unit))
		p->at = round_up(p->at, align);
	member->offset = p->at;
	p->at += member->bits;
	if (member->name && align / 8 > p->align)
		p->align = (uint32_t)(align / 8);
	p->has_bitfields = true;
}

static void place_plain(struct placing *p, struct c_member *member)
{
	const struct c_type *type = &p->types->types[member->type];
	uint32_t align = p->record->packed || member->packed ? 1 : type->align;

	if (member->align > align)
		align = member->align;
	p->at = round_up(p->at, (uint64_t)align * 8);
	member->offset = p->at;
	p->at += (uint64_t)type->size * 8;
	if (align > p->align)
		p->align = align;
}

/* Gives the members their offsets; the size that results, in bytes. */
static uint64_t place_members(struct placing *p, struct c_member *members, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count && p->at <= (uint64_t)C_SIZE_MAX * 8; i++) {
		if (p->record->is_union)
			p->at = 0;
		if (members[i].bitfield)
			place_bitfield(p, &members[i]);
		else
			place_plain(p, &members[i]);
		if (p->at > p->most)
			p->most = p->at;
	}
	if (p->record->align > p->align)
		p->align = p->record->align;
	return round_up(round_up(p->most, 8) / 8, p->align);
}

static int write_members(struct c_types *types, const struct placing *p,
	const struct c_member *members, uint32_t count, uint32_t size, uint32_t *id,
	struct error *err)
{
	struct c_type type = {.size = size, .align = p->align};
	uint32_t i, n = 0, *words = calloc(count + 1U, 3 * sizeof(*words));
	struct btf_type head;
	int ret;

	if (!words)
		return no_memory(err);
	for (i = 0; i < count; i++) {
		if (members[i].bitfield && !members[i].name)
			continue;
		words[3 * n] = name_offset(types, members[i].name);
		words[3 * n + 1] = members[i].type;
		words[3 * n + 2] = (uint32_t)members[i].offset;
		if (members[i].bitfield)
			words[3 * n + 2] |= (uint32_t)members[i].bits << 24;
		n++;
	}
	head = head_of(p->record->is_union ? BTF_KIND_UNION : BTF_KIND_STRUCT,
		name_offset(types, p->record->tag), n, size);
	head.info |= (uint32_t)p->has_bitfields << 31;
	ret = add(types, head, words, 3 * n, type, id, err);
	free(words);
	return ret;
}

int c_types_record(struct c_types *types, const struct c_record *record, struct c_member *members,
	uint32_t count, uint32_t *id, struct error *err)
{
	struct placing p = {.types = types, .record = record, .align = 1};
	uint64_t size = place_members(&p, members, count);

	if (size > C_SIZE_MAX)
		return error_set(err, EINVAL, "a struct that is too large");
	/* The offset of a member shares its word with the width of a bitfield. */
	if (p.has_bitfields && size > 1 << 21)
		return error_set(err, EINVAL, "bitfields in a struct of more than 2 MiB");
	if (count > UINT16_MAX)
		return error_set(err, EINVAL, "a struct of more than 65535 members");
	return write_members(types, &p, members, count, (uint32_t)size, id, err);
}

void *c_types_finish(const struct c_types *types, size_t *size, struct error *err)
{
	uint32_t records = types->word_count * 4;
	/* struct btf_header: magic, version and flags, its size, then both parts behind it. */
	const struct {
		uint16_t magic;
		uint8_t version, flags;
		uint32_t header_size, type_offset, type_size, string_offset, string_size;
	} header = {0xeb9f, 1, 0, 24, 0, records, records, types->names.size};
	unsigned char *data;

	*size = sizeof(header) + records + types->names.size;
	data = malloc(*size);
	if (!data) {
		no_memory(err);
		return NULL;
	}
	memcpy(data, &header, sizeof(header));
	memcpy(data + sizeof(header), types->words, records);
	memcpy(data + sizeof(header) + records, types->names.bytes, types->names.size);
	return data;
}
