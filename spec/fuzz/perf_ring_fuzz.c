/* SPDX-License-Identifier: MIT */
/*
 * Reads perf buffers that are no kernel's: first well-formed ones, which must give exactly the
 * samples put in, then damaged and random ones, which must give an error or an end, in bounded
 * time and within their memory. Run under AddressSanitizer.
 *
 *   perf_ring_fuzz [rounds [seed]]
 */
#include "../../src/engine/perf_ring.h"
#include "fuzz.h"

#include <linux/perf_event.h>

enum { RING = 4096, RECORDS = 64 };

struct expected {
	uint32_t size;
	unsigned char fill;
};

/* Memory of exactly the buffer's size, so that a step beyond it is seen. */
static void ring_new(struct ring *ring, bool overwritable)
{
	memset(ring, 0, sizeof(*ring));
	ring->fd = -1;
	ring->size = ring->span = RING;
	ring->perf.overwritable = overwritable;
	ring->perf.page = calloc(1, sizeof(*ring->perf.page));
	ring->data = malloc(RING);
}

static void ring_free(struct ring *ring)
{
	free(ring->perf.page);
	free((void *)(uintptr_t)ring->data);
}

static void put(const struct ring *ring, uint64_t at, const void *bytes, size_t size)
{
	unsigned char *data = (unsigned char *)(uintptr_t)ring->data;
	const unsigned char *from = bytes;
	size_t i;

	for (i = 0; i < size; i++)
		data[(at + i) % RING] = from[i];
}

/* Writes a record of type and payload size at `at`; returns its size. */
static uint16_t put_record(
	const struct ring *ring, uint64_t at, uint32_t type, uint32_t size, unsigned char fill)
{
	struct perf_event_header header = {.type = type};
	unsigned char payload[RING];

	memset(payload, fill, sizeof(payload));
	header.size = (uint16_t)((sizeof(header) + 4 + size + 7) / 8 * 8);
	put(ring, at, &header, sizeof(header));
	put(ring, at + sizeof(header), payload, header.size - sizeof(header));
	if (type == PERF_RECORD_SAMPLE)
		put(ring, at + sizeof(header), &size, sizeof(size));
	return header.size;
}

/* Fills the ring from a random position on; returns the number of samples. */
static int fill_ring(struct ring *ring, struct expected *expected, uint64_t *lost)
{
	uint64_t head = random_number() % 4 ? (random_number() & ~(uint64_t)7) : -(uint64_t)2048;
	uint64_t first = head;
	uint64_t count;
	int n = 0, i;

	ring->tail = ring->head = ring->released = head;
	*lost = 0;
	for (i = 0; i < RECORDS; i++) {
		uint32_t size = below(700);
		uint32_t kind = below(8);

		if (head - first + size + 32 > RING)
			break;
		if (kind == 0) {
			head += put_record(ring, head, PERF_RECORD_THROTTLE, size, 1);
		} else if (kind == 1) {
			count = below(1000);
			put_record(ring, head, PERF_RECORD_LOST, 12, 0);
			put(ring, head + 16, &count, sizeof(count));
			head += 24;
			*lost += count;
		} else {
			expected[n].size = size;
			expected[n].fill = (unsigned char)random_number();
			head += put_record(ring, head, PERF_RECORD_SAMPLE, size, expected[n].fill);
			n++;
		}
	}
	ring->perf.page->data_tail = first;
	ring->perf.page->data_head = head;
	return n;
}

static void check_valid(void)
{
	unsigned char *out = malloc(PERF_RING_RECORD_MAX);
	struct expected expected[RECORDS];
	struct ring_sample sample;
	struct ring ring;
	struct error err;
	uint64_t lost;
	uint32_t k;
	int i, n;

	ring_new(&ring, false);
	n = fill_ring(&ring, expected, &lost);
	if (perf_ring_kind.look(&ring, &err) < 0)
		fail(err.text);
	for (i = 0; perf_ring_kind.peek(&ring, &sample, &err) > 0; i++) {
		if (i >= n || sample.size != expected[i].size || !ring_is_next(&ring, &sample))
			fail("not the sample that was put in");
		ring_copy(&ring, &sample, out, sample.size);
		for (k = 0; k < sample.size; k++) {
			if (out[k] != expected[i].fill)
				fail("not the bytes that were put in");
		}
		ring_advance(&ring, &sample);
		if (ring_owes(&ring))
			perf_ring_kind.release(&ring);
	}
	perf_ring_kind.release(&ring);
	if (i != n || ring.perf.lost != lost || ring.tail != ring.perf.page->data_head ||
		ring.perf.page->data_tail != ring.perf.page->data_head ||
		perf_ring_kind.look(&ring, &err) != 0)
		fail("not all that was put in");
	ring_free(&ring);
	free(out);
}

/* Reads whatever is there; counts the steps. */
static void read_all(struct ring *ring, unsigned char *out)
{
	struct ring_sample sample;
	struct error err = {0};
	int ret, steps = 0;

	ret = perf_ring_kind.look(ring, &err);
	while (ret > 0 && (ret = perf_ring_kind.peek(ring, &sample, &err)) > 0) {
		ring_copy(ring, &sample, out, sample.size);
		ring_advance(ring, &sample);
		if (ring_owes(ring))
			perf_ring_kind.release(ring);
		if (++steps > RING / 8)
			fail("reading does not end");
	}
	if (ret < 0 && (!err.code || !strstr(err.text, "is corrupt")))
		fail("an error without words");
	perf_ring_kind.release(ring);
}

static void check_damaged(void)
{
	unsigned char *out = malloc(PERF_RING_RECORD_MAX);
	struct expected expected[RECORDS];
	struct ring ring;
	uint64_t lost, noise;
	uint32_t i;

	ring_new(&ring, below(4) == 0);
	fill_ring(&ring, expected, &lost);
	for (i = below(20); i > 0; i--) {
		noise = random_number();
		put(&ring, below(RING), &noise, 1 + below(8));
	}
	if (below(3) == 0)
		ring.perf.page->data_head = random_number();
	if (below(8) == 0)
		ring.perf.page->data_head += below(64) * 8;
	if (ring.perf.overwritable) {
		ring.perf.newest = ring.perf.page->data_head + below(2 * RING);
		perf_ring_rewind(&ring);
	}
	read_all(&ring, out);
	ring_free(&ring);
	free(out);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 100000;

	if (argc > 2)
		random_state = strtoull(argv[2], NULL, 0) | 1;
	while (rounds-- > 0) {
		check_valid();
		check_damaged();
	}
	return 0;
}
