/* SPDX-License-Identifier: MIT */
/*
 * The reader of all the perf buffers of one map: a ring for each online CPU, placed in the
 * BPF_MAP_TYPE_PERF_EVENT_ARRAY at its CPU number, where bpf_perf_event_output() finds it.
 */
#ifndef EBPF_PERF_READER_H
#define EBPF_PERF_READER_H

#include "cpu.h"
#include "perf_ring.h"
#include "reader.h"

#pragma GCC visibility push(hidden)

/* Opens, maps and places one ring for each CPU of `cpus` into `rings`, which has room for them.
 * What was opened before a failure is the caller's to close. */
int perf_reader_open(struct reader *reader, int map_fd, const struct cpu_set *cpus,
	const struct perf_ring_config *config, struct ring *rings, struct error *err);

int perf_reader_pause(struct reader *reader, struct error *err);
int perf_reader_resume(struct reader *reader, struct error *err);

#pragma GCC visibility pop

#endif
