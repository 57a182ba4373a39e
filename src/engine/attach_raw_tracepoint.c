/* SPDX-License-Identifier: MIT */
#include "attach_raw_tracepoint.h"

#include <errno.h>

#include "probe.h"
#include "sys.h"

int attach_raw_tracepoint(int prog_fd, const char *name, uint64_t cookie, struct error *err)
{
	struct abi_raw_tracepoint attr = {
		.name = sys_ptr(name),
		.prog_fd = (uint32_t)prog_fd,
		.cookie = cookie,
	};
	int fd = sys_bpf_fd(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));

	if (fd >= 0)
		return fd;
	error_errno(err, fd, "raw tracepoint \"%s\"", name);
	if (fd == -ENOENT)
		return error_append(err, ": the kernel has no tracepoint of that name");
	if (fd == -E2BIG && cookie)
		return error_append(err, ": a cookie needs Linux 6.10");
	if (fd == -EINVAL)
		return error_append(err, ": the program is of another type, or reads more "
					 "arguments than the tracepoint has");
	return probe_explain_privilege(err, PROBE_BPF | PROBE_PERFMON);
}
