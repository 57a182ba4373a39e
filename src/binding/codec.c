/* SPDX-License-Identifier: MIT */
#include "codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "type.h"

void *scratch_get(lua_State *L, struct scratch *scratch, size_t size)
{
	return size <= SCRATCH_SIZE ? scratch->bytes : lua_newuserdata(L, size);
}

/* The types that have a name here; all others are C declarations. */
static const struct named_codec {
	const char *name;
	struct codec codec;
} named_codecs[] = {
	{"u8", {.size = 1, .kind = CODEC_UINT}},
	{"u16", {.size = 2, .kind = CODEC_UINT}},
	{"u32", {.size = 4, .kind = CODEC_UINT}},
	{"u64", {.size = 8, .kind = CODEC_UINT}},
	{"i8", {.size = 1, .kind = CODEC_INT}},
	{"i16", {.size = 2, .kind = CODEC_INT}},
	{"i32", {.size = 4, .kind = CODEC_INT}},
	{"i64", {.size = 8, .kind = CODEC_INT}},
	{"bytes", {.size = 0, .kind = CODEC_BYTES}},
};

struct codec codec_default(uint32_t size)
{
	bool is_integer = size == 1 || size == 2 || size == 4 || size == 8;

	return (struct codec){
		.size = size,
		.kind = is_integer ? CODEC_UINT : CODEC_BYTES,
		.guessed = true,
	};
}

/* Whether a text is one word: then it is a name, right or wrong. */
static bool is_word(const char *text)
{
	size_t size = strlen(text);

	return size && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_") == size;
}

/* The codec of the type userdata on top of the stack, which is popped; `slot` of the table at
 * `owner_table` keeps its names, and so the layout. */
static struct codec codec_by_type(lua_State *L, int owner_table, uint8_t slot, const char *what)
{
	struct codec codec;

	type_codec(lua_touserdata(L, -1), &codec);
	codec.slot = slot;
	if (!codec.size)
		luaL_error(L, "type of the %s has no bytes", what);
	type_push_names(L, -1);
	lua_rawseti(L, owner_table, slot);
	lua_pop(L, 1);
	return codec;
}

static struct codec codec_by_name(
	lua_State *L, const char *name, int owner_table, uint8_t slot, const char *what)
{
	struct error err;
	size_t i;

	for (i = 0; i < sizeof(named_codecs) / sizeof(named_codecs[0]); i++) {
		if (strcmp(named_codecs[i].name, name) == 0)
			return named_codecs[i].codec;
	}
	if (type_push_compiled(L, name, strlen(name), &err) < 0) {
		if (is_word(name))
			luaL_error(L, "unknown type '%s' for the %s", name, what);
		luaL_error(L, "type of the %s: %s", what, err.text);
	}
	return codec_by_type(L, owner_table, slot, what);
}

static void check_function(lua_State *L, int index, const char *field, const char *what)
{
	lua_getfield(L, index, field);
	if (!lua_isfunction(L, -1))
		luaL_error(L, "type of the %s: %s is not a function", what, field);
	lua_pop(L, 1);
}

static struct codec codec_by_table(
	lua_State *L, int index, int owner_table, uint8_t slot, const char *what)
{
	struct codec codec = {.kind = CODEC_CUSTOM, .slot = slot};
	struct compat_integer size;

	lua_getfield(L, index, "size");
	if (compat_to_integer(L, -1, &size) || !compat_is_unsigned(&size, UINT32_MAX))
		luaL_error(L, "type of the %s: size is not a number of bytes", what);
	lua_pop(L, 1);
	codec.size = (uint32_t)size.value;
	/* What is only ever read, as samples are, needs no encode. */
	lua_getfield(L, index, "encode");
	if (!lua_isnil(L, -1))
		check_function(L, index, "encode", what);
	lua_pop(L, 1);
	check_function(L, index, "decode", what);
	lua_pushvalue(L, index);
	lua_rawseti(L, owner_table, slot);
	return codec;
}

