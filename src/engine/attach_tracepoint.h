/* SPDX-License-Identifier: MIT */
/* Attaches programs to the trace events that tracefs lists, through a perf event. */
#ifndef EBPF_ATTACH_TRACEPOINT_H
#define EBPF_ATTACH_TRACEPOINT_H

#include <stdint.h>

#include "attach_perf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* The number that tracefs gives to an event. */
int attach_tracepoint_find(const char *group, const char *name, uint64_t *id, struct error *err);

/* 0, with what holds the attachment; see attach_perf_tie(). Or -1. */
int attach_tracepoint(int prog_fd, const char *group, const char *name, uint64_t cookie,
	struct attach_hold *hold, struct error *err);

#pragma GCC visibility pop

#endif
