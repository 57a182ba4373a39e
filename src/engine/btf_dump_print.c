/* SPDX-License-Identifier: MIT */
#include "btf_dump_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTE = 8, DEPTH_LIMIT = 200, FIRST_ROOM = 4096, TEXT_BASE = 1 << 20, TEXT_FACTOR = 16 };

int btf_printer_init(struct btf_printer *p, struct btf *btf, struct error *err)
{
	p->btf = btf;
	p->error = err;
	p->limit = TEXT_BASE + (btf->size + (btf->base ? btf->base->size : 0)) * TEXT_FACTOR;
	if (btf_layout_init(&p->layout, btf, err) < 0)
		return -1;
	return btf_dump_names_init(&p->names, btf, err);
}

void btf_printer_free(struct btf_printer *p)
{
	btf_layout_free(&p->layout);
	btf_dump_names_free(&p->names);
	free(p->text);
	memset(p, 0, sizeof(*p));
}

static void fail(struct btf_printer *p, int code, const char *why)
{
	if (!p->failed)
		error_set(p->error, code, "%s", why);
	p->failed = true;
}

/* Makes room for `more` bytes and a NUL. Types that use each other without names are written out
 * each time, so that a small BTF may ask for any amount of text. */
static bool has_room(struct btf_printer *p, size_t more)
{
	size_t room = p->room ? p->room : FIRST_ROOM;
	char *grown;

	if (p->size + more > p->limit) {
		fail(p, EFBIG, "the types would make more text than could be meant");
		return false;
	}
	while (room <= p->size + more)
		room *= 2;
	if (room == p->room)
		return true;
	grown = realloc(p->text, room);
	if (!grown) {
		fail(p, ENOMEM, "cannot allocate memory (ENOMEM)");
		return false;
	}
	p->text = grown;
	p->room = room;
	return true;
}

void btf_print(struct btf_printer *p, const char *format, ...)
{
	char line[2 * BTF_DUMP_NAME + 64];
	va_list ap;
	int n;

	if (p->failed)
		return;
	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 1;
	if (n > 0 && has_room(p, (size_t)n)) {
		memcpy(p->text + p->size, line, (size_t)n);
		p->size += (size_t)n;
		p->text[p->size] = '\0';
	}
}

static void indent(struct btf_printer *p, uint32_t level)
{
	while (level--)
		btf_print(p, "\t");
}

/* Names follow "*" and "(" without a space. */
static void put_word(struct btf_printer *p, const char *word)
{
	char last = p->size ? p->text[p->size - 1] : '\0';

	btf_print(p, "%s%s", last == '*' || last == '(' ? "" : " ", word);
}

static void put_name(struct btf_printer *p, uint32_t id)
{
	char name[BTF_DUMP_NAME];

	if (btf_dump_names_type(&p->names, id, name, p->error) < 0)
		p->failed = true;
	btf_print(p, "%s", name);
}

static const char *keyword(const struct btf_type *type)
{
	switch (btf_kind(type)) {
	case BTF_KIND_UNION:
		return "union";
	case BTF_KIND_FWD:
		return btf_flag(type) ? "union" : "struct";
	case BTF_KIND_STRUCT:
		return "struct";
	default:
		return "enum";
	}
}

/*
 * Fills the bits from `at` to `end` by unnamed bitfields, which need no alignment. Each lies
 * within one value of its type, so that every compiler puts it where it is meant to be.
 */
static void put_padding(struct btf_printer *p, uint64_t at, uint64_t end, uint32_t level)
{
	static const struct unit {
		const char *type;
		uint32_t bits;
	} units[] = {{"long long", 64}, {"int", 32}, {"short", 16}, {"char", 8}};
	uint32_t bits;
	size_t i;

	while (at < end && !p->failed) {
		for (i = 0; i < 3; i++) {
			if (at % units[i].bits == 0 && end - at >= units[i].bits)
				break;
		}
		bits = units[i].bits - (uint32_t)(at % units[i].bits);
		if (bits > end - at)
			bits = (uint32_t)(end - at);
		indent(p, level);
		btf_print(p, "%s: %u;\n", units[i].type, bits);
		at += bits;
	}
}

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static uint64_t bits_of(const struct btf *btf, uint32_t id)
{
	uint32_t size;

	return btf_size(btf, id, &size) ? (uint64_t)size * BYTE : 0;
}