struct codec codec_parse(lua_State *L, int index, uint32_t size, enum int64_mode int64,
	int owner_table, uint8_t slot, const char *what)
{
	struct codec codec;

	index = lua_absindex(L, index);
	owner_table = lua_absindex(L, owner_table);
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		codec = codec_default(size);
		break;
	case LUA_TSTRING:
		codec = codec_by_name(L, lua_tostring(L, index), owner_table, slot, what);
		break;
	case LUA_TUSERDATA:
		if (!type_test(L, index))
			luaL_error(L, "type of the %s: this userdata is no type", what);
		lua_pushvalue(L, index);
		codec = codec_by_type(L, owner_table, slot, what);
		break;
	case LUA_TTABLE:
		codec = codec_by_table(L, index, owner_table, slot, what);
		break;
	default:
		luaL_error(L,
			"type of the %s: C declaration, ebpf.type() or table {size=, encode=, "
			"decode=} expected, got %s",
			what, luaL_typename(L, index));
		return codec_default(size);
	}
	if (!codec.size)
		codec.size = size;
	if (size && codec.size != size)
		luaL_error(L, "type of the %s has %d bytes, the %s has %d", what, (int)codec.size,
			what, (int)size);
	codec.int64 = int64;
	return codec;
}

enum int64_mode codec_parse_int64(lua_State *L, int index)
{
	static const char *const modes[] = {"exact", "number", "double"};
	const char *name;
	int i;

	if (lua_isnil(L, index))
		return INT64_EXACT;
	name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
	for (i = 0; i < 3; i++) {
		if (strcmp(name, modes[i]) == 0)
			return (enum int64_mode)i;
	}
	luaL_error(L, "int64 must be 'exact', 'number' or 'double'");
	return INT64_EXACT;
}

