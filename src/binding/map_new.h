/* SPDX-License-Identifier: MIT */
/* Where maps come from: a spec, a pin, an id, another map. */
#ifndef EBPF_MAP_NEW_H
#define EBPF_MAP_NEW_H

#include "compat.h"

#pragma GCC visibility push(hidden)

/* Adds the constructors to the core module, whose table is on top of the stack. */
void map_new_register(lua_State *L);

/* m:clone() */
int map_clone(lua_State *L);

#pragma GCC visibility pop

#endif
