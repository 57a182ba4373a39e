/* SPDX-License-Identifier: MIT */
/* A type of BTF as a plain Lua table. */
#ifndef EBPF_BTF_TYPE_TABLE_H
#define EBPF_BTF_TYPE_TABLE_H

#include "../engine/btf.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes the table that lua/ebpf/btf.lua describes as ebpf.Type. Something else than the stack
 * must hold `btf` meanwhile. */
void btf_type_table_push(lua_State *L, const struct btf *btf, uint32_t id);

#pragma GCC visibility pop

#endif
