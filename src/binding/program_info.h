/* SPDX-License-Identifier: MIT */
/* What the kernel tells of a program, as a userdata, so that it is freed whatever throws. */
#ifndef EBPF_PROGRAM_INFO_H
#define EBPF_PROGRAM_INFO_H

#include "../engine/prog_info.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes what the program at 1 tells; or pushes nil, message, errno, and returns NULL. */
struct prog_info *program_info_push(lua_State *L, uint32_t want);

/* Sets the field "name" of the table on top to the whole name of the program at 1, of which the
 * kernel keeps but the beginning, `cut`, where its BTF may be opened and tells. */
void program_info_complete_name(lua_State *L, const char *cut);

#pragma GCC visibility pop

#endif
