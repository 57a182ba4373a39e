/* SPDX-License-Identifier: MIT */
#include "attach_struct_ops.h"

#include <errno.h>

#include "probe.h"
#include "sys.h"

static int refuse(struct error *err, int code)
{
	char reason[128];

	error_describe(code, reason, sizeof(reason));
	return error_set(err, -code, "%s", reason);
}

int attach_struct_ops(int map_fd, struct error *err)
{
	struct abi_link_create attr = {
		.prog_fd = (uint32_t)map_fd,
		.attach_type = BPF_STRUCT_OPS,
	};
	int fd = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));

	if (fd >= 0)
		return fd;
	refuse(err, fd);
	if (fd == -EINVAL)
		return error_append(err, ": the map must be made with BPF_F_LINK, which needs "
					 "Linux 6.4, and have its "
					 "struct in it");
	if (fd == -EEXIST)
		return error_append(err, ": another one of that name is registered already");
	return probe_explain_privilege(err, PROBE_BPF | PROBE_PERFMON);
}

int attach_struct_ops_update(int link_fd, int map_fd, struct error *err)
{
	struct abi_link_update attr = {
		.link_fd = (uint32_t)link_fd,
		.new_prog_fd = (uint32_t)map_fd,
	};
	int ret = sys_bpf(BPF_LINK_UPDATE, &attr, sizeof(attr));

	if (ret >= 0)
		return 0;
	refuse(err, ret);
	if (ret == -ENOLINK)
		return error_append(err, ": it is detached");
	if (ret == -EOPNOTSUPP)
		return error_append(err, ": structs of this type keep their programs");
	if (ret == -EINVAL)
		return error_append(err, ": the map must have a struct of the same type in it, "
					 "with the same name, and "
					 "BPF_F_LINK");
	return -1;
}
