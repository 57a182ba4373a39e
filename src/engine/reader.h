/* SPDX-License-Identifier: MIT */
/*
 * Rings read as one, with one epoll fd over them. There is one consumer. A forked child may go on
 * reading in place of its parent. perf_reader.c and ring_reader.c open the two kinds.
 */
#ifndef EBPF_READER_H
#define EBPF_READER_H

#include "fork_guard.h"
#include "perf_ring.h"
#include "poller.h"
#include "ring_buf.h"

#pragma GCC visibility push(hidden)

/*
 * Merges the samples of several rings by an integer field, as a time: the least is next. While a
 * ring is empty a lesser one may be on its way in there, so samples are held back for a while.
 */
struct reader_order {
	uint32_t offset; /* of the field */
	uint32_t size; /* 1, 2, 4 or 8 bytes; 0: no order is asked for */
	bool is_signed;
	int64_t window; /* how long to hold back, in nanoseconds */
};

struct reader {
	const struct ring_kind *kind;
	/* 1 where a sample at hand may be read without further ado: the mark of the guard, else 0. */
	const volatile uint32_t *quick;
	struct poller poller;
	struct fork_guard guard; /* holds where the rings are mapped */
	struct ring *rings; /* the caller's memory */
	uint32_t count;
	struct ring *ring; /* the one being read */
	int map_fd; /* perf: our own: the map forgets the rings when it is closed */
	bool overwritable;
	bool paused;
	struct reader_order order;
};

extern const uint32_t reader_never_quick;

#define READER_CLOSED                                                                              \
	((struct reader){.quick = &reader_never_quick, .poller = POLLER_CLOSED, .map_fd = -1})

/* Makes a reader that has no rings yet, for `rings` to hold. */
int reader_open(
	struct reader *reader, const struct ring_kind *kind, struct ring *rings, struct error *err);

/* Maps the ring behind the last one, which has been opened there, and waits for it too. */
int reader_add(struct reader *reader, uint32_t events, struct error *err);

/* Asks for an order, of a reader that has been opened. */
int reader_set_order(struct reader *reader, const struct reader_order *order, struct error *err);

/* reader_order.c: as reader_find_next(), in order. */
int reader_next_in_order(
	struct reader *reader, struct ring **ring, struct ring_sample *sample, struct error *err);

/* Looks at a ring for the last time before somebody may sleep: 1, 0 or -1, as peeking. */
int reader_look_again(const struct reader *reader, struct ring *ring, struct ring_sample *sample,
	struct error *err);

/* Wakes who waits; what is held back for the order of time may be read at once. */
int reader_wake(struct reader *reader);

/* Harmless when closed already. */
void reader_close(struct reader *reader);

/* Hands all over to another struct and other memory for the rings; `from` is closed then. */
void reader_move(struct reader *to, struct reader *from, struct ring *rings);

/* Makes sure that the rings are mapped in this process. */
int reader_here(struct reader *reader, struct error *err);

int reader_find_next(
	struct reader *reader, struct ring **ring, struct ring_sample *sample, struct error *err);

/* Finds the next sample and the ring it is in: 1, 0 when nothing is left, -1. After a 0 the next
 * sample makes the poller's fd readable. */
static inline int reader_next(
	struct reader *reader, struct ring **ring, struct ring_sample *sample, struct error *err)
{
	struct ring *current = reader->ring;

	if (*reader->quick &&
		(reader->kind == &ring_buf_kind ? ring_buf_peek_quickly(current, sample)
						: perf_ring_peek_quickly(current, sample))) {
		*ring = current;
		return 1;
	}
	return reader_find_next(reader, ring, sample, err);
}

/* Gives the space of what was read in a ring back to the kernel, if that is due. */
static inline void reader_settle(struct reader *reader, struct ring *ring)
{
	if (ring_owes(ring) && fork_guard_holds(&reader->guard))
		reader->kind->release(ring);
}

/* Whether there is something to read (which may be the news that a ring is corrupt). */
int reader_has_data(struct reader *reader, struct error *err);

#pragma GCC visibility pop

#endif
