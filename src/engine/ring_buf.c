/* SPDX-License-Identifier: MIT */
#include "ring_buf.h"

#include <errno.h>
#include <inttypes.h>

#include "sys.h"

enum { OVERWRITE = 1 << 19 }; /* BPF_F_RB_OVERWRITE, Linux 6.19 */

int ring_buf_open(struct ring *ring, int map_fd, uint32_t source, struct error *err)
{
	struct abi_map_info info = {0};
	int ret;

	*ring = (struct ring){.fd = -1, .source = source};
	ret = sys_obj_info(map_fd, &info, sizeof(info));
	if (ret < 0)
		return error_errno(err, ret, "ask for the size of the ring buffer");
	if (info.map_flags & OVERWRITE)
		return error_set(err, EOPNOTSUPP,
			"a ring buffer that overwrites its oldest records cannot be read");
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

static void unmap(struct ring *ring)
{
	size_t page = sys_page_size();

	sys_unmap(ring->buf.consumer, page);
	sys_unmap((void *)(uintptr_t)ring->buf.producer, page + 2 * ring->size);
	ring->buf.consumer = NULL;
	ring->buf.producer = NULL;
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
	ring->data = (unsigned char *)producer + page;
	return 0;
}

static int map(struct ring *ring, struct error *err)
{
	int ret = ring->data ? 0 : map_pages(ring);
	uint64_t position;

	if (ret < 0) {
		error_errno(err, ret, "map %" PRIu64 " KiB of ring buffer", ring->size / 1024);
		if (ret == -EACCES || ret == -EPERM)
			error_append(err, ": the map was opened for reading only, but who reads "
					  "samples moves a position in it");
		return -1;
	}
	position = load_position(ring->buf.consumer, 0);
	ring_resume(ring, position, load_position(ring->buf.producer, position));
	return 0;
}

static int corrupt(const struct ring *ring, struct error *err, const char *why)
{
	return error_set(err, EBADMSG,
		"ring buffer %" PRIu32 " is corrupt at position %" PRIu64 ": %s", ring->source,
		ring->tail, why);
}

/* The consumer's position is not where we left it when another reader, or another process, has read
 * meanwhile: what lies before it is no more. */
static int look(struct ring *ring, struct error *err)
{
	uint64_t consumer = load_position(ring->buf.consumer, ring->released);

	if (consumer != ring->released)
		ring->tail = ring->released = consumer;
	ring->head = load_position(ring->buf.producer, ring->tail);
	if (ring->head - ring->tail > ring->size) {
		ring->head = ring->tail;
		return corrupt(ring, err, "the producer is further ahead than the buffer is long");
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
			return corrupt(ring, err, "a record ends behind the producer");
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
		ring->tail = ring->head = ring->released = consumer;
		return;
	}
	/* Pairs with the kernel's acquire: it overwrites only what we have read. */
	__atomic_store_n(ring->buf.consumer, (unsigned long)ring->tail, __ATOMIC_RELEASE);
	ring->released = ring->tail;
}

uint64_t ring_buf_unread(const struct ring *ring)
{
	uint64_t unread = load_position(ring->buf.producer, ring->tail) - ring->tail;

	return unread <= ring->size ? unread : 0;
}

const struct ring_kind ring_buf_kind = {
	.map = map,
	.unmap = unmap,
	.look = look,
	.peek = peek,
	.release = release,
	.inherited = true,
};
