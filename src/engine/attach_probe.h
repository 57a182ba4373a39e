/* SPDX-License-Identifier: MIT */
/* Attaches programs to instructions of the kernel (kprobes) and of executables (uprobes), and to
 * the return of functions. */
#ifndef EBPF_ATTACH_PROBE_H
#define EBPF_ATTACH_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "attach_perf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum attach_probe_mode {
	ATTACH_PROBE_ANY, /* by the perf PMU, or by tracefs where there is none (before Linux 4.17) */
	ATTACH_PROBE_PERF,
	ATTACH_PROBE_TRACEFS,
};

struct attach_probe {
	enum attach_probe_mode mode;
	bool is_user;
	bool is_return;
	bool needs_cookie; /* also a cookie of 0 must be told */
	const char *
		target; /* path of the file; or function of the kernel, NULL: `offset` is an address */
	uint64_t offset; /* in the file; or from the function */
	uint64_t ref_ctr_offset; /* of a counter in the file that turns a tracepoint on; or 0 */
	uint64_t cookie;
	uint32_t maxactive; /* how many calls of the function may be under way; 0: the kernel's */
	int pid; /* of which process; -1: of all */
};

/* 0, with what holds the attachment; see attach_perf_tie(). Or -1. */
int attach_probe(
	int prog_fd, const struct attach_probe *probe, struct attach_hold *hold, struct error *err);

/* Removes what was made in tracefs for an attachment whose fd is closed; `event` is from its
 * struct attach_hold. */
void attach_probe_remove(const char *event);

#pragma GCC visibility pop

#endif
