/* SPDX-License-Identifier: MIT */
#include "ring_buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

/* What is on the producer's page: its position, that of the oldest busy record, and this. */
enum { OLDEST_AT = 2 };

int ring_buf_open(struct ring *ring, int map_fd, uint32_t source, struct error *err)
{
	struct abi_map_info info = {0};
	int ret;

	*ring = (struct ring){.fd = -1, .source = source};
	ret = sys_obj_info(map_fd, &info, sizeof(info));
	if (ret < 0)
		return error_errno(err, ret, "ask for the size of the ring buffer");
	ring->buf.overwrites = info.map_flags & BPF_F_RB_OVERWRITE;
	ring->size = info.max_entries;
	ring->span = 2 * ring->size;
	ret = sys_dup(map_fd);
	if (ret < 0)
		return error_errno(err, ret, "open the map once more");
	ring->fd = ret;
	return 0;
}

/*
 * A position in shared memory, given one that is at most a buffer's length away: on 32-bit machines
 * the kernel's wrap around at 2^32. Pairs with the kernel's release.
 */
static uint64_t load_position(const unsigned long *position, uint64_t near)
{
	unsigned long now = __atomic_load_n(position, __ATOMIC_ACQUIRE);

	return ring_aligned(near + (unsigned long)(now - (unsigned long)near));
}

static bool is_behind(uint64_t position, uint64_t other)
{
	return (int64_t)(position - other) > 0;
}

/* Behind the last record that is to be read, not before the position `near`. */
static uint64_t load_head(const struct ring *ring, uint64_t near)
{
	uint64_t head = load_position(ring->buf.producer, near);

	if (!ring->buf.stopped || !is_behind(head, ring->buf.end))
		return head;
	return is_behind(near, ring->buf.end) ? near : ring->buf.end;
}

void ring_buf_stop(struct ring *ring)
{
	ring->buf.end = load_position(ring->buf.producer, ring->tail);
	ring->buf.stopped = true;
}

/* Where the oldest record is that was not overwritten. */
static uint64_t load_oldest(const struct ring *ring, uint64_t near)
{
	return load_position(ring->buf.producer + OLDEST_AT, near);
}

/* Nothing of what was copied before counts any more. */
static void go_on_at(struct ring *ring, uint64_t position)
{
	ring->tail = ring->head = ring->buf.copied = position;
}

static void unmap(struct ring *ring)
{
	size_t page = sys_page_size();

	if (ring->buf.overwrites)
		free((void *)(uintptr_t)ring->data);
	sys_unmap(ring->buf.consumer, page);
	sys_unmap((void *)(uintptr_t)ring->buf.producer, page + 2 * ring->size);
	ring->buf.consumer = NULL;
	ring->buf.producer = NULL;
	ring->buf.shared = NULL;
	ring->data = NULL;
}

/* Maps the two positions and the data, into a ring that has none of them. */
static int map_pages(struct ring *ring)
{
	size_t page = sys_page_size();
	void *consumer, *producer;
	int ret;

	ret = sys_map_shared(ring->fd, page, true, &consumer);
	if (ret < 0)
		return ret;
	ring->buf.consumer = consumer;
	ret = sys_map_shared_at(ring->fd, page, page + 2 * ring->size, false, &producer);
	if (ret < 0) {
		unmap(ring);
		return ret;
	}
	ring->buf.producer = producer;
	ring->buf.shared = ring->data = (unsigned char *)producer + page;
	if (!ring->buf.overwrites)
		return 0;
	/* Twice the size, so that each record is in one piece. */
	ring->data = calloc(2, ring->size);
	if (ring->data)
		return 0;
	unmap(ring);
	return -ENOMEM;
}

static int map(struct ring *ring, struct error *err)
{
	bool is_new = !ring->data;
	int ret = is_new ? map_pages(ring) : 0;
	uint64_t before = ring->tail, position, oldest;

	if (ret < 0) {
		error_errno(err, ret, "map %" PRIu64 " KiB of ring buffer", ring->size / 1024);
		if (ret == -EACCES || ret == -EPERM)
			error_append(err, ": the map was opened for reading only, but who reads "
					  "samples moves a position in it");
		return -1;
	}
	position = load_position(ring->buf.consumer, 0);
	ring_resume(ring, position, load_position(ring->buf.producer, position));
	if (is_new || ring->tail != before)
		ring->buf.copied = ring->tail;
	if (!is_new || !ring->buf.overwrites)
		return 0;
	/* What was overwritten before there was a reader is no loss of it. */
	oldest = load_oldest(ring, position);
	if (is_behind(oldest, position))
		go_on_at(ring, oldest);
	return 0;
}

static int corrupt(const struct ring *ring, struct error *err, const char *why)
{
	return error_set(err, EBADMSG,
		"ring buffer %" PRIu32 " is corrupt at position %" PRIu64 ": %s", ring->source,
		ring->tail, why);
}

static const char too_far[] = "the producer is further ahead than the buffer is long";
static const char too_long[] = "a record ends behind the producer";

/*
 * Whether the record at `copied` may have been overwritten by now. The kernel moves the position of
 * the oldest record first and overwrites after: on x86 others see it in that order. Elsewhere nothing
 * but the time that a program takes to write its record keeps the two apart.
 */
static bool was_overtaken(const struct ring *ring, uint64_t *oldest)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*oldest = load_oldest(ring, ring->buf.copied);
	return is_behind(*oldest, ring->buf.copied);
}

