/* SPDX-License-Identifier: MIT */
#include "attach_tracepoint.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int attach_tracepoint_find(const char *group, const char *name, uint64_t *id, struct error *err)
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

static int open_event(uint64_t id)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_TRACEPOINT;
	attr.size = sizeof(attr);
	attr.config = id;
	return attach_perf_open(&attr, -1);
}

int attach_tracepoint(int prog_fd, const char *group, const char *name, uint64_t cookie,
	struct attach_hold *hold, struct error *err)
{
	uint64_t id;
	int event;

	if (attach_tracepoint_find(group, name, &id, err) < 0)
		return -1;
	event = open_event(id);
	if (event < 0) {
		error_errno(err, event, "tracepoint %s/%s: open perf event", group, name);
		return probe_explain_privilege(err, PROBE_PERFMON);
	}
	if (attach_perf_tie(event, prog_fd, cookie, hold, err) < 0)
		return error_prefix(err, "tracepoint %s/%s", group, name);
	return 0;
}
