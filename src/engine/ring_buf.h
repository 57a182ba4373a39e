/* SPDX-License-Identifier: MIT */
/*
 * A BPF ring buffer (BPF_MAP_TYPE_RINGBUF) and the samples in it. Programs reserve a record, then
 * submit or discard it; a record that is still reserved is "busy", and nothing behind it is read.
 * The consumer's position is in the map: who reads it next goes on there.
 *
 * One made with BPF_F_RB_OVERWRITE (Linux 6.19) is never full: the oldest records give way, read or
 * not, also while somebody reads them. So they are copied first, and a copy counts only if its record
 * was not about to be overwritten when the copy was done.
 */
#ifndef EBPF_RING_BUF_H
#define EBPF_RING_BUF_H

#include "ring.h"

#pragma GCC visibility push(hidden)

/* The header of a record, as in include/uapi/linux/bpf.h. */
enum {
	RING_BUF_HEADER = 8, /* u32 size and flags, u32 of the kernel's own */
	RING_BUF_SIZE_MASK = 0x3fffffff,
};
#define RING_BUF_BUSY    (1U << 31)
#define RING_BUF_DISCARD (1U << 30)

extern const struct ring_kind ring_buf_kind;

/* Opens the ring buffer that is the map of that fd into `ring`, whose fd is -1 before, and calls
 * it number `source`. The fd stays the caller's. */
int ring_buf_open(struct ring *ring, int map_fd, uint32_t source, struct error *err);

/* From now on only what is there already is read. */
void ring_buf_stop(struct ring *ring);

/* How many bytes of records are unread and can still be read, by the positions in shared memory. */
uint64_t ring_buf_unread(const struct ring *ring);

/* Bytes that a record with a sample of `size` bytes takes. */
static inline uint64_t ring_buf_record_size(uint32_t size)
{
	return ((uint64_t)size + RING_BUF_HEADER + RING_ALIGN - 1) & ~(uint64_t)(RING_ALIGN - 1);
}

/* Peeks, where the next record is a sample, as nearly all are. False says nothing of the others. */
static inline bool ring_buf_peek_quickly(const struct ring *ring, struct ring_sample *sample)
{
	uint64_t tail = ring->tail, left = ring->head - tail, record_size;
	const uint32_t *header = (const void *)(ring->data + (tail & (ring->size - 1)));
	uint32_t word;

	/* Pairs with the kernel's xchg() when a record is submitted: its bytes are there. */
	word = __atomic_load_n(header, __ATOMIC_ACQUIRE);
	record_size = ring_buf_record_size(word);
	if (word > RING_BUF_SIZE_MASK || record_size > left) /* as when nothing is left */
		return false;
	sample->record = tail;
	sample->start = tail + RING_BUF_HEADER;
	sample->size = word;
	sample->record_size = (uint32_t)record_size;
	return true;
}

#pragma GCC visibility pop

#endif