static void put_prefix(struct btf_printer *p, uint32_t id, uint32_t level);
static void put_suffix(struct btf_printer *p, uint32_t id, uint32_t level);
static void put_record(struct btf_printer *p, uint32_t id, uint32_t level);

/* The struct or union that a member without a name has, or 0. It may have a name itself: that is
 * an extension (-fms-extensions) of which Linux 7 makes use, and which C tells by the members. */
static uint32_t embedded(const struct btf *btf, const struct btf_member *member)
{
	uint32_t id = member->type, kind;
	int depth;

	for (depth = 0; !member->name_off && depth < BTF_DEPTH_MAX; depth++) {
		kind = btf_kind(btf_type(btf, id));
		if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION)
			return id;
		if (kind != BTF_KIND_TYPEDEF && kind != BTF_KIND_CONST &&
			kind != BTF_KIND_VOLATILE && kind != BTF_KIND_TYPE_TAG)
			break;
		id = btf_type(btf, id)->size;
	}
	return 0;
}

static void put_member(
	struct btf_printer *p, const struct btf_member *member, uint32_t bits, uint32_t level)
{
	const char *name = btf_string(p->btf, member->name_off);
	uint32_t record = embedded(p->btf, member);
	char valid[BTF_DUMP_NAME];

	indent(p, level);
	if (record && !p->failed) {
		btf_print(p, "%s", keyword(btf_type(p->btf, record)));
		put_record(p, record, level);
		btf_print(p, ";\n");
		return;
	}
	put_prefix(p, member->type, level);
	if (name[0]) {
		btf_dump_names_member(name, valid);
		put_word(p, valid);
	}
	put_suffix(p, member->type, level);
	if (bits)
		btf_print(p, ": %u", bits);
	btf_print(p, ";\n");
}

/* Where the compiler puts the next member, at bit `at` or behind. */
static uint64_t next_place(struct btf_printer *p, const struct btf_member *member, uint32_t bits,
	bool packed, uint64_t at)
{
	uint64_t unit = bits_of(p->btf, member->type);

	if (bits && (packed || !unit || at % unit + bits <= unit))
		return at;
	if (bits)
		return round_up(at, unit);
	return round_up(at, (packed ? 1 : btf_layout_align(&p->layout, member->type)) * BYTE);
}

static void put_members(struct btf_printer *p, uint32_t id, uint32_t level)
{
	const struct btf_type *type = btf_type(p->btf, id);
	bool packed = btf_layout_packed(&p->layout, id);
	bool is_union = btf_kind(type) == BTF_KIND_UNION;
	uint64_t at = 0, end, whole = (uint64_t)type->size * BYTE;
	uint32_t count, i, offset, bits;
	const struct btf_member *member = btf_members(type, &count);

	for (i = 0; i < count && !p->failed; i++, member++) {
		btf_member_place(p->btf, type, member, &offset, &bits);
		if (!is_union && offset > next_place(p, member, bits, packed, at))
			put_padding(p, at, offset, level);
		put_member(p, member, bits, level);
		end = offset + (bits ? bits : bits_of(p->btf, member->type));
		if (end > at)
			at = end;
	}
	if (whole <= round_up(at, btf_layout_align(&p->layout, id) * BYTE))
		return;
	/* Alignment that no member asks for. */
	if (is_union) {
		indent(p, level);
		btf_print(p, "char __union_size[%u];\n", type->size);
	} else {
		put_padding(p, at, whole, level);
	}
}

static void put_record(struct btf_printer *p, uint32_t id, uint32_t level)
{
	btf_print(p, " {\n");
	if (p->depth >= DEPTH_LIMIT) {
		fail(p, ENOEXEC, "types go too deep");
		return;
	}
	p->depth++;
	put_members(p, id, level + 1);
	p->depth--;
	indent(p, level);
	btf_print(p, "}%s", btf_layout_packed(&p->layout, id) ? " __attribute__((packed))" : "");
}

static void put_number(struct btf_printer *p, uint64_t value, bool is_signed, bool wide)
{
	if (is_signed && value == (uint64_t)INT64_MIN)
		btf_print(p, "(-%" PRId64 "LL - 1)", INT64_MAX);
	else if (is_signed)
		btf_print(p, "%" PRId64 "%s", (int64_t)value, wide ? "LL" : "");
	else
		btf_print(p, "%" PRIu64 "%s", value, wide ? "ULL" : "");
}

