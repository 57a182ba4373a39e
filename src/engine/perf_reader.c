/* SPDX-License-Identifier: MIT */
#include "perf_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/epoll.h>

#include "probe.h"
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

static int place(const struct reader *reader, const struct ring *ring, struct error *err)
{
	uint32_t fd = (uint32_t)ring->fd;
	int ret = sys_map_update(reader->map_fd, &ring->source, &fd, BPF_ANY);

	if (ret == -E2BIG)
		return error_errno(err, ret,
			"put the perf buffer of CPU %" PRIu32
			" into the map, which has too few entries",
			ring->source);
	if (ret >= 0)
		return 0;
	error_errno(err, ret, "put the perf buffer of CPU %" PRIu32 " into the map", ring->source);
	return probe_explain_privilege(err, 0);
}

/* 1, 0 when the CPU went offline meanwhile, -1. */
static int open_ring(struct reader *reader, uint32_t cpu, const struct perf_ring_config *config,
	struct error *err)
{
	struct ring *ring = &reader->rings[reader->count];

	if (perf_ring_open(ring, cpu, config, err) < 0)
		return err->code == ENODEV ? 0 : -1;
	if (reader_add(reader, EPOLLIN, err) < 0 || place(reader, ring, err) < 0)
		return -1;
	return 1;
}

int perf_reader_open(struct reader *reader, int map_fd, const struct cpu_set *cpus,
	const struct perf_ring_config *config, struct ring *rings, struct error *err)
{
	uint32_t cpu;

	if (reader_open(reader, &perf_ring_kind, rings, err) < 0)
		return -1;
	reader->overwritable = config->overwritable;
	reader->map_fd = own_map_fd(map_fd);
	if (reader->map_fd < 0)
		return error_errno(err, reader->map_fd, "open the map once more");
	for (cpu = 0; cpu <= cpus->last; cpu++) {
		if (cpu_is_set(cpus, cpu) && open_ring(reader, cpu, config, err) < 0)
			return -1;
	}
	return reader->count ? 0 : error_set(err, ENODEV, "no CPU is online");
}

static int toggle(struct reader *reader, bool pause, struct error *err)
{
	uint32_t i;
	int ret;

	if (reader_here(reader, err) < 0)
		return -1;
	for (i = 0; i < reader->count; i++) {
		ret = perf_ring_pause(&reader->rings[i], pause);
		if (ret < 0)
			return error_errno(err, ret, "%s the perf buffer of CPU %" PRIu32,
				pause ? "pause" : "resume", reader->rings[i].source);
	}
	return 0;
}

int perf_reader_pause(struct reader *reader, struct error *err)
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

int perf_reader_resume(struct reader *reader, struct error *err)
{
	reader->paused = false;
	return toggle(reader, false, err);
}
