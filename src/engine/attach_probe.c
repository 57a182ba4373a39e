/* SPDX-License-Identifier: MIT */
#include "attach_probe.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach_tracepoint.h"
#include "mounts.h"
#include "probe.h"
#include "sys.h"
#include "sys_file.h"

enum {
	TYPE_LIMIT = 1 << 16, /* sysfs claims a page */
	TARGET_LIMIT = 4096,
	COMMAND_SIZE = TARGET_LIMIT + 256,
	NAME_ATTEMPTS = 16,
};

static const char *kind_of(const struct attach_probe *p)
{
	return p->is_user ? "uprobe" : "kprobe";
}

/* The number of the PMU, as perf_event_open(2) wants it. */
static int find_pmu(const struct attach_probe *p, uint32_t *type)
{
	char path[80], *text, *end;
	size_t size;
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", kind_of(p));
	ret = sys_read_file(path, TYPE_LIMIT, &text, &size);
	if (ret < 0)
		return ret;
	*type = (uint32_t)strtoul(text, &end, 10);
	ret = end == text ? -EINVAL : 0;
	free(text);
	return ret;
}

/* Bit 0 of config is for returns, bits 32 to 63 are the place of the counter: as the files of the
 * PMU's directory `format` say, which have not changed since there are any. */
static int open_by_pmu(const struct attach_probe *p, uint32_t type)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.type = type;
	attr.size = sizeof(attr);
	attr.config = (p->is_return ? 1 : 0) | p->ref_ctr_offset << 32;
	attr.config1 = sys_ptr(p->target);
	attr.config2 = p->offset;
	return attach_perf_open(&attr, p->pid);
}

static int control_file(const char *kind, char *path, size_t size, struct error *err)
{
	char tracefs[MOUNTS_PATH_SIZE];

	if (mounts_find(&mounts_tracefs, tracefs, err) < 0)
		return -1;
	if (snprintf(path, size, "%s/%s_events", tracefs, kind) >= (int)size)
		return error_errno(err, ENAMETOOLONG, "tracefs");
	return 0;
}

/* What tracefs is told: "p:GROUP/NAME WHAT" or, for returns, "r:...". */
static int write_command(
	const struct attach_probe *p, const char *event, char *out, struct error *err)
{
	char count[16] = "", counter[32] = "";

	if (p->target && (strlen(p->target) >= TARGET_LIMIT || strpbrk(p->target, " \t\n#")))
		return error_set(err, EINVAL, "tracefs takes no name with blanks or '#'");
	if (p->maxactive)
		snprintf(count, sizeof(count), "%" PRIu32, p->maxactive);
	if (p->ref_ctr_offset)
		snprintf(counter, sizeof(counter), "(0x%" PRIx64 ")", p->ref_ctr_offset);
	if (p->is_user)
		snprintf(out, COMMAND_SIZE, "%c:%s %s:0x%" PRIx64 "%s\n", p->is_return ? 'r' : 'p',
			event, p->target, p->offset, counter);
	else if (p->target)
		snprintf(out, COMMAND_SIZE, "%c%s:%s %s+0x%" PRIx64 "\n", p->is_return ? 'r' : 'p',
			count, event, p->target, p->offset);
	else
		snprintf(out, COMMAND_SIZE, "%c%s:%s 0x%" PRIx64 "\n", p->is_return ? 'r' : 'p',
			count, event, p->offset);
	return 0;
}

/* Makes an event of a name that nobody has. hold->event gets "kprobe:ebpf/NAME". */
static int make_event(const struct attach_probe *p, struct attach_hold *hold, struct error *err)
{
	char path[MOUNTS_PATH_SIZE + 32], command[COMMAND_SIZE];
	const char *event = hold->event + sizeof("kprobe:") - 1;
	int attempt, ret = -EEXIST;

	if (control_file(kind_of(p), path, sizeof(path), err) < 0)
		return -1;
	for (attempt = 0; ret == -EEXIST && attempt < NAME_ATTEMPTS; attempt++) {
		snprintf(hold->event, sizeof(hold->event), "%s:ebpf/p_%d_%" PRIx64, kind_of(p),
			sys_process_id(), (uint64_t)sys_now());
		if (write_command(p, event, command, err) < 0)
			break;
		ret = sys_append_file(path, command);
		if (ret == 0)
			return 0;
		error_errno(err, ret, "write to %s", path);
	}
	hold->event[0] = '\0';
	return -1;
}

static int open_by_tracefs(
	const struct attach_probe *p, struct attach_hold *hold, int *event, struct error *err)
{
	struct perf_event_attr attr;
	uint64_t id;

	if (make_event(p, hold, err) < 0)
		return -1;
	if (attach_tracepoint_find("ebpf", strchr(hold->event, '/') + 1, &id, err) < 0)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_TRACEPOINT;
	attr.size = sizeof(attr);
	attr.config = id;
	*event = attach_perf_open(&attr, p->pid);
	return *event < 0 ? error_errno(err, *event, "open perf event") : 0;
}

