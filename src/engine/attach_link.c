/* SPDX-License-Identifier: MIT */
#include "attach_link.h"

#include <errno.h>
#include <stdbool.h>

#include "sys.h"

/* Only the reason: callers know which link it is. */
static int refuse(struct error *err, int code)
{
	char reason[128];

	error_describe(code, reason, sizeof(reason));
	return error_set(err, -code, "%s", reason);
}

/* The type of a link; BPF_LINK_TYPE_UNSPEC where the kernel does not tell. */
static uint32_t type_of(int fd)
{
	struct abi_link_info info = {0};

	return sys_obj_info(fd, &info, sizeof(info)) == 0 ? info.type : BPF_LINK_TYPE_UNSPEC;
}

static bool is_fixed(uint32_t type)
{
	return type == BPF_LINK_TYPE_RAW_TRACEPOINT || type == BPF_LINK_TYPE_PERF_EVENT ||
	       type == BPF_LINK_TYPE_TRACING;
}

int attach_link_update(int fd, int prog_fd, struct error *err)
{
	struct abi_link_update attr = {
		.link_fd = (uint32_t)fd,
		.new_prog_fd = (uint32_t)prog_fd,
	};
	int ret = sys_bpf(BPF_LINK_UPDATE, &attr, sizeof(attr));

	if (ret >= 0)
		return 0;
	refuse(err, ret);
	if (ret == -ENOLINK)
		return error_append(err, ": it is detached");
	if (ret == -EOPNOTSUPP || (ret == -EINVAL && is_fixed(type_of(fd))))
		return error_append(err, ": links of this type keep their program: attach the new "
					 "one, then close this link");
	if (ret == -EINVAL)
		return error_append(err, ": the program must have the type of the present one");
	return -1;
}

int attach_link_detach(int fd, struct error *err)
{
	uint32_t attr = (uint32_t)fd;
	int ret = sys_bpf(BPF_LINK_DETACH, &attr, sizeof(attr));

	if (ret >= 0)
		return 0;
	refuse(err, ret);
	if (ret == -EOPNOTSUPP)
		return error_append(
			err, ": links of this type detach when they are closed and not pinned");
	if (ret == -EINVAL)
		return error_append(err, ": needs Linux 5.9: close the link instead");
	return -1;
}
