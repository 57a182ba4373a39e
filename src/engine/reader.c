/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <string.h>

#include "sys.h"

const uint32_t reader_never_quick = 0;

int reader_open(
	struct reader *reader, const struct ring_kind *kind, struct ring *rings, struct error *err)
{
	*reader = READER_CLOSED;
	reader->kind = kind;
	reader->rings = reader->ring = rings;
	fork_guard_open(&reader->guard);
	return poller_open(&reader->poller, err);
}

int reader_add(struct reader *reader, uint32_t events, struct error *err)
{
	struct ring *ring = &reader->rings[reader->count];

	reader->count++;
	if (reader->guard.mark && !reader->overwritable)
		reader->quick = reader->guard.mark;
	if (reader->kind->map(ring, err) < 0)
		return -1;
	return poller_add(&reader->poller, ring->fd, events, err);
}

/* What is no child's is unmapped only where it was mapped: in a forked child the address may be in
 * use by something else. */
void reader_close(struct reader *reader)
{
	bool mine = fork_guard_holds(&reader->guard);
	struct ring *ring;
	uint32_t i;

	for (i = 0; i < reader->count; i++) {
		ring = &reader->rings[i];
		if (mine && ring->data)
			reader->kind->release(ring);
		if ((mine || reader->kind->inherited) && ring->data)
			reader->kind->unmap(ring);
		sys_close(ring->fd);
	}
	fork_guard_close(&reader->guard);
	sys_close(reader->map_fd);
	poller_close(&reader->poller);
	*reader = READER_CLOSED;
}

void reader_move(struct reader *to, struct reader *from, struct ring *rings)
{
	memcpy(rings, from->rings, from->count * sizeof(*rings));
	*to = *from;
	to->rings = rings;
	to->ring = rings + (from->ring - from->rings);
	*from = READER_CLOSED;
}

/* In a forked child: maps the rings there. All or none, so that a failure can be tried again. */
static int map_here(struct reader *reader, struct error *err)
{
	uint32_t i;

	for (i = 0; i < reader->count; i++) {
		if (reader->kind->map(&reader->rings[i], err) < 0) {
			while (i > 0)
				reader->kind->unmap(&reader->rings[--i]);
			return error_prefix(err, "read samples after a fork");
		}
	}
	fork_guard_renew(&reader->guard);
	return 0;
}

int reader_here(struct reader *reader, struct error *err)
{
	return fork_guard_holds(&reader->guard) ? 0 : map_here(reader, err);
}

int reader_look_again(const struct reader *reader, struct ring *ring, struct ring_sample *sample,
	struct error *err)
{
	const struct ring_kind *kind = reader->kind;
	int ret;

	do {
		kind->release(ring);
		/* The space given back must be visible before the look: whatever the producer
		 * drops for want of space, we then see. And a ring buffer wakes only a consumer
		 * whom it sees waiting for the very record that is submitted. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ret = kind->look(ring, err);
		if (ret > 0)
			ret = kind->peek(ring, sample, err);
	} while (ret == 0 && ring->tail != ring->released && !reader->overwritable);
	return ret;
}

/* Goes on with the ring after the current one, until all have been seen empty in a row. Each
 * ring is left when what was there at arrival has been read, so that a busy CPU does not keep the
 * others from being heard. *unfinished: a ring ends in a record that is still being written. */
static int next_ring(struct reader *reader, struct ring **ring, struct ring_sample *sample,
	bool *unfinished, struct error *err)
{
	uint32_t empty;
	int ret;

	*unfinished = false;
	reader->kind->release(*ring);
	for (empty = 0; empty < reader->count; empty++) {
		if (++reader->ring == reader->rings + reader->count)
			reader->ring = reader->rings;
		*ring = reader->ring;
		ret = reader_look_again(reader, *ring, sample, err);
		if (ret != 0)
			return ret;
		if ((*ring)->tail != (*ring)->head)
			*unfinished = true;
	}
	return 0;
}

/* Finds the next sample, in order where that is asked for. */
static int find(struct reader *reader, struct ring **ring, struct ring_sample *sample,
	bool *unfinished, struct error *err)
{
	int ret;

	*unfinished = false;
	if (reader->order.size)
		return reader_next_in_order(reader, ring, sample, err);
	*ring = reader->ring;
	ret = reader->kind->peek(*ring, sample, err);
	return ret ? ret : next_ring(reader, ring, sample, unfinished, err);
}

int reader_find_next(
	struct reader *reader, struct ring **ring, struct ring_sample *sample, struct error *err)
{
	bool unfinished;
	int ret;

	if (reader_here(reader, err) < 0)
		return -1;
	if (reader->overwritable && !reader->paused)
		return error_set(
			err, EBUSY, "overwritable perf reader is being written: pause it first");
	ret = find(reader, ring, sample, &unfinished, err);
	if (ret == 0 && unfinished) {
		/* To the kernel an unfinished record is something to read, so the fd would stay
		 * readable. What is submitted after this makes it so again. */
		poller_forget(&reader->poller);
		ret = find(reader, ring, sample, &unfinished, err);
	}
	if (ret == 0 && reader->poller.flushed)
		poller_take_flush(&reader->poller);
	return ret;
}

int reader_has_data(struct reader *reader, struct error *err)
{
	struct ring_sample sample;
	struct error unused;
	struct ring *ring;
	bool unfinished;

	if (reader_here(reader, err) < 0)
		return -1;
	if (reader->overwritable && !reader->paused)
		return 0;
	return find(reader, &ring, &sample, &unfinished, &unused) != 0;
}
