/* SPDX-License-Identifier: MIT */
#include "extern_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/kconfig.h"
#include "failure.h"
#include "handle.h"
#include "insns.h"
#include "options.h"
#include "relocate.h"
#include "rooms.h"

#define CLASS "ebpf.externs"

/* Where the table of handles has it. */
#define KEY "externs"

/* Stack indices in core.resolve_externs() */
enum { HANDLES = 1, LISTS, MISSING };

/* close() and __gc */
static int close_set(lua_State *L)
{
	externs_free(luaL_checkudata(L, 1, CLASS));
	return 0;
}

void extern_set_close(lua_State *L, int handles)
{
	struct externs *e;

	lua_pushliteral(L, KEY);
	lua_rawget(L, handles);
	e = luaL_testudata(L, -1, CLASS);
	if (e)
		externs_free(e);
	lua_pop(L, 1);
}

/* The set in the table of handles, or a new one there. Pushes it. */
static struct externs *push_set(lua_State *L, int handles)
{
	struct externs *e;

	lua_getfield(L, handles, KEY);
	e = luaL_testudata(L, -1, CLASS);
	if (e)
		return e;
	e = compat_newuserdata(L, sizeof(*e));
	memset(e, 0, sizeof(*e));
	luaL_setmetatable(L, CLASS);
	lua_pushvalue(L, -1);
	lua_setfield(L, handles, KEY);
	return e;
}

/* Looks up what is to be looked up, with the kernel's types where these are needed. */
static int resolve(lua_State *L, struct externs *e, int handles, struct error *err)
{
	struct core_target *kernel = NULL;
	bool strong;

	if (externs_need_types(e, &strong)) {
		kernel = relocate_push_kernel(L, handles, err);
		/* Where the kernel has no types, what can be missing is. */
		if (!kernel && (strong || err->code != ENOENT))
			return error_prefix(err, "look for kernel functions and variables");
	}
	if (externs_resolve(e, kernel, err) == 0)
		return 0;
	if (!handle_reclaimed(L, -err->code))
		return -1;
	return externs_resolve(e, kernel, err);
}

int extern_set_link(
	lua_State *L, int handles, struct insns *list, const int **fds, struct error *err)
{
	int top = lua_gettop(L), ret = 0;
	struct externs *e;

	*fds = NULL;
	if (list->foreign || !externs_are_wanted(list))
		return 0;
	luaL_checkstack(L, LUA_MINSTACK, "look for symbols");
	e = push_set(L, handles);
	if (externs_add(e, list, err) < 0 || resolve(L, e, handles, err) < 0 ||
		externs_missing(e, NULL, 0, "", err))
		ret = -1;
	else
		ret = externs_apply(e, list, err);
	*fds = e->fds;
	lua_settop(L, top);
	return ret;
}

/* The names in the array at `index`, which stay valid as long as it does; pushes what owns the
 * array that is returned. */
