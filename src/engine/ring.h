/* SPDX-License-Identifier: MIT */
/*
 * Memory in which the kernel leaves samples: the perf buffer of one CPU (perf_ring.c) or a BPF ring
 * buffer (ring_buf.c). The kernel writes records and moves the producer's position; we read and
 * move the consumer's. Both only grow, and are taken modulo the size. Nothing in the shared memory
 * is trusted.
 *
 * Reading has steps that the caller may stop between: look at how far the producer is, peek at
 * the next sample, take it, advance past it, release the space. Only look, peek, release and what
 * takes the bytes touch shared memory.
 */
#ifndef EBPF_RING_H
#define EBPF_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct perf_event_mmap_page;

/* What only perf buffers have. */
struct perf_ring {
	struct perf_event_mmap_page *page;
	uint64_t newest; /* overwritable: where the head was at the pause before */
	uint64_t lost; /* told by records, see perf_ring_lost() */
	bool overwritable;
	bool counts_lost; /* read(2) tells how many were lost, since Linux 6.0 */
};

/* What only BPF ring buffers have. Their positions are of the kernel's type long. */
struct ring_buf {
	unsigned long *consumer; /* the page with its position */
	const unsigned long *producer; /* the page with its position; the data follow */
	uint64_t discarded; /* records that programs reserved and gave up */
	bool stopped; /* what comes from this position on is not read */
	uint64_t end;
	/* Of one that overwrites its oldest records, which is read from a copy of our own. */
	bool overwrites;
	const unsigned char *shared; /* what the kernel writes; ring.data is the copy */
	uint64_t copied; /* up to where; from ring.tail on nothing of it is torn */
	uint64_t overwritten; /* bytes of records that were overwritten before they were copied */
};

struct ring {
	int fd; /* to wait for; -1: closed */
	uint32_t source; /* told with its samples: the number of a CPU, or of a map */
	const unsigned char *data; /* NULL: not mapped */
	uint64_t size; /* a power of two */
	uint64_t span; /* how much can be read from `data` on: ring buffers are mapped twice over */
	uint64_t head; /* where the producer was when last looked at; here peeking ends */
	uint64_t tail; /* where the next record is */
	uint64_t released; /* what the kernel was told of tail */
	int64_t looked_at; /* the time of the last look, where the order of time is asked for */
	uint64_t key; /* likewise, of the sample at tail */
	uint64_t keyed; /* one more than the position that the key is for */
	union {
		struct perf_ring perf;
		struct ring_buf buf;
	};
};

/* A sample that was peeked at. */
struct ring_sample {
	uint64_t record; /* position of its record */
	uint64_t start; /* position of its bytes */
	uint32_t size;
	uint32_t record_size;
};

/* What the two kinds of rings do in their own ways. */
struct ring_kind {
	/* Maps it into this process. Where another had it mapped, goes on where that stopped. */
	int (*map)(struct ring *ring, struct error *err);
	void (*unmap)(struct ring *ring);

	/* Looks where the producer is. 1: there are records to peek at; 0: none; -1: corrupt. */
	int (*look)(struct ring *ring, struct error *err);

	/* Finds the next sample before `head`; counts and skips other records. 1, 0 or -1 likewise.
	 * After a 0, `tail` is at `head`, or at a record that is still being written. */
	int (*peek)(struct ring *ring, struct ring_sample *sample, struct error *err);

	/* Gives the space of what was read back to the kernel. */
	void (*release)(struct ring *ring);

	bool inherited; /* a forked child has the mappings too */
};

/* Records are aligned so that no field of a header is split by the end of the buffer. */
enum { RING_ALIGN = 8 };

static inline uint64_t ring_aligned(uint64_t position)
{
	return position & ~(uint64_t)(RING_ALIGN - 1);
}

/* Where the bytes of a sample are, in one piece; NULL when they wrap around the end. */
static inline const unsigned char *ring_bytes(
	const struct ring *ring, const struct ring_sample *sample)
{
	uint64_t at = sample->start & (ring->size - 1);

	return at + sample->size <= ring->span ? ring->data + at : NULL;
}

/* Copies the first `size` bytes of a sample, which may wrap around the end of the ring. */
static inline void ring_copy(const struct ring *ring, const struct ring_sample *sample,
	unsigned char *out, uint32_t size)
{
	uint64_t at = sample->start & (ring->size - 1);
	size_t first = ring->span - at;

	if (size <= first) {
		memcpy(out, ring->data + at, size);
		return;
	}
	memcpy(out, ring->data + at, first);
	memcpy(out + first, ring->data, size - first);
}

/* Whether nobody has advanced past the sample yet. */
static inline bool ring_is_next(const struct ring *ring, const struct ring_sample *sample)
{
	return ring->tail == sample->record;
}

static inline void ring_advance(struct ring *ring, const struct ring_sample *sample)
{
	ring->tail += sample->record_size;
}

/* Whether enough has been read for the store, which the producer's CPU will feel, to be due. */
static inline bool ring_owes(const struct ring *ring)
{
	return ring->tail - ring->released >= ring->size / 8;
}

/*
 * Where to read on, given the positions found in shared memory. A forked child finds the consumer's
 * where the parent's reading left it, and `tail` as it was at the fork, perhaps further.
 */
static inline void ring_resume(struct ring *ring, uint64_t consumer, uint64_t producer)
{
	if (consumer != ring->released || ring->tail - consumer > producer - consumer)
		ring->tail = consumer;
	ring->released = consumer;
	ring->head = ring->tail;
}

#pragma GCC visibility pop

#endif
