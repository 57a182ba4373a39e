/* SPDX-License-Identifier: MIT */
/* Runs programs each time a counter of the hardware or the kernel has counted so far. */
#ifndef EBPF_ATTACH_PERF_EVENT_H
#define EBPF_ATTACH_PERF_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "attach_perf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

struct attach_perf_event {
	uint32_t type; /* PERF_TYPE_*, or the number of a PMU */
	uint64_t config, config1, config2;
	uint64_t address; /* of a breakpoint */
	uint32_t length;
	uint32_t access; /* HW_BREAKPOINT_* */
	bool is_frequency; /* `every` is times a second, not how much to count */
	uint64_t every;
	uint32_t precise; /* 0 to 3: how close to the event the program must run */
	bool exclude_kernel, exclude_user, exclude_idle, inherit;
	int pid; /* -1: all */
	int cpu; /* -1: any, for a process */
	uint64_t cookie;
};

/* Fills `type` and `config` by what perf(1) calls the event: "cpu-clock", "cycles",
 * "L1-dcache-load-misses". False: it is none of them. */
bool attach_perf_event_find(const char *name, struct attach_perf_event *event);

/* The number of a PMU by its name in sysfs, or that of "hardware", "software", "tracepoint",
 * "hw-cache", "raw" and "breakpoint"; or -1. */
int attach_perf_event_pmu(const char *name, uint32_t *type, struct error *err);

/* 0, with what holds the attachment; see attach_perf_tie(). Or -1. */
int attach_perf_event(int prog_fd, const struct attach_perf_event *event, struct attach_hold *hold,
	struct error *err);

#pragma GCC visibility pop

#endif
