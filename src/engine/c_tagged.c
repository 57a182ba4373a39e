/* SPDX-License-Identifier: MIT */
/* struct, union and enum, with and without a body. */
#include <errno.h>
#include <stdlib.h>

#include "btf.h"
#include "c_parse.h"

/* A member that has been declared joins those of the struct that is open. */
static int add_member(struct c_parser *p, const struct c_member *member)
{
	struct c_member *members;

	members = pool_grow(p->members, &p->member_room, p->member_count, 1, sizeof(*p->members));
	if (!members)
		return error_errno(p->err, ENOMEM, "compile a C declaration");
	p->members = members;
	members[p->member_count++] = *member;
	return 0;
}

/* ": width" */
static int take_width(struct c_parser *p, struct c_member *member)
{
	struct c_attributes attributes = {.packed = member->packed, .align = member->align};
	struct c_token token = p->token;
	const struct c_type *type;
	__int128 width;

	if (c_next(p) < 0 || c_constant(p, &width) < 0)
		return -1;
	type = &p->types.types[member->type];
	if (!type->integer || type->size > sizeof(uint64_t))
		return c_error_at(p, &token, "a bitfield of a type that is no integer");
	if (width < 0 || width > type->bits)
		return c_error_at(p, &token, "a bitfield wider than its type");
	if (width == 0 && member->name)
		return c_error_at(p, &token, "a bitfield without a width but with a name");
	member->bitfield = true;
	member->bits = (uint8_t)width;
	if (c_attributes(p, &attributes) < 0)
		return -1;
	member->packed = attributes.packed;
	member->align = attributes.align;
	return 0;
}

/* Whether the next token ends a declarator. */
static bool at_end(const struct c_parser *p)
{
	return p->token.kind == ';' || p->token.kind == ',';
}

static int take_member(struct c_parser *p, const struct c_specifiers *specifiers)
{
	struct c_token token = p->token;
	struct c_declarator declarator;
	struct c_member member;

	if (c_declarator(p, specifiers, &declarator) < 0)
		return -1;
	if (declarator.type == C_INCOMPLETE)
		return c_error_at(p, &token, "a member of a type without a size");
	member = (struct c_member){
		.name = declarator.name,
		.type = declarator.type,
		.packed = declarator.attributes.packed,
		.align = declarator.attributes.align,
	};
	if (p->token.kind == ':' && take_width(p, &member) < 0)
		return -1;
	if (!at_end(p))
		return c_error_expected(p, "',' or ';' expected");
	if (!member.name && !member.bitfield)
		return c_error_at(p, &token, "a member without a name");
	return add_member(p, &member);
}

/* `struct { ... };` in a struct: its fields are those of the struct around it. A declaration with a
 * tag and no name only declares. */
static int take_nameless(struct c_parser *p, const struct c_specifiers *specifiers)
{
	struct c_member member = {
		.type = specifiers->type,
		.packed = specifiers->attributes.packed,
		.align = specifiers->attributes.align,
	};

	if (specifiers->type == C_INCOMPLETE || !specifiers->nameless)
		return 0;
	return add_member(p, &member);
}

static int take_members(struct c_parser *p)
{
	struct c_specifiers specifiers;

	while (p->token.kind != '}') {
		if (c_specifiers(p, &specifiers) < 0)
			return -1;
		if (specifiers.is_typedef)
			return c_error_at(p, &p->token, "a typedef among members");
		if (p->token.kind == ';' && take_nameless(p, &specifiers) < 0)
			return -1;
		while (p->token.kind != ';') {
			if (take_member(p, &specifiers) < 0)
				return -1;
			if (p->token.kind == ',' && c_next(p) < 0)
				return -1;
		}
		if (c_next(p) < 0)
			return -1;
	}
	return c_next(p);
}

/* The body of a struct or union, from '{' on, and the attributes behind it. */
static int take_record(
	struct c_parser *p, const struct c_token *start, struct c_record *record, uint32_t *id)
{
	struct c_attributes attributes = {.packed = record->packed, .align = record->align};
	uint32_t first = p->member_count;
	int ret;

	if (c_enter(p) < 0 || c_next(p) < 0 || take_members(p) < 0 ||
		c_attributes(p, &attributes) < 0)
		return -1;
	c_leave(p);
	record->packed = attributes.packed;
	record->align = attributes.align;
	ret = c_types_record(&p->types, record, p->members ? p->members + first : NULL,
		p->member_count - first, id, p->err);
	p->member_count = first;
	if (ret < 0)
		return error_prefix(p->err, "%u:%u", start->line, start->column);
	return 0;
}

/* The enumerators as they come. */
struct enumerators {
	struct c_enumerator *list;
	uint32_t count, room;
	__int128 lowest, highest, next;
};

