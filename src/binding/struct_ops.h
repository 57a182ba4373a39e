/* SPDX-License-Identifier: MIT */
/* Maps of type struct_ops: their types are the kernel's, and so is what their value looks like. */
#ifndef EBPF_BINDING_STRUCT_OPS_H
#define EBPF_BINDING_STRUCT_OPS_H

#include "../engine/abi.h"
#include "../engine/error.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/*
 * Completes `attr` for the struct that the field `struct` of the spec at `spec` names, and pushes a
 * table of options with the type of the value. The table at `handles` keeps what is opened.
 * Returns -1 with an error, and nothing pushed, when the kernel has no such struct: ESRCH.
 */
int struct_ops_describe(
	lua_State *L, int spec, int handles, struct abi_map_create *attr, struct error *err);

#pragma GCC visibility pop

#endif
