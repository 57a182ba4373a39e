/* SPDX-License-Identifier: MIT */
/* The token of a load, which stands in its table of handles (see btf_handle.h). */
#ifndef EBPF_BINDING_TOKEN_H
#define EBPF_BINDING_TOKEN_H

#include "../engine/error.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Puts the Token on top of the stack, unless that is nil, into the table at `handles`; pops it.
 * Raises when it is something else. */
void token_keep(lua_State *L, int handles);

/* Its fd, which is good until Lua code runs again; 0: there is none; -1 with EBADF: it is closed. */
int token_fd(lua_State *L, int handles, struct error *err);

#pragma GCC visibility pop

#endif