static int add_enumerator(struct c_parser *p, struct enumerators *e)
{
	struct c_token token = p->token;
	struct c_enumerator *grown;
	struct c_meaning *meaning;
	__int128 value = e->next;
	uint32_t name;

	if (c_take_name(p, &name) < 0)
		return -1;
	if (p->token.kind == '=' && (c_next(p) < 0 || c_constant(p, &value) < 0))
		return -1;
	meaning = c_meaning_of(p, name);
	if (!meaning)
		return -1;
	if (meaning->is_constant)
		return c_error_at(p, &token, "a constant of that name is there already");
	if (value > UINT64_MAX || e->count == UINT16_MAX)
		return c_error_at(p, &token, "an enum that is too large");
	meaning->is_constant = true;
	meaning->constant = value;
	grown = pool_grow(e->list, &e->room, e->count, 1, sizeof(*grown));
	if (!grown)
		return error_errno(p->err, ENOMEM, "compile a C declaration");
	e->list = grown;
	grown[e->count++] = (struct c_enumerator){name, (int64_t)(uint64_t)value};
	e->lowest = value < e->lowest ? value : e->lowest;
	e->highest = value > e->highest ? value : e->highest;
	e->next = value + 1;
	return 0;
}

static int take_enumerators(struct c_parser *p, struct enumerators *e)
{
	if (c_next(p) < 0)
		return -1;
	do {
		if (add_enumerator(p, e) < 0)
			return -1;
		if (p->token.kind != ',')
			break;
		if (c_next(p) < 0)
			return -1;
	} while (p->token.kind != '}');
	return c_expect(p, '}');
}

/* unsigned int, else int, else 64 bits; the smallest that does when packed. */
static uint32_t enum_size(const struct enumerators *e, bool packed)
{
	uint32_t size = packed ? 1 : 4;
	__int128 limit;

	for (; size < 8; size *= 2) {
		limit = (__int128)1 << (size * 8 - (e->lowest < 0));
		if (e->highest < limit && e->lowest >= -limit)
			break;
	}
	return size;
}

static int take_enum(struct c_parser *p, const struct c_token *start, uint32_t tag, uint32_t *id)
{
	struct c_attributes attributes = {0};
	struct enumerators e = {0};
	struct c_enum result;
	int ret = take_enumerators(p, &e);

	if (ret == 0)
		ret = c_attributes(p, &attributes);
	if (ret == 0 && e.lowest < 0 && e.highest > INT64_MAX)
		ret = c_error_at(p, start, "an enum whose values no type holds");
	result = (struct c_enum){tag, enum_size(&e, attributes.packed), e.lowest < 0};
	if (ret == 0)
		ret = c_types_enum(&p->types, &result, e.list, e.count, id, p->err);
	free(e.list);
	return ret;
}

/* A tag without a body: what it was defined as. */
static int find_tagged(
	struct c_parser *p, const struct c_token *start, int kind, uint32_t tag, uint32_t *id)
{
	struct c_meaning *meaning = c_meaning_of(p, tag);
	struct c_type own;

	*id = C_INCOMPLETE;
	if (!meaning)
		return -1;
	if (meaning->tagged && meaning->tag_kind != kind)
		return c_error_at(p, start, "the tag belongs to another kind of type");
	if (meaning->tagged) {
		*id = meaning->tagged;
		return 0;
	}
	if (kind != BTF_KIND_STRUCT)
		return 0;
	own = c_types_kernels_own(pool_get(&p->types.names, tag));
	if (!own.size)
		return 0;
	if (c_types_opaque(&p->types, tag, own, id, p->err) < 0)
		return -1;
	meaning->tagged = *id;
	meaning->tag_kind = kind;
	return 0;
}

static int define(struct c_parser *p, const struct c_token *start, int kind, uint32_t tag,
	struct c_attributes attributes, uint32_t *id)
{
	struct c_record record = {
		.tag = tag,
		.is_union = kind == BTF_KIND_UNION,
		.packed = attributes.packed,
		.align = attributes.align,
	};
	struct c_meaning *meaning = tag ? c_meaning_of(p, tag) : NULL;

	if (tag && !meaning)
		return -1;
	if (meaning && meaning->tagged)
		return c_error_at(p, start, "it is defined already");
	if ((kind == BTF_KIND_ENUM ? take_enum(p, start, tag, id)
				   : take_record(p, start, &record, id)) < 0)
		return -1;
	meaning = tag ? c_meaning_of(p, tag) : NULL;
	if (!tag)
		return 0;
	if (!meaning)
		return -1;
	if (meaning->tagged)
		return c_error_at(p, start, "it is defined already");
	meaning->tagged = *id;
	meaning->tag_kind = kind;
	return 0;
}

int c_tagged(struct c_parser *p, uint32_t *id, bool *nameless)
{
	struct c_token start = p->token;
	struct c_attributes attributes = {0};
	int kind = c_is(p, "struct")  ? BTF_KIND_STRUCT
		   : c_is(p, "union") ? BTF_KIND_UNION
				      : BTF_KIND_ENUM;
	uint32_t tag = 0;

	if (c_next(p) < 0 || c_attributes(p, &attributes) < 0)
		return -1;
	if (p->token.kind == C_NAME && c_take_name(p, &tag) < 0)
		return -1;
	*nameless = !tag && kind != BTF_KIND_ENUM;
	if (p->token.kind == '{')
		return define(p, &start, kind, tag, attributes, id);
	if (!tag)
		return c_error_expected(p, "'{' or a name expected");
	return find_tagged(p, &start, kind, tag, id);
}