/* Pushes the function `field` of a custom codec. */
static void push_function(lua_State *L, const struct codec *codec, int owner, const char *field)
{
	compat_getuservalue(L, owner);
	lua_rawgeti(L, -1, codec->slot);
	lua_getfield(L, -1, field);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

void codec_prepare_custom(
	lua_State *L, int arg, const struct codec *codec, int owner, const char *what)
{
	char wrong[128];

	push_function(L, codec, owner, "encode");
	if (lua_isnil(L, -1)) {
		snprintf(wrong, sizeof(wrong), "%s: its type has no encode", what);
		luaL_argerror(L, arg, wrong);
	}
	lua_pushvalue(L, arg);
	lua_call(L, 1, 1);
	if (lua_type(L, -1) != LUA_TSTRING) {
		snprintf(wrong, sizeof(wrong), "%s: encode returned no string but a %s", what,
			luaL_typename(L, -1));
		luaL_argerror(L, arg, wrong);
	}
	lua_replace(L, arg);
}

static void encode_bytes(
	lua_State *L, int arg, const struct codec *codec, void *out, const char *what)
{
	char wrong[128];
	size_t size = 0;
	const char *s;

	if (lua_type(L, arg) != LUA_TSTRING) {
		snprintf(wrong, sizeof(wrong), "%s: string of %" PRIu32 " bytes expected, got %s",
			what, codec->size, luaL_typename(L, arg));
		luaL_argerror(L, arg, wrong);
	}
	s = lua_tolstring(L, arg, &size);
	if (size != codec->size) {
		snprintf(wrong, sizeof(wrong), "%s has %zu bytes, %" PRIu32 " expected", what, size,
			codec->size);
		luaL_argerror(L, arg, wrong);
	}
	memcpy(out, s, size);
}

static const char *integer_problem(
	const struct codec *codec, const struct compat_integer *n, char *text, size_t size)
{
	unsigned int bits = codec->size * 8;

	if (codec->kind == CODEC_UINT && compat_is_unsigned(n, UINT64_MAX >> (64 - bits)))
		return NULL;
	if (codec->kind == CODEC_INT && compat_is_signed(n, codec->size))
		return NULL;
	snprintf(text, size, "%s integer of %u bits expected",
		codec->kind == CODEC_INT ? "signed" : "unsigned", bits);
	return text;
}

void codec_store_bytes(void *out, uint64_t value, uint32_t size)
{
	uint32_t u32 = (uint32_t)value;
	uint16_t u16 = (uint16_t)value;
	uint8_t u8 = (uint8_t)value;

	switch (size) {
	case 1:
		memcpy(out, &u8, sizeof(u8));
		break;
	case 2:
		memcpy(out, &u16, sizeof(u16));
		break;
	case 4:
		memcpy(out, &u32, sizeof(u32));
		break;
	default:
		memcpy(out, &value, sizeof(value));
	}
}

uint64_t codec_load_bytes(const void *bytes, uint32_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;
	uint8_t u8;

	switch (size) {
	case 1:
		memcpy(&u8, bytes, sizeof(u8));
		return u8;
	case 2:
		memcpy(&u16, bytes, sizeof(u16));
		return u16;
	case 4:
		memcpy(&u32, bytes, sizeof(u32));
		return u32;
	default:
		memcpy(&u64, bytes, sizeof(u64));
		return u64;
	}
}

const char *codec_describe(lua_State *L, int arg, char *text, size_t size)
{
	switch (lua_type(L, arg)) {
	case LUA_TNUMBER:
		lua_pushvalue(L, arg);
		snprintf(text, size, "%.40s", lua_tostring(L, -1));
		lua_pop(L, 1);
		return text;
	case LUA_TSTRING:
		snprintf(text, size, "\"%.40s\"", lua_tostring(L, arg));
		return text;
	default:
		return luaL_typename(L, arg);
	}
}

static void encode_integer(
	lua_State *L, int arg, const struct codec *codec, void *out, const char *what)
{
	struct compat_integer n;
	const char *problem;
	char text[64], value[64], wrong[256];

	if (codec->guessed && lua_type(L, arg) == LUA_TSTRING) {
		encode_bytes(L, arg, codec, out, what);
		return;
	}
	problem = compat_to_integer(L, arg, &n);
	if (!problem)
		problem = integer_problem(codec, &n, text, sizeof(text));
	if (problem) {
		snprintf(wrong, sizeof(wrong), "%s: %s, got %s", what, problem,
			codec_describe(L, arg, value, sizeof(value)));
		luaL_argerror(L, arg, wrong);
	}
	codec_store_bytes(out, n.value, codec->size);
}

void codec_encode(lua_State *L, int arg, const struct codec *codec, void *out, const char *what)
{
	uint64_t value;

	if (codec->kind == CODEC_UINT && compat_natural(L, arg, &value) &&
		value <= UINT64_MAX >> (64 - codec->size * 8))
		codec_store_bytes(out, value, codec->size);
	else if (codec->kind == CODEC_UINT || codec->kind == CODEC_INT)
		encode_integer(L, arg, codec, out, what);
	else
		encode_bytes(L, arg, codec, out, what);
}

static int64_t sign_extend(uint64_t value, uint32_t size)
{
	unsigned int shift = 64 - size * 8;

	return (int64_t)(value << shift) >> shift;
}

uint64_t codec_load(const struct codec *codec, const void *bytes)
{
	uint64_t value = codec_load_bytes(bytes, codec->size);

	return codec->kind == CODEC_INT ? (uint64_t)sign_extend(value, codec->size) : value;
}

static void push_integer(lua_State *L, const struct codec *codec, const void *bytes)
{
	uint64_t value = codec_load(codec, bytes);

	if (codec->size < sizeof(value))
		lua_pushinteger(L, (lua_Integer)value);
	else if (codec->kind == CODEC_INT)
		compat_push_i64(L, (int64_t)value, (enum int64_mode)codec->int64);
	else
		compat_push_u64(L, value, (enum int64_mode)codec->int64);
}

void codec_push(lua_State *L, const struct codec *codec, int owner, const void *bytes, size_t size)
{
	switch (codec->kind) {
	case CODEC_UINT:
	case CODEC_INT:
		if (size < codec->size)
			luaL_error(L, "sample of %d bytes is shorter than its type, %d bytes",
				(int)size, (int)codec->size);
		push_integer(L, codec, bytes);
		break;
	case CODEC_LAYOUT:
		if (size < codec->size)
			luaL_error(L, "sample of %d bytes is shorter than its type, %d bytes",
				(int)size, (int)codec->size);
		codec_push_layout(L, codec, owner, bytes);
		break;
	case CODEC_CUSTOM:
		push_function(L, codec, owner, "decode");
		lua_pushlstring(L, bytes, size);
		lua_call(L, 1, 1);
		break;
	default:
		lua_pushlstring(L, bytes, size);
	}
}
