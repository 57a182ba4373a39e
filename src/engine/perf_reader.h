/* SPDX-License-Identifier: MIT */
/*
 * All the perf buffers of one map, read as one: a ring for each online CPU, placed in the
 * BPF_MAP_TYPE_PERF_EVENT_ARRAY at its CPU number, where bpf_perf_event_output() finds it.
 * There is one consumer. A forked child that goes on reading maps the rings anew.
 */
#ifndef EBPF_PERF_READER_H
#define EBPF_PERF_READER_H

#include "cpu.h"
#include "fork_guard.h"
#include "perf_ring.h"
#include "poller.h"

#pragma GCC visibility push(hidden)

struct perf_reader {
	struct poller poller;
	int map_fd; /* our own: the map forgets the rings when it is closed */
	struct fork_guard guard; /* holds where the rings are mapped */
	struct perf_ring *rings; /* the caller's memory */
	uint32_t count;
	uint32_t current; /* the ring being read */
	bool overwritable;
	bool paused;
};

#define PERF_READER_CLOSED ((struct perf_reader){.poller = POLLER_CLOSED, .map_fd = -1})

/* Opens, maps and places one ring for each CPU of `cpus` into `rings`, which has room for them.
 * What was opened before a failure is the caller's to close. */
int perf_reader_open(struct perf_reader *reader, int map_fd, const struct cpu_set *cpus,
	const struct perf_ring_config *config, struct perf_ring *rings, struct error *err);

/* Harmless when closed already. */
void perf_reader_close(struct perf_reader *reader);

/* Hands all over to another struct and other memory for the rings; `from` is closed then. */
void perf_reader_move(struct perf_reader *to, struct perf_reader *from, struct perf_ring *rings);

/* Finds the next sample and the ring it is in: 1, 0 when nothing is left, -1. After a 0 the next
 * sample makes the poller's fd readable. */
int perf_reader_next(struct perf_reader *reader, struct perf_ring **ring,
	struct perf_sample *sample, struct error *err);

/* Goes past the sample that was found, once the caller has what it wants of it. */
static inline void perf_reader_advance(
	struct perf_reader *reader, struct perf_ring *ring, const struct perf_sample *sample)
{
	perf_ring_advance(ring, sample);
	if (perf_ring_owes(ring) && fork_guard_holds(&reader->guard))
		perf_ring_release(ring);
}

/* Whether there is something to read (which may be the news that a ring is corrupt). */
int perf_reader_has_data(struct perf_reader *reader, struct error *err);

int perf_reader_pause(struct perf_reader *reader, struct error *err);
int perf_reader_resume(struct perf_reader *reader, struct error *err);

#pragma GCC visibility pop

#endif
