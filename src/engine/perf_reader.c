/* SPDX-License-Identifier: MIT */
#include "perf_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "sys.h"

/*
 * A map forgets the perf events that were put into it through an open file of it once that file
 * is closed. With a file of our own, got by id, that happens exactly when the reader closes. A
 * duplicated fd, where getting by id is not permitted, shares the file with its original.
 */
static int own_map_fd(int map_fd)
{
	struct abi_map_info info = {0};
	int fd = -EPERM;

	if (sys_obj_info(map_fd, &info, sizeof(info)) == 0)
		fd = sys_fd_by_id(BPF_MAP_GET_FD_BY_ID, info.id, 0);
	return fd < 0 && fd != -EMFILE && fd != -ENFILE ? sys_dup(map_fd) : fd;
}

static int place(const struct perf_reader *reader, const struct perf_ring *ring, struct error *err)
{
	uint32_t fd = (uint32_t)ring->fd;
	int ret = sys_map_update(reader->map_fd, &ring->cpu, &fd, BPF_ANY);

	if (ret == -E2BIG)
		return error_errno(err, ret,
			"put the perf buffer of CPU %" PRIu32
			" into the map, which has too few entries",
			ring->cpu);
	return ret < 0 ? error_errno(err, ret,
				 "put the perf buffer of CPU %" PRIu32 " into the map", ring->cpu)
		       : 0;
}

/* 1, 0 when the CPU went offline meanwhile, -1. */
static int open_ring(struct perf_reader *reader, uint32_t cpu,
	const struct perf_ring_config *config, struct error *err)
{
	struct perf_ring *ring = &reader->rings[reader->count];

	if (perf_ring_open(ring, cpu, config, err) < 0)
		return err->code == ENODEV ? 0 : -1;
	reader->count++;
	if (perf_ring_map(ring, err) < 0 || poller_add(&reader->poller, ring->fd, err) < 0 ||
		place(reader, ring, err) < 0)
		return -1;
	return 1;
}

int perf_reader_open(struct perf_reader *reader, int map_fd, const struct cpu_set *cpus,
	const struct perf_ring_config *config, struct perf_ring *rings, struct error *err)
{
	uint32_t cpu;

	*reader = PERF_READER_CLOSED;
	reader->rings = rings;
	reader->overwritable = config->overwritable;
	fork_guard_open(&reader->guard);
	if (poller_open(&reader->poller, err) < 0)
		return -1;
	reader->map_fd = own_map_fd(map_fd);
	if (reader->map_fd < 0)
		return error_errno(err, reader->map_fd, "open the map once more");
	for (cpu = 0; cpu <= cpus->last; cpu++) {
		if (cpu_is_set(cpus, cpu) && open_ring(reader, cpu, config, err) < 0)
			return -1;
	}
	return reader->count ? 0 : error_set(err, ENODEV, "no CPU is online");
}

/* Mappings are unmapped only where they were made: in a forked child their addresses may be in
 * use by something else. */
void perf_reader_close(struct perf_reader *reader)
{
	bool mine = fork_guard_holds(&reader->guard);
	struct perf_ring *ring;
	uint32_t i;

	for (i = 0; i < reader->count; i++) {
		ring = &reader->rings[i];
		if (mine && ring->page) {
			perf_ring_release(ring);
			perf_ring_unmap(ring);
		}
		sys_close(ring->fd);
	}
	fork_guard_close(&reader->guard);
	sys_close(reader->map_fd);
	poller_close(&reader->poller);
	*reader = PERF_READER_CLOSED;
}

void perf_reader_move(struct perf_reader *to, struct perf_reader *from, struct perf_ring *rings)
{
	memcpy(rings, from->rings, from->count * sizeof(*rings));
	*to = *from;
	to->rings = rings;
	*from = PERF_READER_CLOSED;
}

/* In a forked child: maps the rings there. All or none, so that a failure can be tried again. */
static int map_here(struct perf_reader *reader, struct error *err)
{
	uint32_t i;

	for (i = 0; i < reader->count; i++) {
		if (perf_ring_map(&reader->rings[i], err) < 0) {
			while (i > 0)
				perf_ring_unmap(&reader->rings[--i]);
			return error_prefix(err, "read perf buffers after a fork");
		}
	}
	fork_guard_renew(&reader->guard);
	return 0;
}

static int here(struct perf_reader *reader, struct error *err)
{
	return fork_guard_holds(&reader->guard) ? 0 : map_here(reader, err);
}

/* Goes on with the ring after the current one, until all have been seen empty in a row. Each
 * ring is left when what was there at arrival has been read, so that a busy CPU does not keep the
 * others from being heard. */
static int next_ring(struct perf_reader *reader, struct perf_ring **ring,
	struct perf_sample *sample, struct error *err)
{
	uint32_t empty;
	int ret;

	for (empty = 0; empty < reader->count; empty++) {
		perf_ring_release(*ring);
		reader->current = (reader->current + 1) % reader->count;
		*ring = &reader->rings[reader->current];
		/* The space given back must be visible before the last look at the producer:
		 * whatever it drops for want of space, we then see. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ret = perf_ring_look(*ring, err);
		if (ret > 0)
			ret = perf_ring_peek(*ring, sample, err);
		if (ret != 0)
			return ret;
	}
	perf_ring_release(*ring);
	if (reader->poller.flushed)
		poller_take_flush(&reader->poller);
	return 0;
}

static int check_paused(const struct perf_reader *reader, struct error *err)
{
	if (!reader->overwritable || reader->paused)
		return 0;
	return error_set(err, EBUSY, "overwritable perf reader is being written: pause it first");
}

int perf_reader_next(struct perf_reader *reader, struct perf_ring **ring,
	struct perf_sample *sample, struct error *err)
{
	int ret;

	if (here(reader, err) < 0 || check_paused(reader, err) < 0)
		return -1;
	*ring = &reader->rings[reader->current];
	ret = perf_ring_peek(*ring, sample, err);
	return ret ? ret : next_ring(reader, ring, sample, err);
}

int perf_reader_has_data(struct perf_reader *reader, struct error *err)
{
	struct error unused;
	uint32_t i;

	if (here(reader, err) < 0)
		return -1;
	if (reader->overwritable && !reader->paused)
		return 0;
	for (i = 0; i < reader->count; i++) {
		if (perf_ring_look(&reader->rings[i], &unused) != 0)
			return 1;
	}
	return 0;
}

static int toggle(struct perf_reader *reader, bool pause, struct error *err)
{
	uint32_t i;
	int ret;

	if (here(reader, err) < 0)
		return -1;
	for (i = 0; i < reader->count; i++) {
		ret = perf_ring_pause(&reader->rings[i], pause);
		if (ret < 0)
			return error_errno(err, ret, "%s the perf buffer of CPU %" PRIu32,
				pause ? "pause" : "resume", reader->rings[i].cpu);
	}
	return 0;
}

int perf_reader_pause(struct perf_reader *reader, struct error *err)
{
	uint32_t i;

	if (toggle(reader, true, err) < 0)
		return -1;
	if (reader->overwritable && !reader->paused) {
		for (i = 0; i < reader->count; i++)
			perf_ring_rewind(&reader->rings[i]);
	}
	reader->paused = true;
	return 0;
}

int perf_reader_resume(struct perf_reader *reader, struct error *err)
{
	reader->paused = false;
	return toggle(reader, false, err);
}
