/* SPDX-License-Identifier: MIT */
/* What each room of the binding adds to the core module, whose table is on top of the stack.
 * The classes are the rooms' own; others use them through handle_check(). */
#ifndef EBPF_ROOMS_H
#define EBPF_ROOMS_H

#include "handle.h"

#pragma GCC visibility push(hidden)

extern const struct handle_class map_class;
extern const struct handle_class program_class;
extern const struct handle_class link_class;
extern const struct handle_class perf_class;
extern const struct handle_class exe_class;
extern const struct handle_class ring_class;
extern const struct handle_class user_ring_class;
extern const struct handle_class token_class;

void host_register(lua_State *L);
void map_register(lua_State *L);
void program_register(lua_State *L);
void link_register(lua_State *L);
void insns_register(lua_State *L);
void object_spec_register(lua_State *L);
void struct_ops_register(lua_State *L);
void type_register(lua_State *L);
void memory_register(lua_State *L);
void variable_register(lua_State *L);
void perf_register(lua_State *L);
void exe_register(lua_State *L);
void ring_register(lua_State *L);
void user_ring_register(lua_State *L);
void ksyms_register(lua_State *L);
void btf_register(lua_State *L);
void btf_handle_register(lua_State *L);
void relocate_register(lua_State *L);
void extern_set_register(lua_State *L);
void features_register(lua_State *L);
void system_register(lua_State *L);
void token_register(lua_State *L);

/* Wraps an fd that is already open; used to give back the maps of a map of maps and the like.
 * Opens the map or program of that id into a new userdata: pushes it, or nil, message, errno. */
int map_push_by_id(lua_State *L, uint32_t id);
int program_push_by_id(lua_State *L, uint32_t id);

#pragma GCC visibility pop

#endif
