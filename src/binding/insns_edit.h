/* SPDX-License-Identifier: MIT */
/* Methods that change instructions. */
#ifndef EBPF_INSNS_EDIT_H
#define EBPF_INSNS_EDIT_H

#include "insns.h"

#pragma GCC visibility push(hidden)

int insns_edit_insert(lua_State *L);
int insns_edit_append(lua_State *L);
int insns_edit_replace(lua_State *L);
int insns_edit_remove(lua_State *L);

#pragma GCC visibility pop

#endif
