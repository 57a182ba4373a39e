/* SPDX-License-Identifier: MIT */
/*
 * The perf buffer of one CPU, and the samples in it (include/uapi/linux/perf_event.h, "struct
 * perf_event_mmap_page"). The size of a sample is as the kernel says: with 0 to 7 bytes of padding
 * at the end.
 */
#ifndef EBPF_PERF_RING_H
#define EBPF_PERF_RING_H

#include "ring.h"

#pragma GCC visibility push(hidden)

/* How every ring of a reader is made. */
struct perf_ring_config {
	uint64_t size; /* bytes of data, a power of two of whole pages */
	uint32_t wakeup; /* a waiter is woken after so many samples, or bytes */
	bool watermark; /* wakeup counts bytes */
	bool overwritable; /* written backwards, over the oldest; read while paused */
};

/* No record is larger: its size field has 16 bits. */
enum { PERF_RING_RECORD_MAX = 65536 };

extern const struct ring_kind perf_ring_kind;

/* The smallest valid size of a buffer that holds `bytes`. */
uint64_t perf_ring_size(uint64_t bytes);

/* Opens the perf event of a CPU into `ring`, whose fd is -1 before. */
int perf_ring_open(
	struct ring *ring, uint32_t cpu, const struct perf_ring_config *config, struct error *err);

/* Stops or resumes output into the ring: 0 or a negative errno. */
int perf_ring_pause(struct ring *ring, bool pause);

/* Overwritable, and paused: makes readable what was written since the pause before. */
void perf_ring_rewind(struct ring *ring);

/* How many samples the kernel dropped because the ring was full or paused. Before Linux 6.0 only
 * those before the last sample read are known, from the records between the samples. */
uint64_t perf_ring_lost(const struct ring *ring);

#pragma GCC visibility pop

#endif
