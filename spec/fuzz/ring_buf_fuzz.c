/* SPDX-License-Identifier: MIT */
/*
 * Reads ring buffers that are no kernel's: first well-formed ones, which must give exactly the
 * samples put in, then damaged and random ones, which must give an error or an end, in bounded
 * time and within their memory. Half of them overwrite their oldest records; one is written by
 * another thread, as fast as it can, while it is read. Run under AddressSanitizer.
 *
 *   ring_buf_fuzz [rounds [seed]]
 */
#include <pthread.h>

#include "../../src/engine/ring_buf.h"
#include "fuzz.h"

enum { RING = 4096, RECORDS = 64, WRITTEN = 200000 };

/* Where the kernel has the positions on the producer's page. */
enum { PRODUCER, PENDING, OLDEST, POSITIONS };

struct expected {
	uint32_t size;
	unsigned char fill;
};

/* Memory of exactly the buffer's size, twice, so that a step beyond it is seen. */
static void ring_new(struct ring *ring, bool overwrites)
{
	memset(ring, 0, sizeof(*ring));
	ring->fd = -1;
	ring->source = 1;
	ring->size = RING;
	ring->span = 2 * RING;
	ring->buf.consumer = calloc(1, sizeof(*ring->buf.consumer));
	ring->buf.producer = calloc(POSITIONS, sizeof(*ring->buf.producer));
	ring->buf.shared = malloc(2 * RING);
	ring->buf.overwrites = overwrites;
	ring->data = overwrites ? calloc(2, RING) : ring->buf.shared;
}

static void ring_free(struct ring *ring)
{
	free(ring->buf.consumer);
	free((void *)(uintptr_t)ring->buf.producer);
	if (ring->buf.overwrites)
		free((void *)(uintptr_t)ring->data);
	free((void *)(uintptr_t)ring->buf.shared);
}

static unsigned long *position(const struct ring *ring, int which)
{
	return (unsigned long *)(uintptr_t)ring->buf.producer + which;
}

static void set_head(struct ring *ring, uint64_t head)
{
	*position(ring, PRODUCER) = (unsigned long)head;
}

/* Each byte is there twice, as the kernel maps it. */
static void put(const struct ring *ring, uint64_t at, const void *bytes, size_t size)
{
	unsigned char *data = (unsigned char *)(uintptr_t)ring->buf.shared;
	const unsigned char *from = bytes;
	size_t i;

	for (i = 0; i < size; i++)
		data[(at + i) % RING] = data[(at + i) % RING + RING] = from[i];
}

static uint64_t put_record(
	const struct ring *ring, uint64_t at, uint32_t size, uint32_t flags, unsigned char fill)
{
	unsigned char payload[RING];
	uint32_t header[2] = {size | flags, 3};

	memset(payload, fill, sizeof(payload));
	put(ring, at, header, sizeof(header));
	put(ring, at + sizeof(header), payload, size);
	return ring_buf_record_size(size);
}

/* Fills the ring from a random position on; returns the number of samples before a busy one. */
static int fill_ring(struct ring *ring, struct expected *expected, uint64_t *discarded)
{
	uint64_t head = random_number() % 4 ? (random_number() & ~(uint64_t)7) : -(uint64_t)2048;
	uint64_t first = head;
	bool is_busy = false;
	int n = 0, i;

	ring->tail = ring->head = ring->released = ring->buf.copied = head;
	*position(ring, OLDEST) = (unsigned long)head;
	*discarded = 0;
	for (i = 0; i < RECORDS; i++) {
		uint32_t size = below(700);
		uint32_t kind = below(16);
		unsigned char fill = (unsigned char)random_number();

		if (head - first + ring_buf_record_size(size) > RING)
			break;
		if (kind == 0) {
			head += put_record(ring, head, size, RING_BUF_BUSY, fill);
			is_busy = true;
		} else if (kind < 4) {
			head += put_record(ring, head, size, RING_BUF_DISCARD, fill);
			*discarded += !is_busy;
		} else {
			if (!is_busy) {
				expected[n].size = size;
				expected[n++].fill = fill;
			}
			head += put_record(ring, head, size, 0, fill);
		}
	}
	*ring->buf.consumer = (unsigned long)first;
	set_head(ring, head);
	return n;
}

static void check_valid(void)
{
	struct expected expected[RECORDS];
	const unsigned char *bytes;
	struct ring_sample sample;
	struct error err;
	struct ring ring;
	uint64_t discarded;
	uint32_t k;
	int i, n;

	ring_new(&ring, below(2));
	n = fill_ring(&ring, expected, &discarded);
	if (ring_buf_unread(&ring) != *ring.buf.producer - *ring.buf.consumer)
		fail("not as many bytes as were put in");
	if (ring_buf_kind.look(&ring, &err) < 0)
		fail(err.text);
	for (i = 0; ring_buf_kind.peek(&ring, &sample, &err) > 0; i++) {
		if (i >= n || sample.size != expected[i].size || !ring_is_next(&ring, &sample))
			fail("not the sample that was put in");
		bytes = ring_bytes(&ring, &sample);
		for (k = 0; k < sample.size; k++) {
			if (bytes[k] != expected[i].fill)
				fail("not the bytes that were put in");
		}
		ring_advance(&ring, &sample);
		if (ring_owes(&ring))
			ring_buf_kind.release(&ring);
	}
	ring_buf_kind.release(&ring);
	if (i != n || ring.buf.discarded != discarded || *ring.buf.consumer != ring.tail)
		fail("not all that was put in");
	if (ring.tail != ring.head && ring_buf_kind.peek(&ring, &sample, &err) != 0)
		fail("went past a busy record");
	ring_free(&ring);
}

