/* SPDX-License-Identifier: MIT */
/*
 * CO-RE relocations of programs that are being loaded: gets the BTF of the kernel, or what the
 * caller gave in its place, once a program has any.
 */
#ifndef EBPF_RELOCATE_H
#define EBPF_RELOCATE_H

#include "../engine/core_relo.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Raises unless the field `kernel_btf` of the table at `options` is BTF, a string, or nil. */
void relocate_check_options(lua_State *L, int options);

/*
 * Applies the relocations of `list`, which something else must hold. `options` is the table just
 * checked, or nil. The table at `handles` keeps the target for the other programs of a load, as an
 * object with a method close(). Returns -1 with an error when a relocation is malformed or
 * ambiguous, or there is no BTF to go by.
 */
int relocate(lua_State *L, int options, int handles, struct insns *list, struct error *err);

/* Pushes the running kernel as a target, which the table at `handles` keeps, too; NULL with an error,
 * and something pushed, when its BTF cannot be had. */
struct core_target *relocate_push_kernel(lua_State *L, int handles, struct error *err);

#pragma GCC visibility pop

#endif
