/* SPDX-License-Identifier: MIT */
#include "handle.h"

#include <errno.h>
#include <string.h>

#include "../engine/sys.h"
#include "failure.h"

/* Pushes class->methods as a table, with the methods that every handle has below them. Each has
 * the metatable, which is on top of the stack, as its upvalue: see handle_self(). */
static void push_methods(lua_State *L, const struct handle_class *class)
{
	static const luaL_Reg common[] = {
		{"close", handle_close},
		{"is_closed", handle_is_closed},
		{"fd", handle_fd},
		{NULL, NULL},
	};

	lua_newtable(L);
	lua_pushvalue(L, -2);
	luaL_setfuncs(L, common, 1);
	lua_pushvalue(L, -2);
	luaL_setfuncs(L, class->methods, 1);
	if (class->close) {
		lua_pushvalue(L, -2);
		lua_pushcclosure(L, class->close, 1);
		lua_setfield(L, -2, "close");
	}
}

void handle_register(lua_State *L, const struct handle_class *class)
{
	lua_CFunction close = class->close ? class->close : handle_close;

	lua_getfield(L, -1, "methods");
	if (luaL_newmetatable(L, class->name)) {
		lua_pushvalue(L, -1);
		luaL_setfuncs(L, class->metamethods, 1);
		lua_pushvalue(L, -1);
		lua_pushcclosure(L, close, 1);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, "__gc");
		lua_setfield(L, -2, "__close");
		lua_pushstring(L, class->name);
		lua_setfield(L, -2, "__name");
		push_methods(L, class);
		lua_setfield(L, -2, "__index");
	}
	lua_getfield(L, -1, "__index");
	lua_setfield(L, -3, class->what);
	lua_pop(L, 2);
}

void *handle_new(lua_State *L, const struct handle_class *class, size_t size)
{
	struct handle *h = compat_newuserdata(L, size);

	memset(h, 0, size);
	h->fd = -1;
	luaL_setmetatable(L, class->name);
	return h;
}

void *handle_check(lua_State *L, int arg, const struct handle_class *class)
{
	return luaL_checkudata(L, arg, class->name);
}

void *handle_test(lua_State *L, int index, const struct handle_class *class)
{
	return luaL_testudata(L, index, class->name);
}

void *handle_self(lua_State *L)
{
	void *self = lua_touserdata(L, 1);

	if (self && lua_getmetatable(L, 1)) {
		if (lua_rawequal(L, -1, lua_upvalueindex(1))) {
			lua_pop(L, 1);
			return self;
		}
	}
	lua_getfield(L, lua_upvalueindex(1), "__name");
	luaL_argerror(L, 1,
		lua_pushfstring(
			L, "%s expected, got %s", lua_tostring(L, -1), luaL_typename(L, 1)));
	return NULL;
}

bool handle_reclaimed(lua_State *L, int ret)
{
	if (ret != -EMFILE && ret != -ENFILE)
		return false;
	lua_gc(L, LUA_GCCOLLECT, 0);
	return true;
}

int handle_close(lua_State *L)
{
	struct handle *h = handle_self(L);
	int fd = h->fd;

	h->fd = -1;
	sys_close(fd);
	lua_pushboolean(L, 1);
	return 1;
}

int handle_is_closed(lua_State *L)
{
	struct handle *h = handle_self(L);

	lua_pushboolean(L, h->fd < 0);
	return 1;
}

int handle_fd(lua_State *L)
{
	struct handle *h = handle_self(L);

	if (h->fd < 0)
		return failure_errno(L, EBADF, "fd of a closed handle");
	lua_pushinteger(L, h->fd);
	return 1;
}

int handle_closed(lua_State *L, const struct handle_class *class)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s is closed", class->what);
	lua_pushinteger(L, EBADF);
	return 3;
}
