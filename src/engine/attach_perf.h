/* SPDX-License-Identifier: MIT */
/* Ties programs to perf events: tracepoints, probes, samples. */
#ifndef EBPF_ATTACH_PERF_H
#define EBPF_ATTACH_PERF_H

#include <stdbool.h>
#include <stdint.h>

#include "attachment.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum { ATTACH_EVENT_SIZE = 80 };

/* What an attachment holds. */
struct attach_hold {
	int fd; /* a link, or a perf event; -1: nothing */
	bool is_event; /* it is the perf event itself, as before Linux 5.15 */
	char event[ATTACH_EVENT_SIZE]; /* made in tracefs for this; "" when none was */
	/* What the kernel has no link for; then `fd` is the program. */
	struct attachment attachment;
};

/*
 * Ties the program to the perf event, by a link where the kernel has them. Takes the event over
 * whatever comes of it. Before Linux 5.15, which has no link for perf events, what holds the
 * program is the event, and a cookie other than 0 is refused. 0, or -1: the error says the reason.
 */
int attach_perf_tie(
	int event, int prog_fd, uint64_t cookie, struct attach_hold *hold, struct error *err);

/* Opens a perf event that only carries a program and so may count anywhere: on CPU 0, or the
 * first that is online. `pid` is -1 for all processes. The fd, or a negative errno. */
struct perf_event_attr;
int attach_perf_open(struct perf_event_attr *attr, int pid);

#pragma GCC visibility pop

#endif
