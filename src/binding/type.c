/* SPDX-License-Identifier: MIT */
#include "type.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/c_decl.h"
#include "btf_object.h"
#include "failure.h"
#include "rooms.h"

#define TYPE_CLASS   "ebpf.type"
#define MAKING_CLASS "ebpf.type_making"

/* Owns what is in C while a userdata is made of it, so that an error thrown meanwhile leaks
 * nothing. */
struct making {
	struct btf *btf;
	struct layout *layout;
	char *text;
};

static void making_release(struct making *making)
{
	free(making->layout);
	free(making->text);
	btf_release(making->btf);
	memset(making, 0, sizeof(*making));
}

static int making_gc(lua_State *L)
{
	making_release(luaL_checkudata(L, 1, MAKING_CLASS));
	return 0;
}

static struct making *making_new(lua_State *L)
{
	struct making *making = compat_newuserdata(L, sizeof(*making));

	memset(making, 0, sizeof(*making));
	luaL_setmetatable(L, MAKING_CLASS);
	return making;
}

const struct type *type_test(lua_State *L, int index)
{
	return luaL_testudata(L, index, TYPE_CLASS);
}

static const struct type *type_check(lua_State *L, int arg)
{
	return luaL_checkudata(L, arg, TYPE_CLASS);
}

void type_push_names(lua_State *L, int type)
{
	compat_getuservalue(L, type);
}

void type_codec(const struct type *type, struct codec *codec)
{
	const struct layout_node *root = type->layout.nodes;

	*codec = (struct codec){
		.size = root->size,
		.kind = CODEC_LAYOUT,
		.layout = &type->layout,
	};
	/* These go the short ways that integers and strings have. */
	if (root->kind == LAYOUT_UINT)
		codec->kind = CODEC_UINT;
	else if (root->kind == LAYOUT_INT)
		codec->kind = CODEC_INT;
	else if (root->kind == LAYOUT_BYTES)
		codec->kind = CODEC_BYTES;
}

/* Pushes the userdata for a layout. */
static void push_type(lua_State *L, const struct layout *layout)
{
	struct type *type = compat_newuserdata(L, offsetof(struct type, layout) + layout->bytes);
	uint32_t i;

	memcpy(&type->layout, layout, layout->bytes);
	lua_createtable(L, (int)layout->name_count, 0);
	for (i = 1; i <= layout->name_count; i++) {
		lua_pushstring(L, layout_name(layout, i));
		lua_rawseti(L, -2, (int)i);
	}
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, 0);
	compat_setuservalue(L, -2);
	luaL_setmetatable(L, TYPE_CLASS);
}

/* Builds the type `id` of a BTF; the making is on top of the stack, and replaced. */
static int push_layout(
	lua_State *L, struct making *making, const struct btf *btf, uint32_t id, struct error *err)
{
	making->layout = layout_build(btf, id, err);
	if (!making->layout) {
		making_release(making);
		lua_pop(L, 1);
		return -1;
	}
	push_type(L, making->layout);
	making_release(making);
	lua_replace(L, -2);
	return 1;
}

int type_push_built(lua_State *L, const struct btf *btf, uint32_t id, struct error *err)
{
	return push_layout(L, making_new(L), btf, id, err);
}

int type_push_compiled(lua_State *L, const char *text, size_t size, struct error *err)
{
	struct making *making = making_new(L);
	size_t btf_size;
	void *bytes;
	uint32_t id;

	bytes = c_decl_compile(text, size, &btf_size, &id, err);
	if (!bytes ||
		btf_adopt(&making->btf, NULL, bytes, btf_size, BTF_ALLOCATED, false, err) < 0) {
		making_release(making);
		lua_pop(L, 1);
		return -1;
	}
	return push_layout(L, making, making->btf, id, err);
}

/*
 * core.compile_type(declaration) -> type | nil, message, errno
 * The type a C declaration means, see ebpf.type(). The message begins with line:column.
 */
