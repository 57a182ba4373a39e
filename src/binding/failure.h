/* SPDX-License-Identifier: MIT */
/* How the world's "no" reaches Lua: nil, message, errno. */
#ifndef EBPF_FAILURE_H
#define EBPF_FAILURE_H

#include "../engine/error.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes nil, the text, and the errno (nil when it is 0); returns 3. */
int failure_push(lua_State *L, const struct error *err);

/* The same for an errno of either sign: "<formatted>: <meaning> (<name>)". */
int failure_errno(lua_State *L, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The table ebpf.errno: numbers by name. */
void failure_push_errnos(lua_State *L);

#pragma GCC visibility pop

#endif
