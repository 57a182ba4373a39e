/* SPDX-License-Identifier: MIT */
/*
 * The producer's end of a user ring buffer (BPF_MAP_TYPE_USER_RINGBUF, Linux 6.1), which programs
 * drain by bpf_user_ringbuf_drain(). There is one producer. A record is reserved, written, and then
 * submitted or discarded; nothing behind a reserved one is drained.
 */
#ifndef EBPF_USER_RING_H
#define EBPF_USER_RING_H

#include "fork_guard.h"
#include "poller.h"
#include "ring_buf.h"

#pragma GCC visibility push(hidden)

struct user_ring {
	struct poller poller;
	struct fork_guard guard; /* holds in the process that produces */
	int fd; /* of the map, our own; -1: closed */
	uint64_t size; /* a power of two */
	const unsigned long *consumer; /* the page with its position; NULL: not mapped */
	uint32_t reserved; /* records that were neither submitted nor discarded */
	unsigned long *producer; /* the page with its position; the data follow, twice */
};

#define USER_RING_CLOSED ((struct user_ring){.poller = POLLER_CLOSED, .fd = -1})

/* Programs refuse larger samples (DYNPTR_MAX_SIZE). */
enum { USER_RING_SAMPLE_MAX = (1 << 24) - 1 };

/* Opens the map of that fd, which stays the caller's. What was opened before a failure is the
 * caller's to close. */
int user_ring_open(struct user_ring *ring, int map_fd, struct error *err);

/* Discards what is still reserved. Harmless when closed already. */
void user_ring_close(struct user_ring *ring);

/* Reserves a record for `size` bytes: *position is what the other functions know it by. Fails with
 * ENOSPC when there is no room now, and with E2BIG when there never is. */
int user_ring_reserve(struct user_ring *ring, uint32_t size, uint64_t *position, struct error *err);

/* Where the bytes of a reserved record are. */
unsigned char *user_ring_bytes(const struct user_ring *ring, uint64_t position);

/* Whether the record of `size` bytes at `position` is still reserved: another process may have
 * taken the ring over. */
bool user_ring_holds(const struct user_ring *ring, uint64_t position, uint32_t size);

/* Ends the reservation. */
void user_ring_commit(struct user_ring *ring, uint64_t position, bool discard);

/* How many bytes are free: a sample takes its own, rounded up to 8, and 8 more. */
uint64_t user_ring_free(const struct user_ring *ring);

/* Waits for the next time that programs drain. Returns as poller_wait() does. */
int user_ring_wait(struct user_ring *ring, int64_t deadline);

#pragma GCC visibility pop

#endif
