/* SPDX-License-Identifier: MIT */
/*
 * The perf buffer of one CPU, and the samples in it (include/uapi/linux/perf_event.h, "struct
 * perf_event_mmap_page"). The size of a sample is as the kernel says: with 0 to 7 bytes of padding
 * at the end.
 */
#ifndef EBPF_PERF_RING_H
#define EBPF_PERF_RING_H

#include <linux/perf_event.h>

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

/* A record of a sample: a header, a u32 that says how many bytes it has, the bytes. */
enum {
	PERF_RING_HEADER = sizeof(struct perf_event_header),
	PERF_RING_SAMPLE_AT = PERF_RING_HEADER + 4,
};

static inline uint32_t perf_ring_load_u32(const struct ring *ring, uint64_t position)
{
	uint32_t value;

	memcpy(&value, ring->data + (position & (ring->size - 1)), sizeof(value));
	return value;
}

/* Peeks, where the next record is a sample, as nearly all are. False says nothing of the others. */
static inline bool perf_ring_peek_quickly(const struct ring *ring, struct ring_sample *sample)
{
	uint64_t tail = ring->tail;
	struct perf_event_header header;
	uint32_t bytes;

	memcpy(&header, ring->data + (tail & (ring->size - 1)), sizeof(header));
	if (header.type != PERF_RECORD_SAMPLE || header.size % RING_ALIGN ||
		header.size < PERF_RING_SAMPLE_AT || header.size > ring->head - tail)
		return false; /* as when nothing is left */
	bytes = perf_ring_load_u32(ring, tail + PERF_RING_HEADER);
	if (bytes > header.size - (uint32_t)PERF_RING_SAMPLE_AT)
		return false;
	sample->record = tail;
	sample->start = tail + PERF_RING_SAMPLE_AT;
	sample->size = bytes;
	sample->record_size = header.size;
	return true;
}

#pragma GCC visibility pop

#endif
