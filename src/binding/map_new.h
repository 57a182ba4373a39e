/* SPDX-License-Identifier: MIT */
/* Where maps come from: a spec, a pin, an id, another map. */
#ifndef EBPF_MAP_NEW_H
#define EBPF_MAP_NEW_H

#include "../engine/abi.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Adds the constructors to the core module, whose table is on top of the stack. */
void map_new_register(lua_State *L);

/* m:clone() */
int map_clone(lua_State *L);

/* Whether a type keeps its values with sockets, inodes, tasks or control groups. */
bool map_is_storage(uint32_t type);

/* Whether the kernel could create, but not free the map. */
bool map_is_unfreeable(const struct abi_map_create *attr);

/* Pushes nil, message, errno for a map that the kernel did not create. */
int map_create_failure(lua_State *L, const struct abi_map_create *attr, int code, const char *name);

#pragma GCC visibility pop

#endif
