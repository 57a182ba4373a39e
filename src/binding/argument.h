/* SPDX-License-Identifier: MIT */
/*
 * Mistakes of the caller's. Lua's own luaL_argerror() blames who called the C function, which may be
 * a line of lua/ebpf/, and calls it what that line does. Here the first function outside the library
 * is to blame, and the name is the one by which that called it. Nothing is looked at before there is
 * a mistake.
 */
#ifndef EBPF_ARGUMENT_H
#define EBPF_ARGUMENT_H

#include <lauxlib.h>
#include <lua.h>

#include <stddef.h>

#pragma GCC visibility push(hidden)

/* Raises "bad argument #1 to 'name' (wrong)". Functions that Lua code of the library calls take what
 * it was called with at the same places, so that the number is right for both. */
int argument_error(lua_State *L, int arg, const char *wrong);

/* Raises the message as luaL_error() formats it, with the caller's position and the name in front. */
int argument_raise(lua_State *L, const char *format, ...);

/* The functions of the same names in lauxlib.h, in terms of these. */
void argument_check_type(lua_State *L, int arg, int type);
const char *argument_string(lua_State *L, int arg, size_t *size);
const char *argument_optional_string(lua_State *L, int arg, const char *fallback, size_t *size);
lua_Number argument_optional_number(lua_State *L, int arg, lua_Number fallback);
int argument_option(lua_State *L, int arg, const char *fallback, const char *const options[]);
void *argument_userdata(lua_State *L, int arg, const char *class);

/* core.public, core.set_face(), core.refuse(), core.raise(), core.check_self() */
void argument_register(lua_State *L);

/* No use of Lua's own is left by accident. */
#undef luaL_argerror
#undef luaL_error
#undef luaL_checktype
#undef luaL_checklstring
#undef luaL_optlstring
#undef luaL_optnumber
#undef luaL_checkoption
#undef luaL_checkudata
#define luaL_argerror     argument_error
#define luaL_error        argument_raise
#define luaL_checktype    argument_check_type
#define luaL_checklstring argument_string
#define luaL_optlstring   argument_optional_string
#define luaL_optnumber    argument_optional_number
#define luaL_checkoption  argument_option
#define luaL_checkudata   argument_userdata

/* These have none in their place yet. */
#pragma GCC poison luaL_checkinteger luaL_optinteger luaL_checknumber luaL_checkany

#pragma GCC visibility pop

#endif
