/* SPDX-License-Identifier: MIT */
/*
 * The symbols of the kernel that programs loaded together ask for: a userdata in the table of
 * handles that lasts as long as the load (see btf_handle.h), since it owns fds.
 */
#ifndef EBPF_EXTERN_SET_H
#define EBPF_EXTERN_SET_H

#include "../engine/externs.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Gives the list's instructions the symbols that they refer to. `fds` is what the kernel is to be
 * told with the program; NULL: nothing. Good for as long as the table. */
int extern_set_link(
	lua_State *L, int handles, struct insns *list, const int **fds, struct error *err);

/* Closes what the table at `handles` has of it. */
void extern_set_close(lua_State *L, int handles);

#pragma GCC visibility pop

#endif
