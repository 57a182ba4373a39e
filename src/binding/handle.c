/* SPDX-License-Identifier: MIT */
#include "handle.h"

#include <errno.h>
#include <string.h>

#include "../engine/sys.h"

/* The methods every handle has serve all classes: the first upvalue tells which one's. */
static struct handle *check_any(lua_State *L)
{
	return handle_check(L, 1, lua_touserdata(L, lua_upvalueindex(1)));
}

void handle_shut(struct handle *h)
{
	int fd = h->fd;

	h->fd = -1;
	sys_close(fd);
}

int handle_close(lua_State *L)
{
	handle_shut(check_any(L));
	lua_pushboolean(L, 1);
	return 1;
}

int handle_is_closed(lua_State *L)
{
	lua_pushboolean(L, check_any(L)->fd < 0);
	return 1;
}

int handle_fd(lua_State *L)
{
	const struct handle *h = check_any(L);

	if (h->fd < 0)
		return handle_closed(L, h->class);
	lua_pushinteger(L, h->fd);
	return 1;
}

static void set_functions(lua_State *L, const luaL_Reg *functions, const struct handle_class *class)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t) class);
	luaL_setfuncs(L, functions, 1);
}

static void push_methods(lua_State *L, const struct handle_class *class, lua_CFunction close)
{
	const luaL_Reg common[] = {
		{"close", close},
		{"is_closed", handle_is_closed},
		{"fd", handle_fd},
		{NULL, NULL},
	};

	lua_newtable(L);
	set_functions(L, common, class);
	set_functions(L, class->methods, class);
}

void handle_register(lua_State *L, const struct handle_class *class)
{
	lua_CFunction close = class->close ? class->close : handle_close;
	const luaL_Reg closing[] = {{"__gc", close}, {"__close", close}, {NULL, NULL}};

	lua_getfield(L, -1, "methods");
	if (luaL_newmetatable(L, class->name)) {
		set_functions(L, closing, class);
		set_functions(L, class->metamethods, class);
		lua_pushstring(L, class->name);
		lua_setfield(L, -2, "__name");
		push_methods(L, class, close);
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
	h->class = class;
	h->fd = -1;
	luaL_setmetatable(L, class->name);
	return h;
}

void handle_refuse(lua_State *L, int arg, const struct handle_class *class)
{
	luaL_argerror(L, arg,
		lua_pushfstring(L, "%s expected, got %s", class->name, luaL_typename(L, arg)));
}

bool handle_reclaimed(lua_State *L, int ret)
{
	if (ret != -EMFILE && ret != -ENFILE)
		return false;
	lua_gc(L, LUA_GCCOLLECT, 0);
	return true;
}

int handle_closed(lua_State *L, const struct handle_class *class)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s is closed", class->what);
	lua_pushinteger(L, EBADF);
	return 3;
}
