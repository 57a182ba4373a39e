/* SPDX-License-Identifier: MIT */
/*
 * Handles of what is there already: by its id in the kernel, or by a file descriptor that the
 * process has otherwise. For what is pinned see pin.h.
 */
#ifndef EBPF_OPEN_H
#define EBPF_OPEN_H

#include <stdint.h>

#include "../engine/abi.h"
#include "../engine/error.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

/* Room for what was attempted, as messages begin: "open map with id 7". */
enum { OPEN_WHAT = 64 };

/* Opens the object of that id into a closed handle by BPF_*_GET_FD_BY_ID, which needs
 * CAP_SYS_ADMIN. Returns -1 with an error, that begins with `what`, when there is none. */
int open_by_id(lua_State *L, struct handle *h, enum bpf_cmd cmd, uint32_t id, uint32_t open_flags,
	char what[OPEN_WHAT], struct error *err);

/*
 * Opens what the descriptor at stack index `arg` is of into a closed handle, as a descriptor of its
 * own: that at `arg` stays the caller's. Raises when it cannot be one. Returns -1 with an error that
 * begins with `what`: EBADF when it is closed, EINVAL when it is of something else.
 */
int open_by_fd(lua_State *L, int arg, struct handle *h, char what[OPEN_WHAT], struct error *err);

/* Whether that descriptor is of a `wanted`: "map", "program" or "link"; -1 with an error if not. */
int open_check_kind(int fd, const char *wanted, struct error *err);

#pragma GCC visibility pop

#endif
