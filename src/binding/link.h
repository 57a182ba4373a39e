/* SPDX-License-Identifier: MIT */
/*
 * A link as userdata. The user value is a table of strings: "name", of what the program is
 * attached to, and "pinned", the path of the pin.
 */
#ifndef EBPF_LINK_H
#define EBPF_LINK_H

#include "handle.h"

#pragma GCC visibility push(hidden)

struct link {
	struct handle handle;
	const char *kind; /* "raw_tracepoint"; never NULL */
	bool is_event; /* the fd is a perf event that runs the program, of before Linux 5.15 */
};

/* Pushes a new, closed link. */
struct link *link_push(lua_State *L, const char *kind);

/* Pops the name of what the link at `index` is attached to, a string or nil. */
void link_set_name(lua_State *L, int index);

/* Adds the functions that attach programs to the table on top of the stack. */
void link_register_attach(lua_State *L);

#pragma GCC visibility pop

#endif