static int compile_type(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	struct error err;

	if (type_push_compiled(L, text, size, &err) < 0)
		return failure_push(L, &err);
	return 1;
}

/* The kinds of types that have values and names, by how C calls them. */
static const struct {
	const char *prefix;
	uint32_t kinds;
} prefixes[] = {
	{"struct ", BTF_MASK(BTF_KIND_STRUCT)},
	{"union ", BTF_MASK(BTF_KIND_UNION)},
	{"enum ", BTF_MASK(BTF_KIND_ENUM) | BTF_MASK(BTF_KIND_ENUM64)},
	{"", BTF_MASK(BTF_KIND_STRUCT) | BTF_MASK(BTF_KIND_UNION) | BTF_MASK(BTF_KIND_ENUM) |
			BTF_MASK(BTF_KIND_ENUM64) | BTF_MASK(BTF_KIND_TYPEDEF) |
			BTF_MASK(BTF_KIND_INT) | BTF_MASK(BTF_KIND_FLOAT)},
};

/*
 * The id of the type called `name`: 0, with an error, when there is none or more than one. A struct
 * and the typedef of the same name that stands for it are one.
 */
static uint32_t find_id(struct btf *btf, const char *name, struct error *err)
{
	uint32_t id, other, resolved, same;
	const char *rest;
	size_t i;

	for (i = 0; strncmp(name, prefixes[i].prefix, strlen(prefixes[i].prefix)) != 0; i++)
		;
	rest = name + strlen(prefixes[i].prefix);
	id = btf_find(btf, rest, prefixes[i].kinds, 0);
	if (!id) {
		error_set(err, ENOENT, "find type \"%.80s\": there is none of that name", name);
		return 0;
	}
	for (other = id; (other = btf_find(btf, rest, prefixes[i].kinds, other));) {
		if (btf_resolve(btf, id, &resolved) && btf_resolve(btf, other, &same) &&
			resolved == same)
			continue;
		error_set(err, ENOTUNIQ,
			"find type \"%.80s\": there are several of that name: say struct, union or "
			"enum, or give an id of find_all()",
			name);
		return 0;
	}
	return id;
}

/*
 * core.find_type(name_or_id, btf) -> type | nil, message, errno
 * A type of some BTF, see ebpf.type().
 */
static int find_type(lua_State *L)
{
	struct btf_object *object = btf_object_check(L, 2);
	struct making *making;
	struct error err;
	uint32_t id = 0;

	if (lua_type(L, 1) == LUA_TNUMBER)
		id = (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX);
	else
		luaL_checkstring(L, 1);
	lua_settop(L, 2);
	making = making_new(L);
	if (!object->btf)
		return failure_errno(L, EBADF, "find a type: btf is closed");
	making->btf = btf_retain(object->btf);
	if (!id)
		id = find_id(making->btf, lua_tostring(L, 1), &err);
	if (!id) {
		making_release(making);
		return failure_push(L, &err);
	}
	if (push_layout(L, making, making->btf, id, &err) < 0) {
		error_prefix(&err, "compile type %u", id);
		return failure_push(L, &err);
	}
	return 1;
}

/* core.is_type(value) -> boolean */
static int is_type(lua_State *L)
{
	lua_pushboolean(L, lua_isuserdata(L, 1) && type_test(L, 1));
	return 1;
}

/* What codec functions look for in the user value of an owner, here of a throw-away one. */
enum { SLOT = 1 };

/* Pushes an owner for a codec of the type at 1. */
static void push_owner(lua_State *L)
{
	compat_newuserdata(L, 1);
	lua_createtable(L, 1, 0);
	type_push_names(L, 1);
	lua_rawseti(L, -2, SLOT);
	compat_setuservalue(L, -2);
}

