/* SPDX-License-Identifier: MIT */
/*
 * Samples of several rings in the order of a field. Each ring is in order by itself; where it is not
 * (an interrupt took its time later and sent earlier), its samples stay as they are. They wait in
 * the rings, so nothing is copied and memory is bounded.
 */
#include "reader.h"

#include <errno.h>

#include "sys.h"

int reader_set_order(struct reader *reader, const struct reader_order *order, struct error *err)
{
	reader->order = *order;
	reader->quick = &reader_never_quick;
	return poller_add_timer(&reader->poller, err);
}

/* The field of a sample, so that unsigned comparison orders it. One too short for it comes first. */
static uint64_t key_of(
	const struct reader_order *order, const struct ring *ring, const struct ring_sample *sample)
{
	struct ring_sample field = {.start = sample->start + order->offset};
	unsigned int unused_bits = 64 - order->size * 8;
	unsigned char bytes[sizeof(uint64_t)] = {0};
	uint64_t value;

	if (sample->size < order->offset + order->size)
		return 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	ring_copy(ring, &field, bytes, order->size);
#else
	ring_copy(ring, &field, bytes + sizeof(bytes) - order->size, order->size);
#endif
	memcpy(&value, bytes, sizeof(value));
	if (order->is_signed)
		value = (uint64_t)((int64_t)(value << unused_bits) >> unused_bits) ^ INT64_MIN;
	return value;
}

/* The ring whose next sample is the least; NULL when all are empty. */
static int find_least(struct reader *reader, struct ring **least, struct ring_sample *sample,
	bool *any_empty, struct error *err)
{
	struct ring *ring, *end = reader->rings + reader->count;
	struct ring_sample other;
	int ret;

	*least = NULL;
	*any_empty = false;
	for (ring = reader->rings; ring < end; ring++) {
		ret = reader->kind->peek(ring, &other, err);
		if (ret < 0)
			return -1;
		if (ret == 0) {
			*any_empty = true;
			continue;
		}
		if (ring->keyed != other.record + 1) {
			ring->key = key_of(&reader->order, ring, &other);
			ring->keyed = other.record + 1;
		}
		if (!*least || ring->key < (*least)->key) {
			*least = ring;
			*sample = other;
		}
	}
	return 0;
}

/* Looks at the empty rings that were not looked at since `due`. 1: something was found. */
static int look_at_empty(struct reader *reader, int64_t due, int64_t now, struct error *err)
{
	struct ring *ring, *end = reader->rings + reader->count;
	struct ring_sample sample;
	int ret, found = 0;

	for (ring = reader->rings; ring < end; ring++) {
		if (ring->tail != ring->head || ring->looked_at >= due)
			continue;
		ring->looked_at = now;
		ret = reader_look_again(reader, ring, &sample, err);
		if (ret < 0)
			return -1;
		found |= ret;
	}
	return found;
}

/*
 * What was in its ring for the length of the window is next, once no ring that is empty may hide
 * something less: each of them has been looked at after that.
 */
int reader_next_in_order(
	struct reader *reader, struct ring **ring, struct ring_sample *sample, struct error *err)
{
	int64_t due, now;
	bool any_empty;
	int ret;

	do {
		if (find_least(reader, ring, sample, &any_empty, err) < 0)
			return -1;
		if (*ring && !any_empty)
			return 1;
		now = sys_now();
		due = *ring ? (*ring)->looked_at + reader->order.window : INT64_MAX;
		ret = look_at_empty(reader, due, now, err);
	} while (ret > 0);
	if (ret < 0)
		return -1;
	if (*ring && (now >= due || reader->paused))
		return 1;
	poller_set_timer(&reader->poller, *ring ? due : 0);
	return 0;
}

int reader_wake(struct reader *reader)
{
	uint32_t i;

	if (reader->order.size) {
		for (i = 0; i < reader->count; i++)
			reader->rings[i].looked_at = 0;
	}
	return poller_flush(&reader->poller);
}