/*
 * Copies the record at `copied`, of one that is still being written the header alone: *is_busy. Its
 * size; 0 where it makes no sense, as one that is being overwritten need not, or where there is no
 * room for it beside what is unread.
 */
static uint64_t copy_record(const struct ring *ring, uint64_t head, bool *is_busy)
{
	uint64_t position = ring->buf.copied, left = head - position, size;
	uint64_t room = ring->tail + ring->size - position;
	uint64_t at = position & (ring->size - 1);
	uint64_t bytes_at = (position + RING_BUF_HEADER) & (ring->size - 1);
	unsigned char *copy = (unsigned char *)(uintptr_t)ring->data;
	uint32_t word;

	/* Pairs with the kernel's xchg() when a record is submitted: its bytes are there. */
	word = __atomic_load_n(
		(const uint32_t *)(const void *)(ring->buf.shared + at), __ATOMIC_ACQUIRE);
	size = ring_buf_record_size(word & RING_BUF_SIZE_MASK);
	if (left > ring->size || size > left || size > room)
		return 0;
	memcpy(copy + at, &word, sizeof(word));
	*is_busy = word & RING_BUF_BUSY;
	/* After a header at the very end of the buffer its bytes are at the beginning. */
	if (!*is_busy)
		memcpy(copy + bytes_at, ring->buf.shared + bytes_at, size - RING_BUF_HEADER);
	return size;
}

/* Goes on at the oldest record that is still there; where the producer is now. */
static uint64_t skip_overwritten(struct ring *ring, uint64_t oldest)
{
	ring->buf.overwritten += oldest - ring->buf.copied;
	go_on_at(ring, oldest);
	/* Loaded after the oldest, so not before it. */
	return load_head(ring, oldest);
}

/*
 * Copies what has come since, up to a record that is still being written. The copy has no gaps: where
 * records were overwritten, those before are read first. `head` is behind what may be peeked at.
 */
static int copy_records(struct ring *ring, struct error *err)
{
	struct ring_buf *buf = &ring->buf;
	uint64_t head = load_head(ring, buf->copied), oldest, size;

	while (buf->copied != head) {
		bool is_busy = false, is_first = buf->copied == ring->tail;

		size = copy_record(ring, head, &is_busy);
		if (was_overtaken(ring, &oldest)) {
			if (!is_first)
				break;
			head = skip_overwritten(ring, oldest);
			continue;
		}
		if (!size && !is_first)
			break;
		if (!size) {
			ring->head = ring->tail;
			return corrupt(
				ring, err, head - buf->copied > ring->size ? too_far : too_long);
		}
		if (is_busy) {
			ring->head = head;
			return 1;
		}
		buf->copied += size;
	}
	ring->head = buf->copied;
	return ring->tail != ring->head;
}

/* The consumer's position is not where we left it when another reader, or another process, has read
 * meanwhile: what lies before it is no more. */
static int look(struct ring *ring, struct error *err)
{
	uint64_t consumer = load_position(ring->buf.consumer, ring->released);

	if (consumer != ring->released) {
		ring->released = consumer;
		go_on_at(ring, consumer);
	}
	if (ring->buf.overwrites)
		return copy_records(ring, err);
	ring->head = load_head(ring, ring->tail);
	if (ring->head - ring->tail > ring->size) {
		ring->head = ring->tail;
		return corrupt(ring, err, too_far);
	}
	return ring->tail != ring->head;
}

static int peek(struct ring *ring, struct ring_sample *sample, struct error *err)
{
	const uint32_t *header;
	uint64_t record_size;
	uint32_t word;

	for (; ring->tail != ring->head; ring->tail += record_size) {
		if (ring_buf_peek_quickly(ring, sample))
			return 1;
		header = (const void *)(ring->data + (ring->tail & (ring->size - 1)));
		word = __atomic_load_n(header, __ATOMIC_RELAXED);
		if (word & RING_BUF_BUSY)
			return 0;
		record_size = ring_buf_record_size(word & RING_BUF_SIZE_MASK);
		if (record_size > ring->head - ring->tail)
			return corrupt(ring, err, too_long);
		if (!(word & RING_BUF_DISCARD))
			record_size = 0; /* it has been submitted just now */
		else
			ring->buf.discarded++;
	}
	return 0;
}

static void release(struct ring *ring)
{
	uint64_t consumer;

	if (ring->released == ring->tail)
		return;
	/* Not backwards, when another has read on meanwhile: see look(). */
	consumer = load_position(ring->buf.consumer, ring->released);
	if (consumer != ring->released) {
		ring->released = consumer;
		go_on_at(ring, consumer);
		return;
	}
	/* Pairs with the kernel's acquire: it overwrites only what we have read. */
	__atomic_store_n(ring->buf.consumer, (unsigned long)ring->tail, __ATOMIC_RELEASE);
	ring->released = ring->tail;
}

uint64_t ring_buf_unread(const struct ring *ring)
{
	uint64_t copied = ring->buf.overwrites ? ring->buf.copied - ring->tail : 0;
	uint64_t from = ring->tail + copied, oldest, unread;

	if (ring->buf.overwrites) {
		oldest = load_oldest(ring, from);
		if (is_behind(oldest, from))
			from = oldest;
	}
	unread = load_position(ring->buf.producer, from) - from;
	return copied + (unread <= ring->size ? unread : 0);
}

const struct ring_kind ring_buf_kind = {
	.map = map,
	.unmap = unmap,
	.look = look,
	.peek = peek,
	.release = release,
	.inherited = true,
};