/* Reads whatever is there; counts the steps. */
static void read_all(struct ring *ring, unsigned char *out)
{
	struct ring_sample sample;
	struct error err = {0};
	int ret, steps = 0;

	ret = ring_buf_kind.look(ring, &err);
	while (ret > 0 && (ret = ring_buf_kind.peek(ring, &sample, &err)) > 0) {
		if (!ring_bytes(ring, &sample))
			fail("a sample that is not in one piece");
		memcpy(out, ring_bytes(ring, &sample), sample.size);
		ring_advance(ring, &sample);
		if (ring_owes(ring))
			ring_buf_kind.release(ring);
		if (++steps > RING / 8)
			fail("reading does not end");
	}
	if (ret < 0 && (!err.code || !strstr(err.text, "is corrupt")))
		fail("an error without words");
	ring_buf_kind.release(ring);
}

static void check_damaged(void)
{
	unsigned char *out = malloc(RING);
	struct expected expected[RECORDS];
	uint64_t discarded, noise;
	struct ring ring;
	uint32_t i;

	ring_new(&ring, below(2));
	fill_ring(&ring, expected, &discarded);
	for (i = below(20); i > 0; i--) {
		noise = random_number();
		put(&ring, below(RING), &noise, 1 + below(8));
	}
	if (below(3) == 0)
		set_head(&ring, random_number());
	if (below(8) == 0)
		set_head(&ring, *ring.buf.producer + below(64) * 8);
	if (below(4) == 0)
		*position(&ring, OLDEST) += below(2 * RING);
	if (below(8) == 0)
		*position(&ring, OLDEST) = (unsigned long)random_number();
	if (below(8) == 0) {
		*ring.buf.consumer = (unsigned long)random_number();
		if (ring_buf_kind.map(&ring, &(struct error){0}) < 0)
			fail("a mapped ring that does not map");
	}
	read_all(&ring, out);
	ring_free(&ring);
	free(out);
}

/*
 * Writes records of the same byte over and over, as bpf_ringbuf_reserve() and submit() do. The stores
 * stay in their order on x86 as long as the compiler leaves it alone.
 */
static void *write_records(void *argument)
{
	const struct ring *ring = argument;
	uint64_t head = 0, oldest = 0, record_size, i;
	unsigned char payload[RING / 4];
	uint32_t header[2] = {0, 3};

	for (i = 0; i < WRITTEN; i++) {
		header[0] = (uint32_t)(i * 37 % sizeof(payload));
		record_size = ring_buf_record_size(header[0]);
		while (head + record_size - oldest >= RING)
			oldest += ring_buf_record_size(*(
				const uint32_t *)(const void *)(ring->buf.shared + oldest % RING));
		__atomic_store_n(position(ring, OLDEST), (unsigned long)oldest, __ATOMIC_SEQ_CST);
		header[0] |= RING_BUF_BUSY;
		put(ring, head, header, sizeof(header));
		__atomic_store_n(position(ring, PRODUCER), (unsigned long)(head + record_size),
			__ATOMIC_SEQ_CST);
		memset(payload, (int)(i & 0xff), sizeof(payload));
		header[0] &= ~RING_BUF_BUSY;
		put(ring, head + sizeof(header), payload, header[0]);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		put(ring, head, header, sizeof(header));
		head += record_size;
	}
	return NULL;
}

static uint64_t written_size(void)
{
	uint64_t size = 0, i;

	for (i = 0; i < WRITTEN; i++)
		size += ring_buf_record_size((uint32_t)(i * 37 % (RING / 4)));
	return size;
}

/* Each sample has to be whole, and what was not read counted. */
static void check_overtaken(void)
{
	struct ring_sample sample;
	const unsigned char *bytes;
	uint64_t read = 0;
	struct ring ring;
	struct error err;
	pthread_t writer;
	uint32_t k;
	int ret;

	ring_new(&ring, true);
	if (pthread_create(&writer, NULL, write_records, &ring) != 0)
		fail("no thread");
	do {
		ret = ring_buf_kind.look(&ring, &err);
		while (ret > 0 && (ret = ring_buf_kind.peek(&ring, &sample, &err)) > 0) {
			bytes = ring_bytes(&ring, &sample);
			for (k = 1; k < sample.size; k++) {
				if (bytes[k] != bytes[0])
					fail("a sample that is torn");
			}
			ring_advance(&ring, &sample);
			read += sample.record_size;
		}
		if (ret < 0)
			fail(err.text);
		ring_buf_kind.release(&ring);
	} while (read + ring.buf.overwritten != written_size());
	pthread_join(writer, NULL);
	if (ring.tail != *position(&ring, PRODUCER) || !read)
		fail("not all that was written");
	ring_free(&ring);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 100000;

	if (argc > 2)
		random_state = strtoull(argv[2], NULL, 0) | 1;
	check_overtaken();
	while (rounds-- > 0) {
		check_valid();
		check_damaged();
	}
	return 0;
}
