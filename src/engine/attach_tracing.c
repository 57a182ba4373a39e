/* SPDX-License-Identifier: MIT */
#include "attach_tracing.h"

#include <errno.h>

#include "abi.h"
#include "abi_trace.h"
#include "probe.h"
#include "sys.h"

/* Without a name the tracepoint is where the program was loaded for: any kernel that has these
 * programs takes this, but only newer ones make such links by BPF_LINK_CREATE. */
static int open_loaded_for(int prog_fd)
{
	struct abi_raw_tracepoint attr = {.prog_fd = (uint32_t)prog_fd};

	return sys_bpf_fd(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
}

static int create(int prog_fd, const struct attach_tracing *t)
{
	struct abi_link_tracing attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_fd = t->target_fd,
		.attach_type = t->attach_type,
		.target_btf_id = t->target_btf_id,
		.cookie = t->cookie,
	};

	return sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
}

int attach_tracing(int prog_fd, const struct attach_tracing *t, struct error *err)
{
	int fd = t->target_fd || t->cookie ? create(prog_fd, t) : open_loaded_for(prog_fd);

	if (fd >= 0)
		return fd;
	error_errno(err, fd, "attach to what it was loaded for");
	if (t->cookie && (fd == -EINVAL || fd == -E2BIG))
		return error_append(err, ": a cookie needs Linux 5.19, for a tp_btf program 6.10");
	if (fd == -EINVAL && t->target_btf_id)
		return error_append(
			err, ": the function must have the arguments of the one it was loaded for");
	if (fd == -ENOENT)
		return error_append(err,
			": it was attached before, and before Linux 5.15 a program "
			"can be but once: load it anew");
	if (fd == -EBUSY || fd == -EEXIST)
		return error_append(err, ": it is attached already");
	if (fd == -E2BIG)
		return error_append(err, ": too many programs are attached to it");
	return probe_explain_privilege(err, PROBE_BPF | PROBE_PERFMON);
}
