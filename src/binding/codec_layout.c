/* SPDX-License-Identifier: MIT */
/*
 * Values of C types: structs are tables by field name, arrays tables from 1 on. Tables are read
 * and written raw, so no metamethod runs. Names of fields wait as Lua strings in a table that
 * belongs to the type, so decoding a struct allocates its table and nothing else of size.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "type.h"

/* Integers of so many bits are plain Lua numbers everywhere. */
enum { NUMBER_BITS = 53 };

struct decoding {
	lua_State *L;
	const struct layout *layout;
	int names; /* stack index */
	enum int64_mode int64;
};

static void push_node(
	const struct decoding *d, const struct layout_node *node, const unsigned char *bytes);

static unsigned int bits_of(const struct layout_node *node)
{
	return node->bits ? node->bits : node->size * 8;
}

static void push_integer(
	const struct decoding *d, const struct layout_node *node, const unsigned char *bytes)
{
	unsigned int bits = bits_of(node);
	uint64_t value =
		node->bits ? layout_get_bits(node, bytes) : codec_load_bytes(bytes, node->size);

	if (node->kind == LAYOUT_INT)
		value = (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
	if (bits <= NUMBER_BITS)
		lua_pushinteger(d->L, (lua_Integer)value);
	else if (node->kind == LAYOUT_INT)
		compat_push_i64(d->L, (int64_t)value, d->int64);
	else
		compat_push_u64(d->L, value, d->int64);
}

static void push_float(lua_State *L, const struct layout_node *node, const unsigned char *bytes)
{
	double wide;
	float narrow;

	if (node->size == sizeof(narrow)) {
		memcpy(&narrow, bytes, sizeof(narrow));
		wide = (double)narrow;
	} else {
		memcpy(&wide, bytes, sizeof(wide));
	}
	lua_pushnumber(L, (lua_Number)wide);
}

static void push_array(
	const struct decoding *d, const struct layout_node *node, const unsigned char *bytes)
{
	const struct layout_node *element = &d->layout->nodes[node->first];
	uint32_t i;

	lua_createtable(d->L, (int)node->count, 0);
	for (i = 0; i < node->count; i++) {
		push_node(d, element, bytes + (size_t)i * element->size);
		lua_rawseti(d->L, -2, (int)i + 1);
	}
}

/* Adds the fields to the table on top of the stack. */
static void push_fields(
	const struct decoding *d, const struct layout_node *node, const unsigned char *bytes)
{
	const struct layout_node *field = &d->layout->nodes[node->first];
	const struct layout_node *end = field + node->count;

	for (; field < end; field++) {
		if (field->kind == LAYOUT_HIDDEN)
			continue;
		if (!field->name) {
			push_fields(d, field, bytes + field->offset);
			continue;
		}
		lua_rawgeti(d->L, d->names, (int)field->name);
		push_node(d, field, bytes + field->offset);
		lua_rawset(d->L, -3);
	}
}

static void push_node(
	const struct decoding *d, const struct layout_node *node, const unsigned char *bytes)
{
	switch (node->kind) {
	case LAYOUT_UINT:
	case LAYOUT_INT:
		push_integer(d, node, bytes);
		break;
	case LAYOUT_BOOL:
		lua_pushboolean(
			d->L, node->bits ? layout_get_bits(node, bytes) != 0 : bytes[0] != 0);
		break;
	case LAYOUT_FLOAT:
		push_float(d->L, node, bytes);
		break;
	case LAYOUT_CHARS:
		lua_pushlstring(
			d->L, (const char *)bytes, strnlen((const char *)bytes, node->size));
		break;
	case LAYOUT_BYTES:
		lua_pushlstring(d->L, (const char *)bytes, node->size);
		break;
	case LAYOUT_ARRAY:
		push_array(d, node, bytes);
		break;
	default:
		lua_createtable(d->L, 0, (int)node->count);
		push_fields(d, node, bytes);
	}
}

/* Pushes what has the field names of a codec's type, and the names. */
static int push_names(lua_State *L, const struct codec *codec, int owner)
{
	compat_getuservalue(L, owner);
	lua_rawgeti(L, -1, codec->slot);
	return lua_gettop(L);
}

void codec_push_field(lua_State *L, const struct codec *codec, int owner,
	const struct layout_node *node, const void *bytes)
{
	struct decoding d = {
		.L = L, .layout = codec->layout, .int64 = (enum int64_mode)codec->int64};

	/* Two values for each level, and those of the integers. */
	luaL_checkstack(L, (int)codec->layout->depth * 2 + 12, "value too deep");
	d.names = push_names(L, codec, owner);
	push_node(&d, node, (const unsigned char *)bytes + node->offset);
	lua_replace(L, d.names - 1);
	lua_settop(L, d.names - 1);
}

void codec_push_layout(lua_State *L, const struct codec *codec, int owner, const void *bytes)
{
	codec_push_field(L, codec, owner, codec->layout->nodes, bytes);
}

/* Where in a value the encoder is, for messages. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an element of an array */
	uint32_t index;
};

