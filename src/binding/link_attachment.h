/* SPDX-License-Identifier: MIT */
/*
 * Links of what the kernel has no link for. Such a Link holds the program; it cannot be pinned, and
 * detaches by detach() and close() in the process that made it, not when it is collected.
 */
#ifndef EBPF_LINK_ATTACHMENT_H
#define EBPF_LINK_ATTACHMENT_H

#include "link.h"
#include "program.h"

#pragma GCC visibility push(hidden)

/* What a kind's open() does first: `hold` gets an fd of the program. 0 or -1. */
int link_attachment_hold(int prog_fd, struct attach_hold *hold, struct error *err);

/* What it returns in the end: lets go of that fd where `ret` says that it failed. */
int link_attachment_done(int ret, struct attach_hold *hold);

/* Only the reason. */
int link_attachment_update(
	lua_State *L, struct link *link, const struct program *program, struct error *err);
int link_attachment_detach(const struct link *link, struct error *err);

/* Detaches for close(): what is not there any more, or another process's, is no failure. */
int link_attachment_end(const struct link *link, struct error *err);

/* Pushes what info() answers. */
void link_attachment_push_info(lua_State *L, const struct link *link);

#pragma GCC visibility pop

#endif
