/* SPDX-License-Identifier: MIT */
/* Attaches programs to the trace events that tracefs lists, through a perf event. */
#ifndef EBPF_ATTACH_TRACEPOINT_H
#define EBPF_ATTACH_TRACEPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/*
 * The fd of a link. Before Linux 5.15, which has no link for perf events, it is the perf event
 * itself, and `is_event` becomes true; then a cookie other than 0 is refused. Returns -1 when it
 * fails.
 */
int attach_tracepoint(int prog_fd, const char *group, const char *name, uint64_t cookie,
	bool *is_event, struct error *err);

#pragma GCC visibility pop

#endif
