/* SPDX-License-Identifier: MIT */
/*
 * The perf buffer of one CPU, and the samples in it. The kernel writes records and moves
 * data_head; we read and move data_tail (include/uapi/linux/perf_event.h, "struct
 * perf_event_mmap_page"). Nothing in the shared memory is trusted.
 *
 * Reading has steps that the caller may stop between: look at how far the producer is, peek at
 * the next sample, copy it, advance past it, release the space. Only look, peek, copy and release
 * touch shared memory, so that the mapping may go away while the caller is busy with a copy.
 */
#ifndef EBPF_PERF_RING_H
#define EBPF_PERF_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct perf_event_mmap_page;

/* How every ring of a reader is made. */
struct perf_ring_config {
	uint64_t size; /* bytes of data, a power of two of whole pages */
	uint32_t wakeup; /* a waiter is woken after so many samples, or bytes */
	bool watermark; /* wakeup counts bytes */
	bool overwritable; /* written backwards, over the oldest; read while paused */
};

struct perf_ring {
	int fd; /* of the perf event; -1: closed */
	uint32_t cpu;
	struct perf_event_mmap_page *page; /* NULL: not mapped */
	const unsigned char *data;
	uint64_t size;
	uint64_t head; /* where the producer was when last looked at; here peeking ends */
	uint64_t tail; /* where the next record is */
	uint64_t released; /* what the kernel was told of tail */
	uint64_t newest; /* overwritable: where the head was at the pause before */
	uint64_t lost; /* told by records, see perf_ring_lost() */
	bool overwritable;
	bool counts_lost; /* read(2) tells how many were lost, since Linux 6.0 */
};

/* A sample that perf_ring_peek() found. */
struct perf_sample {
	uint64_t record; /* position of its record */
	uint64_t start; /* position of its bytes */
	uint32_t size; /* as the kernel says: with 0 to 7 bytes of padding at the end */
	uint32_t record_size;
};

/* No record is larger: its size field has 16 bits. */
enum { PERF_RING_RECORD_MAX = 65536 };

/* The smallest valid size of a buffer that holds `bytes`. */
uint64_t perf_ring_size(uint64_t bytes);

/* Opens the perf event of a CPU into `ring`, whose fd is -1 before. */
int perf_ring_open(struct perf_ring *ring, uint32_t cpu, const struct perf_ring_config *config,
	struct error *err);

/* Maps it into this process. Where another process had it mapped, goes on where that stopped. */
int perf_ring_map(struct perf_ring *ring, struct error *err);
void perf_ring_unmap(struct perf_ring *ring);

/* Looks where the producer is. 1: there are records to peek at; 0: none; -1: the ring is corrupt. */
int perf_ring_look(struct perf_ring *ring, struct error *err);

/* Finds the next sample before `head`; counts and skips other records. 1, 0 or -1 likewise. */
int perf_ring_peek(struct perf_ring *ring, struct perf_sample *sample, struct error *err);

/* Copies the sample's bytes, which may wrap around the end of the ring. */
void perf_ring_copy(
	const struct perf_ring *ring, const struct perf_sample *sample, unsigned char *out);

/* Whether nobody has advanced past the sample yet. */
static inline bool perf_ring_is_next(const struct perf_ring *ring, const struct perf_sample *sample)
{
	return ring->tail == sample->record;
}

static inline void perf_ring_advance(struct perf_ring *ring, const struct perf_sample *sample)
{
	ring->tail += sample->record_size;
}

/* Gives the space of what was read back to the kernel. */
void perf_ring_release(struct perf_ring *ring);

/* Whether enough has been read for the store, which the producer's CPU will feel, to be due. */
static inline bool perf_ring_owes(const struct perf_ring *ring)
{
	return ring->tail - ring->released >= ring->size / 8;
}

/* Stops or resumes output into the ring: 0 or a negative errno. */
int perf_ring_pause(struct perf_ring *ring, bool pause);

/* Overwritable, and paused: makes readable what was written since the pause before. */
void perf_ring_rewind(struct perf_ring *ring);

/* How many samples the kernel dropped because the ring was full or paused. Before Linux 6.0 only
 * those before the last sample read are known, from the records between the samples. */
uint64_t perf_ring_lost(const struct perf_ring *ring);

#pragma GCC visibility pop

#endif
