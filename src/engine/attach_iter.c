/* SPDX-License-Identifier: MIT */
#include "attach_iter.h"

#include <errno.h>
#include <stddef.h>

#include "abi.h"
#include "probe.h"
#include "sys.h"

int attach_iter(int prog_fd, union abi_iter_info *info, struct error *err)
{
	struct abi_link_iter attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = BPF_TRACE_ITER,
		.info = sys_ptr(info),
		.info_len = info ? sizeof(*info) : 0,
	};
	int fd = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));

	if (fd >= 0)
		return fd;
	error_errno(err, fd, "iterator");
	if (fd == -EBADF)
		return error_append(err, ": it needs the map whose elements to walk");
	if (fd == -E2BIG)
		return error_append(err, ": the kernel is too old for these parameters: control "
					 "groups need Linux 6.1, tasks 6.1");
	if (fd == -EINVAL)
		return error_append(err, ": the parameters do not go with what it was loaded for");
	if (fd == -EACCES)
		return error_append(
			err, ": the program reads beyond the keys or values of the map");
	return probe_explain_privilege(err, PROBE_BPF | PROBE_PERFMON);
}

int attach_iter_open(int link_fd, struct error *err)
{
	struct abi_iter_create attr = {.link_fd = (uint32_t)link_fd};
	int fd = sys_bpf_fd(BPF_ITER_CREATE, &attr, sizeof(attr));

	if (fd >= 0)
		return fd;
	error_errno(err, fd, "read");
	if (fd == -EINVAL)
		return error_append(err, ": it is no iterator");
	return -1;
}

/* EAGAIN: the program wrote nothing for a million objects, and there are more. */
int attach_iter_read(int fd, void *buf, size_t size, struct error *err)
{
	int n;

	do {
		n = sys_read(fd, buf, size);
	} while (n == -EAGAIN || n == -EINTR);
	return n < 0 ? error_errno(err, n, "read from an iterator") : n;
}
