/* SPDX-License-Identifier: MIT */
#include "compat.h"

#include <stdarg.h>
#include <string.h>

/* Registry slots, by their addresses: where the Lua files of the library are, and core.public. */
static const char face_key, public_key;

/* What the source of a chunk of the library begins with, or "" before anyone said so. */
static const char *face_source(lua_State *L)
{
	const char *source;

	lua_pushlightuserdata(L, (void *)(uintptr_t)&face_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	source = lua_tostring(L, -1);
	lua_pop(L, 1); /* the registry keeps it */
	return source ? source : "";
}

static bool is_face(const lua_Debug *ar, const char *face)
{
	return *face && strncmp(ar->source, face, strlen(face)) == 0;
}

/* Whose mistake it is: a Lua function that is not the library's. Without one, all levels are. */
static int find_blamed(lua_State *L, const char *face, lua_Debug *ar)
{
	int level;

	for (level = 0; lua_getstack(L, level, ar); level++) {
		lua_getinfo(L, "Sl", ar);
		/* "tail" is in PUC 5.1 what is left of a function that ended by a call. */
		if (strcmp(ar->what, "C") != 0 && strcmp(ar->what, "tail") != 0 &&
			!is_face(ar, face))
			return level;
	}
	ar->currentline = -1;
	return level;
}

/* Pushes the first of the names that the function on top, which is popped, has in the table below
 * it; or nil. */
static void push_name_in(lua_State *L)
{
	int table = lua_gettop(L) - 1;

	lua_pushnil(L); /* the name so far */
	lua_pushnil(L);
	while (lua_next(L, table)) {
		if (lua_rawequal(L, -1, table + 1) && lua_type(L, -2) == LUA_TSTRING &&
			(lua_isnil(L, table + 2) ||
				strcmp(lua_tostring(L, -2), lua_tostring(L, table + 2)) < 0)) {
			lua_pushvalue(L, -2);
			lua_replace(L, table + 2);
		}
		lua_pop(L, 1);
	}
	lua_replace(L, table + 1);
}

/* With a table on top and the function below: replaces the table by the name there, or pops it and
 * returns false. */
static bool is_named_in(lua_State *L, int function)
{
	lua_pushvalue(L, function);
	push_name_in(L);
	lua_replace(L, -2);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

/* The same for the methods of the class whose metatable is on top, which is popped. */
static bool is_method(lua_State *L, int function)
{
	lua_pushliteral(L, "__index");
	lua_rawget(L, -2);
	lua_replace(L, -2);
	if (lua_istable(L, -1))
		return is_named_in(L, function);
	lua_pop(L, 1);
	return false;
}

/* Replaces the function on top by the name that users know it by; pops it and returns false when it
 * has none: what pcall() calls has no name otherwise. */
static bool push_public_name(lua_State *L)
{
	int function = lua_gettop(L);
	bool found = false;
	int i;

	lua_pushlightuserdata(L, (void *)(uintptr_t)&public_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	for (i = 1; !found && lua_istable(L, function + 1); i++) {
		lua_rawgeti(L, function + 1, i);
		if (!lua_istable(L, -1))
			break;
		found = is_named_in(L, function);
	}
	if (!found) {
		lua_settop(L, function);
		lua_pushnil(L);
		while (!found && lua_next(L, LUA_REGISTRYINDEX)) {
			if (lua_type(L, -2) == LUA_TSTRING && lua_istable(L, -1) &&
				strncmp(lua_tostring(L, -2), "ebpf.", 5) == 0)
				found = is_method(L, function);
			else
				lua_pop(L, 1);
		}
	}
	if (found)
		lua_replace(L, function);
	lua_settop(L, found ? function : function - 1);
	return found;
}

/* Finds the function of the library that the blamed one, at `level`, has called, and pushes its name
 * there, or nil; `ar` becomes the function's. */
static int push_name(lua_State *L, int level, const char *face, lua_Debug *ar)
{
	bool is_ours, is_called;

	while (--level >= 0 && lua_getstack(L, level, ar)) {
		lua_getinfo(L, "nSf", ar);
		is_called = ar->name && *ar->name;
		is_ours = level == 0 || is_face(ar, face);
		if (is_called && is_ours)
			lua_pop(L, 1);
		else if (!push_public_name(L)) /* what is neither's, as pcall(), has none */
			continue;
		else if (is_called)
			lua_pop(L, 1);
		if (is_called)
			lua_pushstring(L, ar->name);
		return level;
	}
	lua_pushnil(L);
	return -1;
}

static bool is_method_call(const lua_Debug *ar)
{
	return ar->name && strcmp(ar->namewhat, "method") == 0;
}

/* Whether the first argument of the running function does not count, as it is what a method was
 * called of: the function itself, or that at `level` which it serves. */
static bool is_first_self(lua_State *L, int level, lua_Debug *ar)
{
	lua_Debug running;
	bool same;

	if (level > 0 && is_method_call(ar) && lua_getlocal(L, ar, 1)) {
		same = lua_rawequal(L, -1, 1);
		lua_pop(L, 1);
		if (same)
			return true;
	}
	return lua_getstack(L, 0, &running) && lua_getinfo(L, "n", &running) &&
	       is_method_call(&running);
}

/* Pushes "file:line: ", or nothing but "". */
static void push_position(lua_State *L, const lua_Debug *ar)
{
	if (ar->currentline > 0)
		lua_pushfstring(L, "%s:%d: ", ar->short_src, ar->currentline);
	else
		lua_pushliteral(L, "");
}

int argument_raise(lua_State *L, const char *format, ...)
{
	const char *face;
	lua_Debug ar;
	va_list ap;
	int level;

	luaL_checkstack(L, LUA_MINSTACK, NULL);
	face = face_source(L);
	level = find_blamed(L, face, &ar);
	push_position(L, &ar);
	/* An iterator and a metamethod are called by no name of theirs. */
	if (push_name(L, level, face, &ar) < 0 || strcmp(ar.namewhat, "for iterator") == 0 ||
		strcmp(ar.namewhat, "metamethod") == 0) {
		lua_pop(L, 1);
	} else {
		lua_pushliteral(L, ": ");
		lua_concat(L, 3);
	}
	va_start(ap, format);
	lua_pushvfstring(L, format, ap);
	va_end(ap);
	lua_concat(L, 2);
	return lua_error(L);
}

/* `counted`: the argument's number is without self. */
static int refuse(lua_State *L, int arg, bool counted, const char *wrong)
{
	const char *face, *name;
	lua_Debug ar;
	int level;

	luaL_checkstack(L, LUA_MINSTACK, NULL);
	face = face_source(L);
	level = find_blamed(L, face, &ar);
	push_position(L, &ar);
	level = push_name(L, level, face, &ar);
	name = lua_tostring(L, -1);
	if (!counted && is_first_self(L, level, &ar))
		arg--;
	if (!name)
		lua_pushfstring(L, "bad argument #%d (%s)", arg, wrong);
	else if (arg == 0)
		lua_pushfstring(L, "calling '%s' on bad self (%s)", name, wrong);
	else
		lua_pushfstring(L, "bad argument #%d to '%s' (%s)", arg, name, wrong);
	lua_replace(L, -2);
	lua_concat(L, 2);
	return lua_error(L);
}

int argument_error(lua_State *L, int arg, const char *wrong)
{
	return refuse(L, arg, false, wrong);
}

static int refuse_type(lua_State *L, int arg, const char *expected)
{
	const char *got = luaL_typename(L, arg);

	if (luaL_getmetafield(L, arg, "__name") && lua_type(L, -1) == LUA_TSTRING)
		got = lua_tostring(L, -1);
	return argument_error(L, arg, lua_pushfstring(L, "%s expected, got %s", expected, got));
}

void argument_check_type(lua_State *L, int arg, int type)
{
	if (lua_type(L, arg) != type)
		refuse_type(L, arg, lua_typename(L, type));
}

const char *argument_string(lua_State *L, int arg, size_t *size)
{
	const char *s = lua_tolstring(L, arg, size);

	if (!s)
		refuse_type(L, arg, lua_typename(L, LUA_TSTRING));
	return s;
}

const char *argument_optional_string(lua_State *L, int arg, const char *fallback, size_t *size)
{
	if (!lua_isnoneornil(L, arg))
		return argument_string(L, arg, size);
	if (size)
		*size = fallback ? strlen(fallback) : 0;
	return fallback;
}

lua_Number argument_optional_number(lua_State *L, int arg, lua_Number fallback)
{
	if (lua_isnoneornil(L, arg))
		return fallback;
	if (!lua_isnumber(L, arg))
		refuse_type(L, arg, lua_typename(L, LUA_TNUMBER));
	return lua_tonumber(L, arg);
}

int argument_option(lua_State *L, int arg, const char *fallback, const char *const options[])
{
	const char *name = argument_optional_string(L, arg, fallback, NULL);
	int i;

	if (!name)
		name = argument_string(L, arg, NULL);
	for (i = 0; options[i]; i++) {
		if (strcmp(options[i], name) == 0)
			return i;
	}
	return argument_error(L, arg, lua_pushfstring(L, "invalid option '%s'", name));
}

void *argument_userdata(lua_State *L, int arg, const char *class)
{
	void *p = luaL_testudata(L, arg, class);

	if (!p)
		refuse_type(L, arg, class);
	return p;
}

/* core.set_face(): the file that calls it, and all beside it, are the library's. */
static int set_face(lua_State *L)
{
	lua_Debug ar;
	const char *slash;

	if (!lua_getstack(L, 1, &ar))
		return 0;
	lua_getinfo(L, "S", &ar);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&face_key);
	slash = strrchr(ar.source, '/');
	/* What was put together with other files to one is all of a piece. */
	if (*ar.source == '@' && slash && strcmp(slash, "/argument.lua") == 0)
		lua_pushlstring(L, ar.source, (size_t)(slash - ar.source) + 1);
	else
		lua_pushstring(L, ar.source);
	lua_rawset(L, LUA_REGISTRYINDEX);
	return 0;
}

/* core.refuse(arg, wrong): raises for the caller of the function of the library that calls it. A
 * method's arguments are counted without self, which is 0. */
static int core_refuse(lua_State *L)
{
	return refuse(L, (int)lua_tointeger(L, 1), true, lua_tostring(L, 2));
}

/* core.raise(message): the same for a message that has a name in it. */
static int core_raise(lua_State *L)
{
	lua_Debug ar;

	find_blamed(L, face_source(L), &ar);
	push_position(L, &ar);
	lua_pushvalue(L, 1);
	lua_concat(L, 2);
	return lua_error(L);
}

/* core.check_self(self, metatable): raises unless it has that metatable. */
static int check_self(lua_State *L)
{
	lua_settop(L, 2);
	if (!lua_getmetatable(L, 1) || !lua_rawequal(L, 2, 3)) {
		lua_getfield(L, 2, "__name");
		refuse_type(L, 1, lua_tostring(L, -1));
	}
	return 0;
}

/* core.is_handle(value, class) -> whether it is a userdata of that class: "ebpf.map" */
static int is_handle(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushboolean(L, luaL_testudata(L, 1, lua_tostring(L, 2)) != NULL);
	return 1;
}

void argument_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"set_face", set_face},
		{"refuse", core_refuse},
		{"raise", core_raise},
		{"check_self", check_self},
		{"is_handle", is_handle},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	/* Tables of functions that users call; Lua code adds them. */
	lua_newtable(L);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&public_key);
	lua_pushvalue(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
	lua_setfield(L, -2, "public");
}
