/* SPDX-License-Identifier: MIT */
/*
 * All that differs between Lua 5.1, LuaJIT, 5.3 and 5.4. One 5.1 binary serves both PUC 5.1 and
 * LuaJIT, so nothing LuaJIT alone exports is used, and LuaJIT is recognised at run time.
 */
#ifndef EBPF_COMPAT_H
#define EBPF_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#if LUA_VERSION_NUM < 502
#undef luaL_newlib
#undef luaL_newlibtable
#undef luaL_setmetatable
#define lua_rawlen(L, i)        lua_objlen(L, i)
#define luaL_setmetatable(L, n) (luaL_getmetatable(L, n), (void)lua_setmetatable(L, -2))
/* LuaJIT exports functions of these names, PUC 5.1 does not: ours must not be looked up there. */
#define luaL_setfuncs  compat_setfuncs
#define luaL_testudata compat_testudata
#define lua_absindex   compat_absindex
#define luaL_tolstring compat_tolstring
void compat_setfuncs(lua_State *L, const luaL_Reg *list, int upvalues);
void *compat_testudata(lua_State *L, int index, const char *name);
int compat_absindex(lua_State *L, int index);
const char *compat_tolstring(lua_State *L, int index, size_t *size);
#endif

/* How a 64-bit value becomes a Lua value where the Lua has no 64-bit integers. */
enum int64_mode {
	INT64_EXACT, /* LuaJIT: always cdata; PUC 5.1: a number, an error when it would round */
	INT64_NUMBER, /* a number, an error when it would round */
	INT64_DOUBLE, /* a number, rounded */
};

/* Whether 64-bit integers are values like all others. */
enum { COMPAT_HAS_INTEGERS = LUA_VERSION_NUM >= 503 };

/*
 * Whether lua_pushlstring() copies before it may run finalizers: not before Lua 5.3, nor in LuaJIT.
 * Collecting for want of memory, which comes before the copy, runs none. Strings up to a size are
 * looked up among all others first.
 */
enum { COMPAT_COPIES_FIRST = LUA_VERSION_NUM >= 503, COMPAT_SHORT_STRING = 40 };

/* Prepares this Lua state for the functions below; called by luaopen. */
void compat_open(lua_State *L);

/* Pushes a 64-bit value as `mode` says. On Lua 5.3 and later always an integer. */
#if LUA_VERSION_NUM >= 503
static inline void compat_push_u64(lua_State *L, uint64_t value, enum int64_mode mode)
{
	(void)mode;
	lua_pushinteger(L, (lua_Integer)value);
}

static inline void compat_push_i64(lua_State *L, int64_t value, enum int64_mode mode)
{
	(void)mode;
	lua_pushinteger(L, (lua_Integer)value);
}
#else
void compat_push_u64(lua_State *L, uint64_t value, enum int64_mode mode);
void compat_push_i64(lua_State *L, int64_t value, enum int64_mode mode);
#endif

/* For one of many fields, which must not spoil the others: as INT64_EXACT, but on PUC 5.1 what is not
 * exact as a number is a string of decimal digits. */
void compat_push_digits(lua_State *L, uint64_t value);

/* An exact integer out of a Lua value. */
struct compat_integer {
	uint64_t value; /* in two's complement */
	bool negative;
	bool wraps; /* a Lua 5.3 integer, which stands for 2^64-1 as well as for -1 */
};

/* Reads an integer, an integral number within +-2^53, a string of decimal or 0x digits, or
 * LuaJIT's 64-bit cdata. Returns NULL when all is well, else what is wrong, in words. */
const char *compat_to_integer(lua_State *L, int index, struct compat_integer *n);

/* The short way for the common case: a number that is an integer and not negative. False says
 * nothing about the value, only that compat_to_integer() has to look at it. */
#if LUA_VERSION_NUM >= 503
static inline bool compat_natural(lua_State *L, int index, uint64_t *value)
{
	lua_Integer i;

	if (!lua_isinteger(L, index))
		return false;
	i = lua_tointeger(L, index);
	*value = (uint64_t)i;
	return i >= 0;
}
#else
bool compat_natural(lua_State *L, int index, uint64_t *value);
#endif

/* Whether it lies within [0, max], or fits a signed integer of `size` bytes. */
bool compat_is_unsigned(const struct compat_integer *n, uint64_t max);
bool compat_is_signed(const struct compat_integer *n, size_t size);

/* An argument within [0, max]: raises an error that points at the argument otherwise. */
uint64_t compat_check_unsigned(lua_State *L, int arg, uint64_t max);

/* A userdata of `size` bytes with one user value. */
void *compat_newuserdata(lua_State *L, size_t size);

/* Pops a value (LuaJIT, 5.1: a table) and keeps it as the user value of the userdata there. */
void compat_setuservalue(lua_State *L, int index);
void compat_getuservalue(lua_State *L, int index);

/* How many values a closable iterator returns: on 5.4 the fourth is closed when the loop ends.
 * Expects the iterator function on top, and the value to close at `closing`. */
int compat_return_iterator(lua_State *L, int closing);

#pragma GCC visibility pop

#include "argument.h" /* in the place of functions of lauxlib.h */

#endif