static const char **push_names(lua_State *L, int index, uint32_t *count)
{
	const char **names;
	uint32_t i;

	*count = lua_isnil(L, index) ? 0 : (uint32_t)lua_rawlen(L, index);
	names = compat_newuserdata(L, (*count + 1) * sizeof(*names));
	for (i = 0; i < *count; i++) {
		lua_rawgeti(L, index, (int)i + 1);
		names[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
		lua_pop(L, 1);
	}
	return names;
}

/*
 * core.resolve_externs(handles, lists, missing) -> true, or nil, message, errno
 *
 * Looks up all symbols of the kernel that the instructions in the array `lists` refer to, so that
 * loading them finds these in the table `handles`. `missing` is an array of names of the kernel's
 * options that are missing, or nil. ESRCH: some are missing, all of which the message names. EINVAL: some are something else than the programs
 * take them for. EPERM: the kernel hides its addresses.
 */
static int resolve_externs(lua_State *L)
{
	const char **missing;
	struct externs *e;
	struct insns *list;
	struct error err;
	uint32_t count, i;

	lua_settop(L, MISSING);
	luaL_checktype(L, HANDLES, LUA_TTABLE);
	luaL_checktype(L, LISTS, LUA_TTABLE);
	missing = push_names(L, MISSING, &count);
	e = push_set(L, HANDLES);
	for (i = 0; i < lua_rawlen(L, LISTS); i++) {
		lua_rawgeti(L, LISTS, (int)i + 1);
		list = insns_check(L, -1);
		lua_pop(L, 1);
		if (!list->foreign && externs_add(e, list, &err) < 0)
			return failure_push(L, &err);
	}
	if (resolve(L, e, HANDLES, &err) < 0)
		return failure_push(L, &err);
	if (externs_missing(e, missing, count, "kernel option", &err))
		return failure_push(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

static uint8_t read_kind(lua_State *L, int index)
{
	const char *kind = options_string(L, index, "kconfig");
	uint8_t i;

	for (i = 1; kind && kconfig_kind_name(i); i++) {
		if (strcmp(kind, kconfig_kind_name(i)) == 0)
			break;
	}
	lua_pop(L, 1);
	return i;
}

/* Reads the array of variables at `index`; pushes what owns the result, and what owns its names. */
static struct kconfig_variable *push_variables(lua_State *L, int index, uint32_t *count)
{
	struct kconfig_variable *variables, *v;
	uint32_t i;

	*count = (uint32_t)lua_rawlen(L, index);
	variables = compat_newuserdata(L, (*count + 1) * sizeof(*variables));
	lua_newtable(L);
	for (i = 0; i < *count; i++) {
		v = &variables[i];
		memset(v, 0, sizeof(*v));
		lua_rawgeti(L, index, (int)i + 1);
		luaL_checktype(L, -1, LUA_TTABLE);
		v->kind = read_kind(L, lua_gettop(L));
		v->offset = (uint32_t)options_unsigned(L, lua_gettop(L), "offset", UINT32_MAX, 0);
		v->size = (uint32_t)options_unsigned(L, lua_gettop(L), "size", UINT32_MAX, 0);
		v->is_signed = options_boolean(L, lua_gettop(L), "signed", false);
		v->weak = options_boolean(L, lua_gettop(L), "weak", false);
		v->name = options_string(L, lua_gettop(L), "name");
		luaL_argcheck(L, v->name, index, "variables without a name");
		lua_rawseti(L, -3, (int)i + 1);
		lua_pop(L, 1);
	}
	return variables;
}

/*
 * core.read_kconfig(variables, bytes [, text]) -> bytes, missing; or nil, message, errno
 *
 * Gives variables of the section .kconfig, whose bytes are given, their values: by `text`, lines as
 * of a kernel's configuration file, then by the running kernel's. `variables` is an array of tables
 * {name=, offset=, size=, kconfig= kind, signed=, weak=}. `missing` is an array of the names of those
 * that are nowhere and not weak. EINVAL: a value is none of its variable's type; ERANGE: it does not
 * fit; ENOENT: the kernel's configuration is nowhere.
 */
static int read_kconfig(lua_State *L)
{
	struct kconfig_variable *variables;
	const char *bytes, *text;
	unsigned char *data;
	struct error err;
	uint32_t count, i, missing = 0;
	size_t size;

	lua_settop(L, 3);
	luaL_checktype(L, 1, LUA_TTABLE);
	bytes = luaL_checklstring(L, 2, &size);
	text = luaL_optstring(L, 3, NULL);
	variables = push_variables(L, 1, &count);
	data = compat_newuserdata(L, size + 1);
	memcpy(data, bytes, size);
	if (kconfig_fill(variables, count, text, data, size, &err) < 0)
		return failure_push(L, &err);
	lua_pushlstring(L, (const char *)data, size);
	lua_newtable(L);
	for (i = 0; i < count; i++) {
		if (variables[i].found || variables[i].weak)
			continue;
		lua_pushstring(L, variables[i].name);
		lua_rawseti(L, -2, (int)++missing);
	}
	return 2;
}

void extern_set_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"resolve_externs", resolve_externs},
		{"read_kconfig", read_kconfig},
		{NULL, NULL},
	};

	if (luaL_newmetatable(L, CLASS)) {
		lua_pushcfunction(L, close_set);
		lua_setfield(L, -2, "__gc");
		lua_newtable(L);
		lua_pushcfunction(L, close_set);
		lua_setfield(L, -2, "close");
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