/*
 * t:pack(value) -> string
 * The bytes of a value: a table of fields for a struct or union, of elements for an array, else a
 * number, boolean or string. Missing fields and padding are zero. Raises and names the field when
 * one is unknown, of the wrong type or out of range.
 */
static int type_pack(lua_State *L)
{
	const struct type *type = type_check(L, 1);
	struct scratch scratch;
	struct codec codec;
	void *out;

	lua_settop(L, 2);
	type_codec(type, &codec);
	codec.slot = SLOT;
	if (codec.kind == CODEC_LAYOUT) {
		push_owner(L);
		codec_prepare(L, 2, &codec, 3, "value");
	}
	out = scratch_get(L, &scratch, codec.size);
	codec_encode(L, 2, &codec, out, "value");
	lua_pushlstring(L, out, codec.size);
	return 1;
}

/*
 * t:unpack(bytes [, offset]) -> value
 * The value in a string, behind `offset` bytes (0). Bytes behind it are ignored. Raises when there
 * are too few.
 */
static int type_unpack(lua_State *L)
{
	const struct type *type = type_check(L, 1);
	size_t size;
	const char *bytes = luaL_checklstring(L, 2, &size);
	uint64_t offset = 0;
	struct codec codec;

	if (!lua_isnoneornil(L, 3))
		offset = compat_check_unsigned(L, 3, UINT32_MAX);
	type_codec(type, &codec);
	codec.slot = SLOT;
	if (offset > size || size - offset < codec.size)
		return luaL_argerror(L, 2,
			lua_pushfstring(L, "string of %d bytes is too short: %d expected behind %d",
				(int)size, (int)codec.size, (int)offset));
	lua_settop(L, 2);
	push_owner(L);
	codec_push(L, &codec, 3, bytes + offset, codec.size);
	return 1;
}

/* t:size() -> bytes */
static int type_size(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)type_check(L, 1)->layout.nodes[0].size);
	return 1;
}

/* tostring(t): the type as C, which ebpf.type() takes again. */
static int type_tostring(lua_State *L)
{
	const struct type *type = type_check(L, 1);
	struct making *making = making_new(L);

	making->text = layout_print(&type->layout);
	if (!making->text)
		return luaL_error(L, "not enough memory");
	lua_pushstring(L, making->text);
	making_release(making);
	return 1;
}

/* A whole number with its bytes the other way round where the machine's order is not the net's. */
static uint64_t swap(uint64_t value, unsigned int bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(value) >> (64 - bits);
#else
	(void)bits;
	return value;
#endif
}

/* core.swap16(n), core.swap32(n): between the byte order of the network and of this machine. */
static int swap16(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)swap(compat_check_unsigned(L, 1, UINT16_MAX), 16));
	return 1;
}

static int swap32(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)swap(compat_check_unsigned(L, 1, UINT32_MAX), 32));
	return 1;
}

/* core.swap64(n): an integer, a string of digits or 64-bit cdata; as 64-bit values always are. */
static int swap64(lua_State *L)
{
	compat_push_u64(L, swap(compat_check_unsigned(L, 1, UINT64_MAX), 64), INT64_EXACT);
	return 1;
}

static void register_class(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"pack", type_pack},
		{"unpack", type_unpack},
		{"size", type_size},
		{NULL, NULL},
	};

	if (luaL_newmetatable(L, TYPE_CLASS)) {
		lua_pushcfunction(L, type_tostring);
		lua_setfield(L, -2, "__tostring");
		lua_pushliteral(L, TYPE_CLASS);
		lua_setfield(L, -2, "__name");
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
	if (luaL_newmetatable(L, MAKING_CLASS)) {
		lua_pushcfunction(L, making_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
}

void type_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"compile_type", compile_type},
		{"find_type", find_type},
		{"is_type", is_type},
		{"swap16", swap16},
		{"swap32", swap32},
		{"swap64", swap64},
		{NULL, NULL},
	};

	register_class(L);
	luaL_setfuncs(L, functions, 0);
}
