/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_listed(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

void options_check(lua_State *L, int arg, const char *what, const char *const *names)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, arg)) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_argerror(
				L, arg, lua_pushfstring(L, "%s has a key that is no name", what));
		if (!is_listed(lua_tostring(L, -1), names))
			luaL_argerror(L, arg,
				lua_pushfstring(
					L, "unknown %s field '%s'", what, lua_tostring(L, -1)));
	}
}

static int field_error(lua_State *L, int arg, const char *name, const char *wrong)
{
	return luaL_argerror(L, arg, lua_pushfstring(L, "field '%s': %s", name, wrong));
}

uint64_t options_unsigned(lua_State *L, int arg, const char *name, uint64_t max, uint64_t fallback)
{
	struct compat_integer n = {.value = fallback};
	const char *wrong;
	char text[80];

	lua_getfield(L, arg, name);
	if (!lua_isnil(L, -1)) {
		wrong = compat_to_integer(L, -1, &n);
		if (!wrong && !compat_is_unsigned(&n, max)) {
			snprintf(text, sizeof(text),
				"integer out of range, 0 to %" PRIu64 " expected", max);
			wrong = text;
		}
		if (wrong)
			field_error(L, arg, name, wrong);
	}
	lua_pop(L, 1);
	return n.value;
}

bool options_boolean(lua_State *L, int arg, const char *name, bool fallback)
{
	bool value = fallback;

	lua_getfield(L, arg, name);
	if (!lua_isnil(L, -1)) {
		if (!lua_isboolean(L, -1))
			field_error(L, arg, name, "true or false expected");
		value = lua_toboolean(L, -1);
	}
	lua_pop(L, 1);
	return value;
}

const char *options_string(lua_State *L, int arg, const char *name)
{
	lua_getfield(L, arg, name);
	if (lua_isnil(L, -1))
		return NULL;
	if (lua_type(L, -1) != LUA_TSTRING)
		field_error(L, arg, name, "string expected");
	return lua_tostring(L, -1);
}

uint32_t options_name(
	lua_State *L, int arg, const char *name, const struct names_table *table, uint32_t fallback)
{
	uint32_t id = fallback;

	lua_getfield(L, arg, name);
	if (lua_type(L, -1) == LUA_TSTRING) {
		if (!names_find(table, lua_tostring(L, -1), &id))
			field_error(L, arg, name,
				lua_pushfstring(
					L, "unknown %s '%s'", table->what, lua_tostring(L, -1)));
		lua_pop(L, 1);
		return id;
	}
	lua_pop(L, 1);
	return (uint32_t)options_unsigned(L, arg, name, UINT32_MAX, fallback);
}

void options_push_name(lua_State *L, const struct names_table *table, uint32_t id)
{
	const char *name = names_of(table, id);

	if (name)
		lua_pushstring(L, name);
	else
		lua_pushinteger(L, (lua_Integer)id);
}