struct encoding {
	lua_State *L;
	const struct layout *layout;
	int names; /* stack index */
	int arg;
	const char *what;
};

static void encode_node(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place);

/* Appends a place to a text: a.b[3] */
static size_t format_place(const struct place *place, char *text, size_t size)
{
	size_t length;
	int n;

	if (!place)
		return 0;
	length = format_place(place->up, text, size);
	if (place->name)
		n = snprintf(
			text + length, size - length, "%s%.60s", length ? "." : "", place->name);
	else
		n = snprintf(text + length, size - length, "[%" PRIu32 "]", place->index);
	length += n > 0 ? (size_t)n : 0;
	return length < size ? length : size - 1;
}

/* Raises "value: field 'a.b': <problem>", pointing at the argument. */
static void wrong(const struct encoding *e, const struct place *place, const char *problem)
{
	char where[256], text[512];

	if (!place) {
		snprintf(text, sizeof(text), "%s: %s", e->what, problem);
	} else {
		where[0] = '\0';
		format_place(place, where, sizeof(where));
		snprintf(text, sizeof(text), "%s: field '%s': %s", e->what, where, problem);
	}
	luaL_argerror(e->L, e->arg, text);
}

/* "<what> expected, got <the value on top>" */
static void unexpected(const struct encoding *e, const struct place *place, const char *expected)
{
	char value[64], text[160];

	snprintf(text, sizeof(text), "%s, got %s", expected,
		codec_describe(e->L, lua_gettop(e->L), value, sizeof(value)));
	wrong(e, place, text);
}

static bool fits(const struct layout_node *node, const struct compat_integer *n)
{
	unsigned int bits = bits_of(node);
	uint64_t limit;

	if (node->kind == LAYOUT_UINT)
		return compat_is_unsigned(n, UINT64_MAX >> (64 - bits));
	limit = UINT64_C(1) << (bits - 1);
	return n->negative ? n->value >= 0 - limit : n->value < limit;
}

static void encode_integer(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	struct compat_integer n;
	const char *problem;
	char text[64];

	problem = compat_to_integer(e->L, lua_gettop(e->L), &n);
	if (!problem && !fits(node, &n)) {
		snprintf(text, sizeof(text), "%s integer of %u bits expected",
			node->kind == LAYOUT_INT ? "signed" : "unsigned", bits_of(node));
		problem = text;
	}
	if (problem)
		unexpected(e, place, problem);
	if (node->bits)
		layout_set_bits(node, out, n.value);
	else
		codec_store_bytes(out, n.value, node->size);
}

static void encode_boolean(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	int value = lua_toboolean(e->L, -1);

	if (!lua_isboolean(e->L, -1))
		unexpected(e, place, "true or false expected");
	if (node->bits)
		layout_set_bits(node, out, (uint64_t)value);
	else
		out[0] = (unsigned char)value;
}

static void encode_float(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	double wide;
	float narrow;

	if (lua_type(e->L, -1) != LUA_TNUMBER)
		unexpected(e, place, "number expected");
	wide = (double)lua_tonumber(e->L, -1);
	narrow = (float)wide;
	if (node->size == sizeof(narrow))
		memcpy(out, &narrow, sizeof(narrow));
	else
		memcpy(out, &wide, sizeof(wide));
}

static void encode_string(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	bool exact = node->kind == LAYOUT_BYTES;
	char text[80];
	const char *s;
	size_t size;

	if (lua_type(e->L, -1) != LUA_TSTRING) {
		snprintf(text, sizeof(text), "string of %s%" PRIu32 " bytes expected",
			exact ? "" : "at most ", node->size);
		unexpected(e, place, text);
	}
	s = lua_tolstring(e->L, -1, &size);
	if (exact ? size != node->size : size > node->size) {
		snprintf(text, sizeof(text), "string of %zu bytes, %s%" PRIu32 " expected", size,
			exact ? "" : "at most ", node->size);
		wrong(e, place, text);
	}
	memcpy(out, s, size);
}

/* How many entries the table on top has. */
static size_t count_entries(lua_State *L)
{
	size_t count = 0;

	lua_pushnil(L);
	while (lua_next(L, -2)) {
		lua_pop(L, 1);
		count++;
	}
	return count;
}

static void encode_array(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	const struct layout_node *element = &e->layout->nodes[node->first];
	struct place here = {.up = place};
	size_t found = 0;
	char text[80];
	uint32_t i;

	if (!lua_istable(e->L, -1))
		unexpected(e, place, "table expected");
	for (i = 0; i < node->count; i++) {
		lua_rawgeti(e->L, -1, (int)i + 1);
		if (!lua_isnil(e->L, -1)) {
			found++;
			here.index = i + 1;
			encode_node(e, element, out + (size_t)i * element->size, &here);
		}
		lua_pop(e->L, 1);
	}
	if (count_entries(e->L) == found)
		return;
	snprintf(text, sizeof(text), "the table has more than the elements 1 to %" PRIu32,
		node->count);
	wrong(e, place, text);
}