static bool fits_int(uint64_t value, bool is_signed)
{
	if (is_signed)
		return (int64_t)value >= INT32_MIN && (int64_t)value <= INT32_MAX;
	return value <= UINT32_MAX;
}

static void put_value_name(struct btf_printer *p, const char *name)
{
	char unique[BTF_DUMP_NAME];

	if (btf_dump_names_value(&p->names, name, unique, p->error) < 0)
		p->failed = true;
	btf_print(p, "%s = ", unique);
}

static void put_enum(struct btf_printer *p, const struct btf_type *type, uint32_t level)
{
	const char *mode = type->size == 1 ? "QI" : type->size == 2 ? "HI" : "DI";
	bool wide = false, is_signed = btf_flag(type);
	uint32_t i;

	btf_print(p, " {\n");
	/* One that is only declared has no values, and C none without. */
	if (!btf_vlen(type)) {
		indent(p, level + 1);
		put_value_name(p, "no_value");
		btf_print(p, "0,\n");
	}
	for (i = 0; i < btf_vlen(type) && !p->failed; i++) {
		indent(p, level + 1);
		put_value_name(p, btf_enum_name(p->btf, type, i));
		put_number(
			p, btf_enum_value(type, i), is_signed, btf_kind(type) == BTF_KIND_ENUM64);
		btf_print(p, ",\n");
		wide = wide || !fits_int(btf_enum_value(type, i), is_signed);
	}
	indent(p, level);
	btf_print(p, "}");
	if (type->size != (wide ? 8 : 4))
		btf_print(p, " __attribute__((mode(%s)))", mode);
}

/* The type behind qualifiers and tags, which have no meaning for arrays and functions. */
static uint32_t unqualified(const struct btf *btf, uint32_t id)
{
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		switch (btf_kind(btf_type(btf, id))) {
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			id = btf_type(btf, id)->size;
			break;
		default:
			return id;
		}
	}
	return 0;
}

static bool needs_parentheses(const struct btf *btf, uint32_t target)
{
	uint32_t kind = btf_kind(btf_type(btf, unqualified(btf, target)));

	return kind == BTF_KIND_ARRAY || kind == BTF_KIND_FUNC_PROTO;
}

/* The element behind qualifiers and dimensions of arrays: what a qualifier is about. */
static uint32_t element(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type;
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		id = unqualified(btf, id);
		type = btf_type(btf, id);
		if (btf_kind(type) != BTF_KIND_ARRAY)
			break;
		id = ((const struct btf_array *)btf_tail(type))->type;
	}
	return id;
}

/* Whether the qualifier would only repeat another, or means nothing. Compilers describe constant
 * arrays as constant arrays of constants. */
static bool is_idle(const struct btf *btf, const struct btf_type *type, bool is_pointer)
{
	const struct btf_type *target = btf_type(btf, type->size);
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX && btf_kind(target) == BTF_KIND_ARRAY; depth++)
		target = btf_type(btf, ((const struct btf_array *)btf_tail(target))->type);
	return btf_kind(target) == btf_kind(type) || btf_kind(target) == BTF_KIND_FUNC_PROTO ||
	       (btf_kind(type) == BTF_KIND_RESTRICT && !is_pointer);
}

/* "const" stands before a type, but behind the "*" of a pointer. */
static void put_qualified(struct btf_printer *p, uint32_t id, uint32_t level)
{
	const struct btf_type *type = btf_type(p->btf, id);
	bool is_pointer = btf_kind(btf_type(p->btf, element(p->btf, id))) == BTF_KIND_PTR;
	bool idle = is_idle(p->btf, type, is_pointer);
	const char *word = btf_kind(type) == BTF_KIND_CONST      ? "const"
			   : btf_kind(type) == BTF_KIND_VOLATILE ? "volatile"
								 : "restrict";

	if (!idle && !is_pointer)
		btf_print(p, "%s ", word);
	put_prefix(p, type->size, level);
	if (!idle && is_pointer)
		put_word(p, word);
}

static void put_tagged(struct btf_printer *p, uint32_t id, uint32_t level)
{
	const struct btf_type *type = btf_type(p->btf, id);
	uint32_t kind = btf_kind(type);

	btf_print(p, "%s", keyword(type));
	if (btf_name(p->btf, type)[0]) {
		btf_print(p, " ");
		put_name(p, id);
	} else if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION) {
		put_record(p, id, level);
	} else {
		put_enum(p, type, level);
	}
}

