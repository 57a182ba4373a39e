/* SPDX-License-Identifier: MIT */
#include "attach_perf_event.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "sys.h"

enum { TYPE_LIMIT = 1 << 16 /* sysfs claims a page */, NAME_LIMIT = 64 };

static const struct {
	const char *name;
	uint32_t type;
	uint32_t config;
} events[] = {
	{"cpu-clock", PERF_TYPE_SOFTWARE, 0},
	{"task-clock", PERF_TYPE_SOFTWARE, 1},
	{"page-faults", PERF_TYPE_SOFTWARE, 2},
	{"faults", PERF_TYPE_SOFTWARE, 2},
	{"context-switches", PERF_TYPE_SOFTWARE, 3},
	{"cs", PERF_TYPE_SOFTWARE, 3},
	{"cpu-migrations", PERF_TYPE_SOFTWARE, 4},
	{"migrations", PERF_TYPE_SOFTWARE, 4},
	{"minor-faults", PERF_TYPE_SOFTWARE, 5},
	{"major-faults", PERF_TYPE_SOFTWARE, 6},
	{"alignment-faults", PERF_TYPE_SOFTWARE, 7},
	{"emulation-faults", PERF_TYPE_SOFTWARE, 8},
	{"dummy", PERF_TYPE_SOFTWARE, 9},
	{"bpf-output", PERF_TYPE_SOFTWARE, 10},
	{"cgroup-switches", PERF_TYPE_SOFTWARE, 11},
	{"cpu-cycles", PERF_TYPE_HARDWARE, 0},
	{"cycles", PERF_TYPE_HARDWARE, 0},
	{"instructions", PERF_TYPE_HARDWARE, 1},
	{"cache-references", PERF_TYPE_HARDWARE, 2},
	{"cache-misses", PERF_TYPE_HARDWARE, 3},
	{"branch-instructions", PERF_TYPE_HARDWARE, 4},
	{"branches", PERF_TYPE_HARDWARE, 4},
	{"branch-misses", PERF_TYPE_HARDWARE, 5},
	{"bus-cycles", PERF_TYPE_HARDWARE, 6},
	{"stalled-cycles-frontend", PERF_TYPE_HARDWARE, 7},
	{"stalled-cycles-backend", PERF_TYPE_HARDWARE, 8},
	{"ref-cycles", PERF_TYPE_HARDWARE, 9},
};

/* "L1-dcache-load-misses" is a cache, an operation and whether only misses count. */
static const char *const caches[] = {
	"L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"};
static const char *const operations[][3] = {
	{"-loads", "-stores", "-prefetches"},
	{"-load-misses", "-store-misses", "-prefetch-misses"},
};

static bool find_cache(const char *name, struct attach_perf_event *event)
{
	size_t cache, op, miss, size;

	for (cache = 0; cache < sizeof(caches) / sizeof(caches[0]); cache++) {
		size = strlen(caches[cache]);
		if (strncmp(name, caches[cache], size) != 0)
			continue;
		for (miss = 0; miss < 2; miss++) {
			for (op = 0; op < 3; op++) {
				if (strcmp(name + size, operations[miss][op]) != 0)
					continue;
				event->type = PERF_TYPE_HW_CACHE;
				event->config = cache | op << 8 | miss << 16;
				return true;
			}
		}
	}
	return false;
}

bool attach_perf_event_find(const char *name, struct attach_perf_event *event)
{
	size_t i;

	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (strcmp(name, events[i].name) == 0) {
			event->type = events[i].type;
			event->config = events[i].config;
			return true;
		}
	}
	return find_cache(name, event);
}

int attach_perf_event_pmu(const char *name, uint32_t *type, struct error *err)
{
	static const char *const types[] = {
		"hardware", "software", "tracepoint", "hw-cache", "raw", "breakpoint"};
	char path[NAME_LIMIT + 48], *text, *end;
	size_t size;
	uint32_t i;
	int ret;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(name, types[i]) == 0) {
			*type = i;
			return 0;
		}
	}
	if (strlen(name) > NAME_LIMIT || strchr(name, '/') || *name == '.')
		return error_set(err, EINVAL, "\"%.80s\" is no name of a PMU", name);
	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", name);
	ret = sys_read_file(path, TYPE_LIMIT, &text, &size);
	if (ret < 0)
		return error_errno(err, ret, "this machine has no PMU \"%s\"", name);
	*type = (uint32_t)strtoul(text, &end, 10);
	ret = end == text ? error_set(err, EINVAL, "%s holds no number", path) : 0;
	free(text);
	return ret;
}

static int open_event(const struct attach_perf_event *e)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.type = e->type;
	attr.size = sizeof(attr);
	attr.config = e->config;
	attr.config1 = e->config1;
	attr.config2 = e->config2;
	attr.freq = e->is_frequency;
	attr.sample_period = e->every;
	attr.precise_ip = e->precise & 3;
	attr.exclude_kernel = e->exclude_kernel;
	attr.exclude_user = e->exclude_user;
	attr.exclude_idle = e->exclude_idle;
	attr.inherit = e->inherit;
	if (e->type == PERF_TYPE_BREAKPOINT) {
		attr.bp_type = e->access;
		attr.bp_addr = e->address;
		attr.bp_len = e->length;
	}
	return sys_perf_event_open(&attr, e->pid, e->cpu);
}

static int explain(const struct attach_perf_event *e, int code, struct error *err)
{
	if (code == -ENOENT || code == -EOPNOTSUPP)
		return error_append(err, ": this machine cannot count that: a virtual one seldom "
					 "has hardware counters, \"cpu-clock\" does without");
	if (code == -ESRCH)
		return error_append(err, ": there is no process %d", e->pid);
	if (code == -ENODEV)
		return error_append(err, ": that CPU is not online");
	if (code == -EINVAL && e->is_frequency)
		return error_append(err, ": is the frequency above the sysctl "
					 "kernel.perf_event_max_sample_rate?");
	if (code == -ENOSPC)
		return error_append(err, ": all breakpoints of the CPU are in use");
	return probe_explain_privilege(err, PROBE_PERFMON);
}

int attach_perf_event(int prog_fd, const struct attach_perf_event *event, struct attach_hold *hold,
	struct error *err)
{
	int fd = open_event(event), ret;

	if (fd >= 0) {
		ret = attach_perf_tie(fd, prog_fd, event->cookie, hold, err);
		return ret < 0 ? error_prefix(err, "perf event") : 0;
	}
	error_errno(err, fd, "open perf event of type %u", event->type);
	if (event->cpu >= 0)
		error_prefix(err, "CPU %d", event->cpu);
	return explain(event, fd, err);
}
