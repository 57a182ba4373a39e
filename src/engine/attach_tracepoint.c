/* SPDX-License-Identifier: MIT */
#include "attach_tracepoint.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "mounts.h"
#include "probe.h"
#include "sys.h"

enum { ID_FILE_LIMIT = 64, NAME_LIMIT = 128 };

/* Names become parts of a path, so they must not lead anywhere else. */
static bool is_name(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t size = strlen(name);

	return size > 0 && size <= NAME_LIMIT && strspn(name, allowed) == size;
}

/* Why events/<group>/<name>/id cannot be read. */
static int explain_missing(
	int code, const char *tracefs, const char *group, const char *name, struct error *err)
{
	error_errno(err, code, "find tracepoint %s/%s", group, name);
	if (code == -ENOENT)
		return error_append(err, ": the kernel has no such event: see %s/events", tracefs);
	if (code == -EACCES || code == -EPERM)
		return error_append(err, ": %s is for root, unless its modes are changed", tracefs);
	return -1;
}

/* The number tracefs gives to a trace event. */
static int find_id(const char *group, const char *name, uint64_t *id, struct error *err)
{
	char path[MOUNTS_PATH_SIZE + 2 * NAME_LIMIT + sizeof("/events///id")];
	char tracefs[MOUNTS_PATH_SIZE];
	char *text, *end;
	size_t size;
	int ret;

	if (!is_name(group) || !is_name(name))
		return error_set(err, EINVAL,
			"tracepoint \"%s/%s\": group and name are letters, digits, '_' and '-'",
			group, name);
	if (mounts_find(&mounts_tracefs, tracefs, err) < 0)
		return error_prefix(err, "find tracepoint %s/%s", group, name);
	snprintf(path, sizeof(path), "%s/events/%s/%s/id", tracefs, group, name);
	ret = sys_read_file(path, ID_FILE_LIMIT, &text, &size);
	if (ret < 0)
		return explain_missing(ret, tracefs, group, name, err);
	*id = strtoull(text, &end, 10);
	ret = end == text ? -1 : 0;
	free(text);
	if (ret < 0)
		return error_set(err, EINVAL, "find tracepoint %s/%s: %s holds no number", group,
			name, path);
	return 0;
}

/*
 * The perf event only carries the program to the tracepoint, which runs it on every CPU; on
 * which CPU the event counts does not matter. CPU 0 is online nearly everywhere.
 */
static int open_event(uint64_t id)
{
	struct perf_event_attr attr;
	struct cpu_set online;
	struct error ignored;
	uint32_t cpu = 0;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_TRACEPOINT;
	attr.size = sizeof(attr);
	attr.config = id;
	fd = sys_perf_event_open(&attr, -1, 0);
	if (fd != -ENODEV || cpu_online(&online, &ignored) < 0 || online.count == 0)
		return fd;
	while (!cpu_is_set(&online, cpu))
		cpu++;
	return sys_perf_event_open(&attr, -1, (int)cpu);
}

static int explain_refusal(int code, struct error *err)
{
	if (code == -EACCES)
		return error_append(
			err, ": the program reads beyond the record of this tracepoint");
	if (code == -EEXIST)
		return error_append(err, ": this program is attached to it already");
	if (code == -E2BIG)
		return error_append(err, ": too many programs are attached to it");
	if (code == -EINVAL)
		return error_append(err, ": is the program of type tracepoint?");
	return probe_explain_privilege(err, PROBE_BPF | PROBE_PERFMON);
}

/* Ties the program to the event, by a link where the kernel has them. */
static int tie(int event, int prog_fd, uint64_t cookie, bool *is_event, struct error *err)
{
	struct abi_link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_fd = (uint32_t)event,
		.attach_type = BPF_PERF_EVENT,
		.perf_event_cookie = cookie,
	};
	int ret;

	*is_event = false;
	ret = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
	if (ret >= 0)
		return ret;
	/* Links for perf events are of Linux 5.15: before, the command, the attach type or the
	 * cookie behind the known attributes is wrong. The older way tells real errors. */
	if (ret == -EINVAL || ret == -E2BIG) {
		if (cookie)
			return error_set(err, -ret,
				"a cookie needs Linux 5.15, and a program of type tracepoint");
		ret = sys_ioctl(event, PERF_EVENT_IOC_SET_BPF, (unsigned long)prog_fd);
		*is_event = ret >= 0;
		if (*is_event)
			return event;
	}
	error_errno(err, ret, "attach to its perf event");
	return explain_refusal(ret, err);
}

int attach_tracepoint(int prog_fd, const char *group, const char *name, uint64_t cookie,
	bool *is_event, struct error *err)
{
	int event, fd;
	uint64_t id;

	*is_event = false;
	if (find_id(group, name, &id, err) < 0)
		return -1;
	event = open_event(id);
	if (event < 0) {
		error_errno(err, event, "tracepoint %s/%s: open perf event", group, name);
		return probe_explain_privilege(err, PROBE_PERFMON);
	}
	fd = tie(event, prog_fd, cookie, is_event, err);
	if (fd < 0)
		error_prefix(err, "tracepoint %s/%s", group, name);
	if (!*is_event)
		sys_close(event); /* the link holds it */
	return fd;
}
