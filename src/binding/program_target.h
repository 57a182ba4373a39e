/* SPDX-License-Identifier: MIT */
/* What a spec says about the function, tracepoint, hook or member that its program is loaded for. */
#ifndef EBPF_PROGRAM_TARGET_H
#define EBPF_PROGRAM_TARGET_H

#include "../engine/prog_load.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Raises unless the field attach_target of the spec at `spec` is a Program or nil. */
void program_target_check(lua_State *L, int spec);

/* Finds the target, where programs of that type have one, and puts it into `load`. The table at
 * `handles` keeps what is opened for it. Returns -1 with an error: ESRCH when there is none. */
int program_target_find(
	lua_State *L, int spec, int handles, struct prog_load *load, struct error *err);

#pragma GCC visibility pop

#endif