/* "uprobe "/bin/sh" at offset 0x10", "kretprobe "vfs_read"". */
static int describe(const struct attach_probe *p, struct error *err)
{
	const char *kind = p->is_user ? (p->is_return ? "uretprobe" : "uprobe")
				      : (p->is_return ? "kretprobe" : "kprobe");

	if (p->is_user)
		return error_prefix(
			err, "%s \"%.400s\" at offset 0x%" PRIx64, kind, p->target, p->offset);
	if (!p->target)
		return error_prefix(err, "%s at address 0x%" PRIx64, kind, p->offset);
	if (p->offset)
		return error_prefix(err, "%s \"%.200s+0x%" PRIx64 "\"", kind, p->target, p->offset);
	return error_prefix(err, "%s \"%.200s\"", kind, p->target);
}

static int explain(const struct attach_probe *p, struct error *err)
{
	if (err->code == ESRCH)
		return error_append(err, ": there is no process %d", p->pid);
	if (p->is_user && err->code == EINVAL)
		return error_append(err,
			p->ref_ctr_offset
				? ": there is no instruction at that offset of the file, or no "
				  "counter at the other"
				: ": there is no instruction at that offset of the file");
	if (!p->is_user && err->code == ENOENT)
		return error_append(err, ": the kernel has no such function");
	if (!p->is_user && (err->code == EINVAL || err->code == EILSEQ))
		return error_append(err, ": no instruction begins there, or the kernel keeps "
					 "probes away from that function");
	if (!p->is_user && err->code == EADDRNOTAVAIL)
		return error_append(err, ": several functions are called so: give the address");
	/* Of users' functions CAP_PERFMON was enough from 5.8 on, until 6.16 and what went from there
	 * into older kernels. */
	if (p->is_user && err->code == EACCES &&
		(probe_kernel_version() >= 0x061000 || !probe_lacking(PROBE_PERFMON))) {
		probe_explain_privilege(err, PROBE_SYS_ADMIN);
		return error_append(err, ": a program of the section \"uprobe.multi\" does "
					 "without (Linux 6.6)");
	}
	return probe_explain_privilege(err, PROBE_PERFMON);
}

/* Where there is neither PMU nor control file the kernel was built without. */
static int missing(const struct attach_probe *p, struct error *err)
{
	if (err->code != ENOENT)
		return -1;
	return error_errno(err, EOPNOTSUPP, "the kernel has no %ss", kind_of(p));
}

static int open_event(
	const struct attach_probe *p, struct attach_hold *hold, int *event, struct error *err)
{
	bool by_tracefs = p->mode == ATTACH_PROBE_TRACEFS || p->maxactive;
	char path[MOUNTS_PATH_SIZE + 32];
	uint32_t type;
	int pmu;

	if (!by_tracefs) {
		pmu = find_pmu(p, &type);
		if (pmu == 0) {
			*event = open_by_pmu(p, type);
			return *event < 0 ? error_errno(err, *event, "open perf event") : 0;
		}
		error_errno(err, pmu, "find the PMU");
		if (p->mode == ATTACH_PROBE_PERF || pmu != -ENOENT)
			return missing(p, err);
	}
	if (control_file(kind_of(p), path, sizeof(path), err) == 0 &&
		!sys_is_readable(path, false)) {
		error_set(err, ENOENT, "no %s", path);
		return missing(p, err);
	}
	return open_by_tracefs(p, hold, event, err);
}

int attach_probe(
	int prog_fd, const struct attach_probe *probe, struct attach_hold *hold, struct error *err)
{
	uint64_t cookie = probe->cookie;
	int event = -1, ret;

	hold->event[0] = '\0';
	ret = open_event(probe, hold, &event, err);
	if (ret < 0)
		explain(probe, err);
	else
		ret = attach_perf_tie(event, prog_fd, cookie, hold, err);
	if (ret == 0 && probe->needs_cookie && hold->is_event) {
		sys_close(hold->fd);
		hold->fd = -1;
		ret = error_set(err, EINVAL, "a cookie needs Linux 5.15");
	}
	if (ret == 0)
		return 0;
	attach_probe_remove(hold->event);
	hold->event[0] = '\0';
	return describe(probe, err);
}

void attach_probe_remove(const char *event)
{
	char path[MOUNTS_PATH_SIZE + 32], command[ATTACH_EVENT_SIZE + 8];
	const char *name = strchr(event, ':');
	struct error ignored;

	if (!name)
		return;
	if (control_file(*event == 'u' ? "uprobe" : "kprobe", path, sizeof(path), &ignored) < 0)
		return;
	snprintf(command, sizeof(command), "-%s\n", name);
	sys_append_file(path, command);
}
