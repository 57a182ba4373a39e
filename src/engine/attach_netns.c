/* SPDX-License-Identifier: MIT */
#include "attach_netns.h"

#include <errno.h>
#include <stddef.h>

#include "abi_net.h"
#include "probe.h"
#include "sys.h"
#include "sys_net.h"

static int explain(int code, uint32_t attach_type, struct error *err)
{
	if (attach_type == BPF_FLOW_DISSECTOR && (code == -EEXIST || code == -E2BIG))
		return error_append(
			err, ": it has a flow dissector already, or the first namespace has");
	if (code == -E2BIG)
		return error_append(err, ": it has too many programs");
	if (code == -EINVAL)
		return error_append(err,
			": it is no network namespace, the program is of another type, or Linux is "
			"older than %s",
			attach_type == BPF_SK_LOOKUP ? "5.9" : "5.8");
	return probe_explain_privilege(err, PROBE_NET_ADMIN);
}

int attach_netns(int prog_fd, uint32_t attach_type, const char *path, int fd, struct error *err)
{
	struct abi_link_create_net attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = attach_type,
	};
	int target = path ? sys_open_target(path) : fd;
	int ret = target;

	if (target >= 0) {
		attr.target = (uint32_t)target;
		ret = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
		if (path)
			sys_close(target);
	}
	if (ret >= 0)
		return ret;
	if (path)
		error_errno(err, ret, "network namespace \"%.400s\"", path);
	else
		error_errno(err, ret, "network namespace %d", fd);
	if (target < 0)
		return -1;
	return explain(ret, attach_type, err);
}

static const char *const hook_names[ABI_NF_HOOKS] = {
	"pre_routing",
	"local_in",
	"forward",
	"local_out",
	"post_routing",
};

const char *attach_netfilter_hook_name(uint32_t hook)
{
	return hook < ABI_NF_HOOKS ? hook_names[hook] : NULL;
}

static int explain_netfilter(int code, const struct attach_netfilter *where, struct error *err)
{
	if (code == -EINVAL)
		return error_append(err,
			": the program is of another type, or Linux is older than %s",
			where->defragment ? "6.6, or 6.4 without defragmenting" : "6.4");
	if (code == -ERANGE)
		return error_append(err,
			": a priority is above -2147483648 and below 2147483647, and above -400 "
			"where packets are defragmented");
	if (code == -EBUSY)
		return error_append(err, ": a netfilter program of that priority is there already");
	if (code == -ENOENT || code == -EOPNOTSUPP || code == -EAFNOSUPPORT)
		return error_append(err, ": the kernel has no netfilter for this family%s",
			where->defragment ? ", or cannot defragment" : "");
	return probe_explain_privilege(err, PROBE_NET_ADMIN);
}

int attach_netfilter(int prog_fd, const struct attach_netfilter *where, struct error *err)
{
	struct abi_link_create_net attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = BPF_NETFILTER,
		.netfilter =
			{
				.pf = where->family,
				.hooknum = where->hook,
				.priority = where->priority,
				.flags = where->defragment ? BPF_F_NETFILTER_IP_DEFRAG : 0,
			},
	};
	int fd = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));

	if (fd >= 0)
		return fd;
	error_errno(err, fd, "netfilter hook %s of %s", hook_names[where->hook],
		where->family == ABI_NFPROTO_IPV6 ? "ipv6" : "ipv4");
	return explain_netfilter(fd, where, err);
}
