/* SPDX-License-Identifier: MIT */
/*
 * A link as userdata. The user value is a table of strings: "name", of what the program is
 * attached to, and "pinned", the path of the pin.
 */
#ifndef EBPF_LINK_H
#define EBPF_LINK_H

#include "../engine/attach_perf.h"
#include "../engine/error.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

/* A program is attached several times for one link where it runs on each CPU, or at each place
 * that a probe is found at. The first fd is the handle's. */
struct link_part {
	int fd;
	char event[ATTACH_EVENT_SIZE]; /* of struct attach_hold */
};

struct link {
	struct handle handle;
	const char *kind; /* "raw_tracepoint"; never NULL */
	bool is_event; /* the fds are perf events that run the program, as before Linux 5.15 */
	struct link_part *parts; /* NULL: the handle's fd is all there is */
	uint32_t part_count;
	int process; /* which made `parts`: a forked one leaves what is in tracefs alone */
	/* What the kernel has no link for: the handle is that of the program. */
	struct attachment attachment;
};

/* Pushes a new, closed link. */
struct link *link_push(lua_State *L, const char *kind);

/* Makes room for what a closed link is to hold. */
int link_reserve(struct link *link, uint32_t parts, struct error *err);

/* Puts what holds an attachment into its place; the first in place 0. */
void link_hold(struct link *link, uint32_t part, const struct attach_hold *hold);

/* Gives up what the link holds; it is closed then. */
void link_release(struct link *link);

/* Pops the name of what the link at `index` is attached to, a string or nil. */
void link_set_name(lua_State *L, int index);

/* Pushes what link:info() answers; -1 with the reason alone. See link_info.c. */
int link_push_info(lua_State *L, int fd, struct error *err);

#pragma GCC visibility pop

#endif
