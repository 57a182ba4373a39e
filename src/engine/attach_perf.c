/* SPDX-License-Identifier: MIT */
#include "attach_perf.h"

#include <errno.h>
#include <linux/perf_event.h>

#include "cpu.h"
#include "probe.h"
#include "sys.h"

int attach_perf_open(struct perf_event_attr *attr, int pid)
{
	struct cpu_set online;
	struct error ignored;
	uint32_t cpu = 0;
	int fd;

	if (pid >= 0)
		return sys_perf_event_open(attr, pid, -1);
	fd = sys_perf_event_open(attr, -1, 0);
	if (fd != -ENODEV || cpu_online(&online, &ignored) < 0 || online.count == 0)
		return fd;
	while (!cpu_is_set(&online, cpu))
		cpu++;
	return sys_perf_event_open(attr, -1, (int)cpu);
}

static int explain_refusal(int code, struct error *err)
{
	if (code == -EACCES)
		return error_append(err, ": the program reads beyond the record of this event");
	if (code == -EEXIST)
		return error_append(err, ": this program is attached to it already");
	if (code == -E2BIG)
		return error_append(err, ": too many programs are attached to it");
	if (code == -EINVAL)
		return error_append(err, ": is the program of the type that such events run?");
	return probe_explain_privilege(err, PROBE_BPF | PROBE_PERFMON);
}

/* The program by the event itself. */
static int tie_event(
	int event, int prog_fd, uint64_t cookie, struct attach_hold *hold, struct error *err)
{
	int ret;

	if (cookie)
		return error_set(err, EINVAL,
			"a cookie needs Linux 5.15, and a program of the type that such events "
			"run");
	ret = sys_ioctl(event, PERF_EVENT_IOC_SET_BPF, (unsigned long)prog_fd);
	if (ret < 0) {
		error_errno(err, ret, "attach to its perf event");
		return explain_refusal(ret, err);
	}
	hold->fd = event;
	hold->is_event = true;
	return 0;
}

int attach_perf_tie(
	int event, int prog_fd, uint64_t cookie, struct attach_hold *hold, struct error *err)
{
	struct abi_link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_fd = (uint32_t)event,
		.attach_type = BPF_PERF_EVENT,
		.perf_event_cookie = cookie,
	};
	int ret = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));

	hold->fd = -1;
	hold->is_event = false;
	if (ret >= 0) {
		sys_close(event); /* the link holds it */
		hold->fd = ret;
		return 0;
	}
	/* Links for perf events are of Linux 5.15: before, the command, the attach type or the
	 * cookie behind the known attributes is wrong. The older way tells real errors. */
	if (ret == -EINVAL || ret == -E2BIG) {
		ret = tie_event(event, prog_fd, cookie, hold, err);
	} else {
		error_errno(err, ret, "attach to its perf event");
		ret = explain_refusal(ret, err);
	}
	if (ret < 0)
		sys_close(event);
	return ret;
}
