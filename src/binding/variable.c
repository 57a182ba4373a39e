/* SPDX-License-Identifier: MIT */
/* Global variables of programs: live, in the memory of their section; and in the bytes of a spec. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"
#include "memory.h"
#include "options.h"
#include "rooms.h"

/* What the user value, a table, holds. */
enum { VARIABLE_CODEC = 1, VARIABLE_MEMORY = 2, VARIABLE_NAME = 3 };

static const char variable_class[] = "ebpf.variable";

struct variable {
	const char *class; /* variable_class */
	struct memory *memory; /* which the user value keeps */
	uint64_t offset;
	struct codec codec;
};

static struct variable *check_variable(lua_State *L)
{
	return memory_self(L, variable_class, sizeof(struct variable));
}

static const char *push_name(lua_State *L)
{
	const char *name;

	compat_getuservalue(L, 1);
	lua_rawgeti(L, -1, VARIABLE_NAME);
	name = lua_tostring(L, -1);
	return name ? name : "";
}

/*
 * variable:get() -> value | nil, message, errno
 * The value now, by the variable's type, without a system call. Of 1, 2, 4 and 8 bytes in one
 * piece; larger ones may be seen half written. EBADF: the collection is closed.
 */
static int variable_get(lua_State *L)
{
	const struct variable *variable = check_variable(L);
	const struct memory *memory = variable->memory;
	struct scratch scratch;
	void *value;

	lua_settop(L, 1);
	value = scratch_get(L, &scratch, variable->codec.size);
	if (!memory->start)
		return memory_closed(L, "variable");
	memory_load(memory, variable->offset, value, variable->codec.size);
	codec_push(L, &variable->codec, 1, value, variable->codec.size);
	return 1;
}

static int constant_failure(lua_State *L)
{
	struct error err;

	error_errno(&err, EPERM, "set variable \"%s\"", push_name(L));
	error_append(&err, ": it is constant once it is loaded: set it in the spec before");
	return failure_push(L, &err);
}

/*
 * variable:set(value) -> true | nil, message, errno
 * Programs see the new value at once. EPERM: it is a constant; EBADF: the collection is closed.
 */
static int variable_set(lua_State *L)
{
	const struct variable *variable = check_variable(L);
	struct memory *memory = variable->memory;
	struct scratch scratch;
	void *value;

	lua_settop(L, 2);
	if (!memory->start)
		return memory_closed(L, "variable");
	if (memory->read_only)
		return constant_failure(L);
	codec_prepare(L, 2, &variable->codec, 1, "value");
	value = scratch_get(L, &scratch, variable->codec.size);
	codec_encode(L, 2, &variable->codec, value, "value");
	if (!memory->start)
		return memory_closed(L, "variable");
	memory_store(memory, variable->offset, value, variable->codec.size);
	lua_pushboolean(L, 1);
	return 1;
}

/* variable:size() -> bytes */
static int variable_size(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_variable(L)->codec.size);
	return 1;
}

/* variable:is_constant() -> boolean: whether programs and user space can only read it. */
static int variable_is_constant(lua_State *L)
{
	lua_pushboolean(L, check_variable(L)->memory->read_only);
	return 1;
}

/* variable:name() -> string */
static int variable_name(lua_State *L)
{
	check_variable(L);
	push_name(L);
	return 1;
}

/* tostring(variable) -> variable "count" (8 bytes) */
static int variable_tostring(lua_State *L)
{
	const struct variable *variable = check_variable(L);
	const char *name = push_name(L);

	lua_pushfstring(L, "%s \"%s\" (%d bytes%s)",
		variable->memory->read_only ? "constant" : "variable", name,
		(int)variable->codec.size, variable->memory->start ? "" : ", closed");
	return 1;
}

/*
 * core.new_variable(memory, name, offset, size, type) -> Variable | nil, message, errno
 * A variable in the memory of its section. `type` may be nil: then its size says what it is.
 */
static int new_variable(lua_State *L)
{
	struct memory *memory = memory_self(L, memory_class, sizeof(struct memory));
	const char *name = luaL_checkstring(L, 2);
	uint64_t offset = compat_check_unsigned(L, 3, UINT32_MAX);
	uint64_t size = compat_check_unsigned(L, 4, UINT32_MAX);
	struct variable *variable;

	lua_settop(L, 5);
	if (!memory->start)
		return memory_closed(L, "memory");
	if (offset > memory->size || size > memory->size - offset)
		return failure_errno(L, ERANGE, "find variable \"%s\": its map is too small", name);
	variable = compat_newuserdata(L, sizeof(*variable));
	memset(variable, 0, sizeof(*variable));
	lua_createtable(L, 3, 0);
	variable->codec =
		codec_parse(L, 5, (uint32_t)size, INT64_EXACT, 7, VARIABLE_CODEC, "variable");
	variable->memory = memory;
	variable->offset = offset;
	lua_pushvalue(L, 1);
	lua_rawseti(L, 7, VARIABLE_MEMORY);
	lua_pushvalue(L, 2);
	lua_rawseti(L, 7, VARIABLE_NAME);
	compat_setuservalue(L, 6);
	luaL_getmetatable(L, variable_class);
	lua_setmetatable(L, 6);
	variable->class = variable_class;
	return 1;
}

/* Reads arguments: 1 a value or bytes, 2 a size, 3 a type or nil. Pushes an owner for the codec, at
 * 4, with its table at 5. */
static struct codec read_codec(lua_State *L)
{
	uint32_t size = (uint32_t)compat_check_unsigned(L, 2, UINT32_MAX);

	lua_settop(L, 3);
	compat_newuserdata(L, 1);
	lua_createtable(L, 1, 0);
	lua_pushvalue(L, -1);
	compat_setuservalue(L, 4);
	return codec_parse(L, 3, size, INT64_EXACT, 5, VARIABLE_CODEC, "variable");
}

/* core.pack_variable(value, size, type) -> string: the bytes of a variable's value; type may be nil.
 * Raises, pointing at argument 1, when the value does not fit. */
static int pack_variable(lua_State *L)
{
	struct codec codec = read_codec(L);
	struct scratch scratch;
	void *value;

	codec_prepare(L, 1, &codec, 4, "value");
	value = scratch_get(L, &scratch, codec.size);
	codec_encode(L, 1, &codec, value, "value");
	lua_pushlstring(L, value, codec.size);
	return 1;
}

/* core.unpack_variable(bytes, size, type) -> value: the other way round. */
static int unpack_variable(lua_State *L)
{
	struct codec codec = read_codec(L);
	size_t size;
	const char *bytes = luaL_checklstring(L, 1, &size);

	luaL_argcheck(L, size == codec.size, 1, "wrong number of bytes");
	codec_push(L, &codec, 4, bytes, size);
	return 1;
}

void variable_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {{"__tostring", variable_tostring}, {NULL, NULL}};
	static const luaL_Reg methods[] = {
		{"get", variable_get},
		{"set", variable_set},
		{"size", variable_size},
		{"is_constant", variable_is_constant},
		{"name", variable_name},
		{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
		{"new_variable", new_variable},
		{"pack_variable", pack_variable},
		{"unpack_variable", unpack_variable},
		{NULL, NULL},
	};

	memory_register_class(L, variable_class, metamethods, methods);
	luaL_setfuncs(L, functions, 0);
}
