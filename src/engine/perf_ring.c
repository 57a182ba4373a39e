/* SPDX-License-Identifier: MIT */
#include "perf_ring.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <string.h>

#include "sys.h"

enum {
	LOST_AT = PERF_RING_HEADER + 8, /* u64, after an id */
	FORMAT_LOST = 1 << 4, /* PERF_FORMAT_LOST, Linux 6.0 */
};

uint64_t perf_ring_size(uint64_t bytes)
{
	uint64_t size = sys_page_size();

	while (size < bytes)
		size *= 2;
	return size;
}

static int open_event(uint32_t cpu, const struct perf_ring_config *config, uint64_t read_format)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW,
		.read_format = read_format,
		.watermark = config->watermark,
		.write_backward = config->overwritable,
		.wakeup_events = config->wakeup, /* in a union with wakeup_watermark */
	};

	return sys_perf_event_open(&attr, -1, (int)cpu);
}

static int explain_open(struct error *err, int code, uint32_t cpu)
{
	error_errno(err, code, "open a perf event on CPU %" PRIu32, cpu);
	switch (-code) {
	case EACCES:
	case EPERM:
		return error_append(err, ": needs CAP_PERFMON, or CAP_SYS_ADMIN before Linux 5.8, "
					 "or a lower kernel.perf_event_paranoid");
	case EMFILE:
		return error_append(err, ": raise the limit of open files (ulimit -n)");
	case ENOSYS:
		return error_append(err, ": the kernel was built without perf events");
	default:
		return -1;
	}
}

int perf_ring_open(
	struct ring *ring, uint32_t cpu, const struct perf_ring_config *config, struct error *err)
{
	int fd;

	*ring = (struct ring){
		.fd = -1,
		.source = cpu,
		.size = config->size,
		.span = config->size,
		.perf = {.overwritable = config->overwritable, .counts_lost = true},
	};
	fd = open_event(cpu, config, FORMAT_LOST);
	if (fd == -EINVAL) {
		ring->perf.counts_lost = false;
		fd = open_event(cpu, config, 0);
	}
	if (fd < 0)
		return explain_open(err, fd, cpu);
	ring->fd = fd;
	return 0;
}

/* A position in shared memory where a record may start. Those of the kernel are aligned. */
static uint64_t load_position(const __u64 *position)
{
	/* Pairs with the kernel's release of data_head: records before it are complete. */
	return ring_aligned(__atomic_load_n(position, __ATOMIC_ACQUIRE));
}

/* If no process had the buffer mapped since it was read last, the kernel has made a new, empty one. */
static void take_positions(struct ring *ring)
{
	uint64_t head = load_position(&ring->perf.page->data_head);

	if (!ring->perf.overwritable)
		ring_resume(ring, load_position(&ring->perf.page->data_tail), head);
	else if (head == 0)
		ring->tail = ring->head = ring->perf.newest = 0;
}

static int map(struct ring *ring, struct error *err)
{
	size_t page_size = sys_page_size();
	void *start = NULL;
	int ret;

	ret = sys_map_shared(ring->fd, page_size + ring->size, !ring->perf.overwritable, &start);
	if (ret < 0) {
		error_errno(err, ret, "map %" PRIu64 " KiB of perf buffer for CPU %" PRIu32,
			ring->size / 1024, ring->source);
		if (ret == -EPERM)
			error_append(err, ": over the limit of locked memory: raise "
					  "kernel.perf_event_mlock_kb or RLIMIT_MEMLOCK, or have "
					  "CAP_IPC_LOCK");
		return -1;
	}
	ring->perf.page = start;
	ring->data = (unsigned char *)start + page_size;
	take_positions(ring);
	return 0;
}

static void unmap(struct ring *ring)
{
	sys_unmap(ring->perf.page, sys_page_size() + ring->size);
	ring->perf.page = NULL;
	ring->data = NULL;
}

static int corrupt(const struct ring *ring, struct error *err, const char *why)
{
	return error_set(err, EBADMSG,
		"perf buffer of CPU %" PRIu32 " is corrupt at position %" PRIu64 ": %s",
		ring->source, ring->tail, why);
}

static int look(struct ring *ring, struct error *err)
{
	if (ring->perf.overwritable)
		return ring->tail != ring->head;
	ring->head = load_position(&ring->perf.page->data_head);
	if (ring->head - ring->tail > ring->size) {
		ring->head = ring->tail;
		return corrupt(ring, err, "the producer is further ahead than the buffer is long");
	}
	return ring->tail != ring->head;
}

static uint64_t load_u64(const struct ring *ring, uint64_t position)
{
	uint64_t value;

	memcpy(&value, ring->data + (position & (ring->size - 1)), sizeof(value));
	return value;
}

/* Skips or counts a record that is no sample: throttling, and what newer kernels may add. */
static int skip(struct ring *ring, const struct perf_event_header *header, struct error *err)
{
	if (header->type == PERF_RECORD_LOST) {
		if (header->size < LOST_AT + 8)
			return corrupt(ring, err, "a record of lost samples is too short");
		ring->perf.lost += load_u64(ring, ring->tail + LOST_AT);
	}
	ring->tail += header->size;
	return 0;
}

static int peek(struct ring *ring, struct ring_sample *sample, struct error *err)
{
	struct perf_event_header header;

	while (ring->tail != ring->head) {
		if (perf_ring_peek_quickly(ring, sample))
			return 1;
		memcpy(&header, ring->data + (ring->tail & (ring->size - 1)), sizeof(header));
		if (header.size < PERF_RING_HEADER || header.size % RING_ALIGN)
			return corrupt(ring, err, "a record has an impossible size");
		if (header.size > ring->head - ring->tail) {
			if (!ring->perf.overwritable)
				return corrupt(ring, err, "a record ends behind the producer");
			ring->tail = ring->head; /* the oldest: partly overwritten */
			break;
		}
		if (header.type == PERF_RECORD_SAMPLE)
			return corrupt(ring, err,
				"a sample is larger than its record (a record has 64 KiB at most)");
		if (skip(ring, &header, err) < 0)
			return -1;
	}
	return 0;
}

static void release(struct ring *ring)
{
	if (ring->perf.overwritable || ring->released == ring->tail)
		return;
	/* Pairs with the kernel's read of data_tail: it overwrites only what we have read. */
	__atomic_store_n(&ring->perf.page->data_tail, ring->tail, __ATOMIC_RELEASE);
	ring->released = ring->tail;
}

/* The kernel does not copy the mapping of a perf buffer at a fork. */
const struct ring_kind perf_ring_kind = {
	.map = map,
	.unmap = unmap,
	.look = look,
	.peek = peek,
	.release = release,
};

int perf_ring_pause(struct ring *ring, bool pause)
{
	return sys_ioctl(ring->fd, PERF_EVENT_IOC_PAUSE_OUTPUT, pause);
}

/*
 * The head of a buffer that is written backwards goes down: the newest record is at the head,
 * older ones follow, up to where the head was at the pause before, or to a whole buffer's length.
 */
void perf_ring_rewind(struct ring *ring)
{
	uint64_t head = load_position(&ring->perf.page->data_head);
	uint64_t length = ring->perf.newest - head;

	ring->tail = head;
	ring->head = head + (length > ring->size ? ring->size : length);
	ring->perf.newest = head;
}

uint64_t perf_ring_lost(const struct ring *ring)
{
	uint64_t answer[2]; /* the event's count, lost */

	if (ring->perf.counts_lost &&
		sys_read(ring->fd, answer, sizeof(answer)) == sizeof(answer) &&
		answer[1] > ring->perf.lost)
		return answer[1];
	return ring->perf.lost;
}