/* Whether the struct, or a nameless one in it, has a field of that name. */
static bool has_field(const struct encoding *e, const struct layout_node *node, const char *name)
{
	const struct layout_node *field = &e->layout->nodes[node->first];
	const struct layout_node *end = field + node->count;

	for (; field < end; field++) {
		if (field->kind == LAYOUT_HIDDEN)
			continue;
		if (field->name ? strcmp(layout_name(e->layout, field->name), name) == 0
				: has_field(e, field, name))
			return true;
	}
	return false;
}

/* Raises: the table on top has an entry that is no field. */
static void unknown_field(
	const struct encoding *e, const struct layout_node *node, const struct place *place)
{
	char text[128];

	lua_pushnil(e->L);
	while (lua_next(e->L, -2)) {
		lua_pop(e->L, 1);
		if (lua_type(e->L, -1) != LUA_TSTRING)
			wrong(e, place, "the table has a key that is no name");
		if (!has_field(e, node, lua_tostring(e->L, -1))) {
			snprintf(text, sizeof(text), "unknown field '%.60s'",
				lua_tostring(e->L, -1));
			wrong(e, place, text);
		}
	}
	wrong(e, place, "the table was changed meanwhile");
}

/* The name of a field, or of the first one in a nameless struct. */
static const char *some_name(const struct encoding *e, const struct layout_node *field)
{
	while (!field->name && field->count)
		field = &e->layout->nodes[field->first];
	return layout_name(e->layout, field->name);
}

/* Writes the fields that the table on top has, and returns how many that are. */
static size_t encode_fields(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	const struct layout_node *field = &e->layout->nodes[node->first], *given = NULL;
	const struct layout_node *end = field + node->count;
	struct place here = {.up = place};
	size_t found = 0, before;
	char text[256];

	for (; field < end; field++) {
		if (field->kind == LAYOUT_HIDDEN)
			continue;
		before = found;
		if (!field->name) {
			found += encode_fields(e, field, out + field->offset, place);
		} else {
			lua_rawgeti(e->L, e->names, (int)field->name);
			lua_rawget(e->L, -2);
			if (!lua_isnil(e->L, -1)) {
				found++;
				here.name = layout_name(e->layout, field->name);
				encode_node(e, field, out + field->offset, &here);
			}
			lua_pop(e->L, 1);
		}
		if (node->kind != LAYOUT_UNION || found == before)
			continue;
		if (given) {
			snprintf(text, sizeof(text),
				"'%.60s' and '%.60s' are members of one union: give one of them",
				some_name(e, given), some_name(e, field));
			wrong(e, place, text);
		}
		given = field;
	}
	return found;
}

static void encode_struct(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	size_t found;

	if (!lua_istable(e->L, -1))
		unexpected(e, place, "table expected");
	found = encode_fields(e, node, out, place);
	if (count_entries(e->L) != found)
		unknown_field(e, node, place);
}

/* Writes the value on top of the stack to zeroed bytes. */
static void encode_node(const struct encoding *e, const struct layout_node *node,
	unsigned char *out, const struct place *place)
{
	switch (node->kind) {
	case LAYOUT_UINT:
	case LAYOUT_INT:
		encode_integer(e, node, out, place);
		break;
	case LAYOUT_BOOL:
		encode_boolean(e, node, out, place);
		break;
	case LAYOUT_FLOAT:
		encode_float(e, node, out, place);
		break;
	case LAYOUT_CHARS:
	case LAYOUT_BYTES:
		encode_string(e, node, out, place);
		break;
	case LAYOUT_ARRAY:
		encode_array(e, node, out, place);
		break;
	default:
		encode_struct(e, node, out, place);
	}
}

/* Whether a string of all the bytes stands for itself: a string field has other plans for it. */
static bool takes_bytes(const struct layout_node *root)
{
	return root->kind == LAYOUT_STRUCT || root->kind == LAYOUT_UNION ||
	       root->kind == LAYOUT_ARRAY;
}

void codec_prepare_layout(
	lua_State *L, int arg, const struct codec *codec, int owner, const char *what)
{
	struct encoding e = {.L = L, .layout = codec->layout, .arg = arg, .what = what};
	const struct layout_node *root = codec->layout->nodes;
	struct scratch scratch;
	int top = lua_gettop(L);
	void *out;

	if (lua_type(L, arg) == LUA_TSTRING && takes_bytes(root))
		return;
	luaL_checkstack(L, (int)codec->layout->depth * 2 + 12, "value too deep");
	out = scratch_get(L, &scratch, codec->size);
	memset(out, 0, codec->size);
	e.names = push_names(L, codec, owner);
	lua_pushvalue(L, arg);
	encode_node(&e, root, out, NULL);
	lua_pushlstring(L, out, codec->size);
	lua_replace(L, arg);
	lua_settop(L, top);
}