/* What stands before the declared name. */
static void put_kind(struct btf_printer *p, uint32_t id, uint32_t level)
{
	const struct btf_type *type = btf_type(p->btf, id);
	char name[BTF_DUMP_NAME];

	switch (btf_kind(type)) {
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
		btf_dump_names_number(p->btf, type, name);
		btf_print(p, "%s", name);
		break;
	case BTF_KIND_PTR:
		put_prefix(p, type->size, level);
		put_word(p, needs_parentheses(p->btf, type->size) ? "(*" : "*");
		break;
	case BTF_KIND_ARRAY:
		put_prefix(p, ((const struct btf_array *)btf_tail(type))->type, level);
		break;
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
		put_qualified(p, id, level);
		break;
	case BTF_KIND_TYPE_TAG:
	case BTF_KIND_FUNC_PROTO:
		put_prefix(p, type->size, level);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FWD:
		put_tagged(p, id, level);
		break;
	case BTF_KIND_TYPEDEF:
		put_name(p, id);
		break;
	default:
		btf_print(p, "void");
		break;
	}
}

static void put_prefix(struct btf_printer *p, uint32_t id, uint32_t level)
{
	if (p->depth >= DEPTH_LIMIT)
		fail(p, ENOEXEC, "types go too deep");
	if (p->failed)
		return;
	p->depth++;
	put_kind(p, id, level);
	p->depth--;
}

struct param {
	uint32_t name_off; /* left out: names may hide types */
	uint32_t type;
};

static void put_params(struct btf_printer *p, const struct btf_type *type, uint32_t level)
{
	const struct param *param = btf_tail(type);
	uint32_t count = btf_vlen(type), i;

	btf_print(p, "(");
	for (i = 0; i < count && !p->failed; i++) {
		btf_print(p, "%s", i ? ", " : "");
		if (i == count - 1 && !param[i].type && i > 0) {
			btf_print(p, "...");
			break;
		}
		put_prefix(p, param[i].type, level);
		put_suffix(p, param[i].type, level);
	}
	btf_print(p, count ? ")" : "void)");
}

/* What stands behind the declared name. */
static void put_suffix(struct btf_printer *p, uint32_t id, uint32_t level)
{
	const struct btf_type *type = btf_type(p->btf, id);

	if (p->depth >= DEPTH_LIMIT)
		fail(p, ENOEXEC, "types go too deep");
	if (p->failed)
		return;
	p->depth++;
	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
		btf_print(p, "%s", needs_parentheses(p->btf, type->size) ? ")" : "");
		put_suffix(p, type->size, level);
		break;
	case BTF_KIND_ARRAY:
		btf_print(p, "[%u]", ((const struct btf_array *)btf_tail(type))->nelems);
		put_suffix(p, ((const struct btf_array *)btf_tail(type))->type, level);
		break;
	case BTF_KIND_FUNC_PROTO:
		put_params(p, type, level);
		put_suffix(p, type->size, level);
		break;
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		put_suffix(p, type->size, level);
		break;
	default:
		break;
	}
	p->depth--;
}

void btf_print_forward(struct btf_printer *p, uint32_t id)
{
	btf_print(p, "%s ", keyword(btf_type(p->btf, id)));
	put_name(p, id);
	btf_print(p, ";\n\n");
}

void btf_print_definition(struct btf_printer *p, uint32_t id)
{
	const struct btf_type *type = btf_type(p->btf, id);
	uint32_t kind = btf_kind(type);

	btf_print(p, "%s", keyword(type));
	if (btf_name(p->btf, type)[0]) {
		btf_print(p, " ");
		put_name(p, id);
	}
	if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION)
		put_record(p, id, 0);
	else
		put_enum(p, type, 0);
	btf_print(p, ";\n\n");
}

void btf_print_typedef(struct btf_printer *p, uint32_t id)
{
	const struct btf_type *type = btf_type(p->btf, id);
	char name[BTF_DUMP_NAME];

	btf_print(p, "typedef ");
	put_prefix(p, type->size, 0);
	if (btf_dump_names_type(&p->names, id, name, p->error) < 0)
		p->failed = true;
	put_word(p, name);
	put_suffix(p, type->size, 0);
	btf_print(p, ";\n\n");
}
