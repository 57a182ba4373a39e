/* SPDX-License-Identifier: MIT */
#include "user_ring.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/epoll.h>

#include "sys.h"

static void unmap(struct user_ring *ring)
{
	size_t page = sys_page_size();

	sys_unmap((void *)(uintptr_t)ring->consumer, page);
	sys_unmap(ring->producer, page + 2 * ring->size);
	ring->consumer = NULL;
	ring->producer = NULL;
}

static int map(struct user_ring *ring, struct error *err)
{
	size_t page = sys_page_size();
	void *consumer = NULL, *producer = NULL;
	int ret;

	ret = sys_map_shared(ring->fd, page, false, &consumer);
	ring->consumer = consumer;
	if (ret == 0)
		ret = sys_map_shared_at(ring->fd, page, page + 2 * ring->size, true, &producer);
	ring->producer = producer;
	if (ret == 0)
		return 0;
	unmap(ring);
	error_errno(err, ret, "map %" PRIu64 " KiB of user ring buffer", ring->size / 1024);
	return ret == -EACCES || ret == -EPERM
		       ? error_append(err, ": the map was opened for reading only")
		       : -1;
}

int user_ring_open(struct user_ring *ring, int map_fd, struct error *err)
{
	struct abi_map_info info = {0};
	int ret;

	*ring = USER_RING_CLOSED;
	fork_guard_open(&ring->guard);
	ret = sys_obj_info(map_fd, &info, sizeof(info));
	if (ret < 0)
		return error_errno(err, ret, "ask for the size of the user ring buffer");
	ring->size = info.max_entries;
	ret = sys_dup(map_fd);
	if (ret < 0)
		return error_errno(err, ret, "open the map once more");
	ring->fd = ret;
	if (map(ring, err) < 0 || poller_open(&ring->poller, err) < 0)
		return -1;
	/* By edges: any free byte makes it writable, but only draining makes more room. */
	return poller_add(&ring->poller, ring->fd, EPOLLOUT | EPOLLET, err);
}

/* How far the consumer, a program, is: what lies before has been read. */
static unsigned long load_consumer(const struct user_ring *ring)
{
	return __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
}

/* Written by us alone, but perhaps by us before a fork. */
static unsigned long load_producer(const struct user_ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
}

static uint32_t *header_at(const struct user_ring *ring, uint64_t position)
{
	unsigned char *data = (unsigned char *)ring->producer + sys_page_size();

	return (void *)(data + (ring_aligned(position) & (ring->size - 1)));
}

unsigned char *user_ring_bytes(const struct user_ring *ring, uint64_t position)
{
	return (unsigned char *)header_at(ring, position) + RING_BUF_HEADER;
}

uint64_t user_ring_free(const struct user_ring *ring)
{
	unsigned long used = load_producer(ring) - load_consumer(ring);

	return used <= ring->size ? ring->size - used : 0;
}

/* Writes the header of a record, and moves the producer's position. */
static void take(struct user_ring *ring, unsigned long producer, uint32_t size)
{
	uint32_t *header = header_at(ring, producer);

	if (!fork_guard_holds(&ring->guard)) {
		fork_guard_renew(&ring->guard);
		ring->reserved = 0;
	}
	ring->reserved++;
	header[0] = size | RING_BUF_BUSY;
	header[1] = 0;
	/* Pairs with the kernel's acquire: it sees the header with the new position. */
	__atomic_store_n(ring->producer, producer + (unsigned long)ring_buf_record_size(size),
		__ATOMIC_RELEASE);
}

int user_ring_reserve(struct user_ring *ring, uint32_t size, uint64_t *position, struct error *err)
{
	uint64_t record_size = ring_buf_record_size(size);
	unsigned long producer = load_producer(ring);
	unsigned long used = producer - load_consumer(ring);

	if (size > USER_RING_SAMPLE_MAX || record_size > ring->size)
		return error_set(err, E2BIG,
			"sample of %" PRIu32 " bytes does not fit into a user ring buffer of "
			"%" PRIu64,
			size, ring->size);
	if (used > ring->size || producer % RING_ALIGN)
		return error_set(err, EBADMSG,
			"user ring buffer is corrupt: the producer is at %lu, %lu ahead of the "
			"consumer",
			producer, used);
	if (record_size > ring->size - used) {
		/* Whoever waits after this is to be woken by what is drained from now on. */
		poller_forget(&ring->poller);
		used = producer - load_consumer(ring);
	}
	if (record_size > ring->size - used)
		return error_set(err, ENOSPC,
			"user ring buffer is full: %" PRIu64 " bytes are free, %" PRIu64 " needed",
			ring->size - used, record_size);
	take(ring, producer, size);
	*position = producer;
	return 0;
}

bool user_ring_holds(const struct user_ring *ring, uint64_t position, uint32_t size)
{
	unsigned long producer = load_producer(ring);
	unsigned long ahead = producer - (unsigned long)position;

	return fork_guard_holds(&ring->guard) && ahead && ahead <= ring->size &&
	       __atomic_load_n(header_at(ring, position), __ATOMIC_RELAXED) ==
		       (size | RING_BUF_BUSY);
}

void user_ring_commit(struct user_ring *ring, uint64_t position, bool discard)
{
	uint32_t *header = header_at(ring, position);
	uint32_t word = header[0] & ~RING_BUF_BUSY;

	if (discard)
		word |= RING_BUF_DISCARD;
	/* Pairs with the kernel's acquire: the sample's bytes are there. */
	__atomic_store_n(header, word, __ATOMIC_RELEASE);
	ring->reserved--;
}

/* What this process has reserved and nobody can submit any more would stop the programs for good. */
static void discard_all(struct user_ring *ring)
{
	unsigned long end = load_producer(ring), position = load_consumer(ring);
	uint64_t record_size;
	uint32_t word;

	while (end - position && end - position <= ring->size) {
		word = *header_at(ring, position);
		if (word & RING_BUF_BUSY)
			user_ring_commit(ring, position, true);
		record_size = ring_buf_record_size(word & RING_BUF_SIZE_MASK);
		if (record_size > end - position)
			break;
		position += (unsigned long)record_size;
	}
}

void user_ring_close(struct user_ring *ring)
{
	if (ring->reserved && fork_guard_holds(&ring->guard))
		discard_all(ring);
	if (ring->producer)
		unmap(ring);
	fork_guard_close(&ring->guard);
	poller_close(&ring->poller);
	sys_close(ring->fd);
	*ring = USER_RING_CLOSED;
}

int user_ring_wait(struct user_ring *ring, int64_t deadline)
{
	return poller_wait(&ring->poller, deadline);
}
