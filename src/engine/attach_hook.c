/* SPDX-License-Identifier: MIT */
#include "attach_hook.h"

#include <errno.h>
#include <string.h>

#include "abi_net.h"
#include "probe.h"
#include "sys.h"
#include "sys_net.h"

enum { PLACE_FLAGS = BPF_F_BEFORE | BPF_F_AFTER | BPF_F_ID | BPF_F_PREORDER | BPF_F_ANCHOR_LINK };

/* The cases that reasons[] below tells apart, a bit for each kind of hook. */
enum {
	CGROUP = 1 << ATTACH_HOOK_CGROUP,
	TCX = 1 << ATTACH_HOOK_TCX,
	NETKIT = 1 << ATTACH_HOOK_NETKIT,
	SOCKMAP = 1 << ATTACH_HOOK_SOCKMAP,
	MPROG = TCX | NETKIT,
	LINK = 1 << 8, /* it was to be a link */
	PLACED = 1 << 9, /* among others, or with a revision */
	REPLACING = 1 << 10,
};

/* What an errno of the kernel's means, when all bits of `only` are given: the first that fits. */
static const struct reason {
	uint32_t kinds;
	uint32_t only;
	int code;
	const char *text;
} reasons[] = {
	{MPROG | CGROUP, 0, ESTALE,
		"the list of programs is not of the expected revision any more"},
	{MPROG, 0, EEXIST, "this program is there already"},
	{MPROG | CGROUP, PLACED, ENOENT, "what it is to stand next to is not there"},
	{MPROG | CGROUP, REPLACING, ENOENT, "the program to be replaced is not there"},
	{CGROUP, 0, ENOENT, "there is no such directory"},
	{MPROG, 0, ERANGE, "too many programs, or no place is at both of the ends asked for"},
	{MPROG, REPLACING, EBUSY, "a link holds the program to be replaced: update that link"},
	{SOCKMAP, 0, EBUSY, "it has a program of that kind, held by a link"},
	{MPROG, 0, ENODEV, "this network namespace has no such interface"},
	{CGROUP, 0, EBADF, "it is no cgroup of version 2"},
	{CGROUP, PLACED, E2BIG, "places among the programs of a cgroup need Linux 6.17"},
	{CGROUP, 0, E2BIG, "too many programs are attached to it"},
	{CGROUP, 0, EPERM,
		"programs of this cgroup or of one above may be attached without letting others"},
	{CGROUP, PLACED, EINVAL,
		"programs of other types or attach types are no neighbours, and places among the "
		"programs of a cgroup need Linux 6.17"},
	{CGROUP, LINK, EINVAL,
		"the program is made for another attach type, or Linux does not know that one, or "
		"is older than 5.7: use by = \"attach\" there"},
	{CGROUP, 0, EINVAL,
		"the program is made for another attach type, or Linux does not know that one, or "
		"programs are attached in another way (multi, override) already"},
	{TCX, 0, EINVAL, "there is no such place, or Linux is older than 6.6: use link.tc there"},
	{NETKIT, 0, EINVAL,
		"the interface is no netkit device, or there is no such place, or Linux is older "
		"than 6.7"},
	{NETKIT, 0, EACCES, "it is not the primary device of its pair"},
	{NETKIT, 0, ENXIO, "the interface is no netkit device"},
	{SOCKMAP, LINK, EINVAL,
		"the program is made for another attach type, or the map is no sockmap or "
		"sockhash, "
		"or Linux is older than 6.10: use by = \"attach\" there"},
	{SOCKMAP, 0, EINVAL,
		"the program is made for another attach type, or the map is no sockmap or "
		"sockhash"},
	{SOCKMAP, 0, EOPNOTSUPP, "the map is no sockmap or sockhash"},
};

static int explain(const struct attach_hook *hook, uint32_t how, struct error *err)
{
	const struct reason *r = reasons, *end = r + sizeof(reasons) / sizeof(reasons[0]);

	if (hook->flags & PLACE_FLAGS || hook->relative || hook->expected_revision)
		how |= PLACED;
	if (hook->flags & BPF_F_REPLACE)
		how |= REPLACING;
	probe_explain_privilege(err, PROBE_NET_ADMIN);
	for (; r < end; r++) {
		if (r->kinds & 1U << hook->kind && r->code == err->code && !(r->only & ~how))
			return error_append(err, ": %s", r->text);
	}
	return -1;
}

static int refuse(const struct attach_hook *hook, int code, uint32_t how, struct error *err)
{
	const char *what = hook->kind == ATTACH_HOOK_CGROUP ? "cgroup" : "interface";

	if (hook->kind == ATTACH_HOOK_SOCKMAP)
		error_errno(err, code, "sockmap");
	else if (hook->name)
		error_errno(err, code, "%s \"%.400s\"", what, hook->name);
	else
		error_errno(err, code, "%s %d", what, hook->number);
	return explain(hook, how, err);
}

/* The fd of the cgroup or the map, or the index of the interface. */
static int find_target(const struct attach_hook *hook)
{
	if (!hook->name)
		return hook->number;
	if (hook->kind == ATTACH_HOOK_CGROUP)
		return sys_open_target(hook->name);
	return sys_interface_index(hook->name);
}

static void let_go(const struct attach_hook *hook, int target)
{
	if (hook->name && hook->kind == ATTACH_HOOK_CGROUP)
		sys_close(target);
}

int attach_hook_link(int prog_fd, const struct attach_hook *hook, struct error *err)
{
	struct abi_link_create_net attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = hook->attach_type,
		.flags = hook->flags,
	};
	int target, fd;

	if (hook->kind != ATTACH_HOOK_SOCKMAP) {
		attr.place.relative = hook->relative;
		attr.place.expected_revision = hook->expected_revision;
	}
	fd = target = find_target(hook);
	if (target >= 0) {
		attr.target = (uint32_t)target;
		fd = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
		let_go(hook, target);
	}
	return fd < 0 ? refuse(hook, fd, LINK, err) : fd;
}

static struct abi_prog_attach describe(const struct attachment *a, int prog_fd)
{
	return (struct abi_prog_attach){
		.target = a->target >= 0 ? (uint32_t)a->target : a->ifindex,
		.attach_bpf_fd = (uint32_t)prog_fd,
		.attach_type = a->attach_type,
	};
}

/* An index of an interface says something only where it was taken. */
static int check_netns(const struct attachment *a, struct error *err)
{
	if (a->target >= 0 || a->netns == attachment_netns())
		return 0;
	return error_set(err, EXDEV, "it is in another network namespace than this thread");
}

static int detach(const struct attachment *a, int prog_fd, struct error *err)
{
	struct abi_prog_attach attr = describe(a, prog_fd);
	char reason[128];
	int ret;

	if (check_netns(a, err) < 0)
		return -1;
	ret = sys_bpf(BPF_PROG_DETACH, &attr, sizeof(attr));
	if (ret >= 0)
		return 0;
	error_describe(ret, reason, sizeof(reason));
	error_set(err, ret, "%s", reason);
	if (ret == -ENOENT)
		return error_append(err, ": it is attached there no more");
	return probe_explain_privilege(err, PROBE_NET_ADMIN);
}

/* Where there can be several, the old one is named; else the new one takes its place as it comes. */
static int update(const struct attachment *a, int prog_fd, int new_prog_fd, struct error *err)
{
	struct abi_prog_attach attr = describe(a, new_prog_fd);
	bool several = a->ifindex || a->flags & BPF_F_ALLOW_MULTI;
	char reason[128];
	int ret;

	if (check_netns(a, err) < 0)
		return -1;
	attr.attach_flags = a->flags & (BPF_F_ALLOW_MULTI | BPF_F_ALLOW_OVERRIDE | BPF_F_PREORDER);
	if (several) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)prog_fd;
	}
	ret = sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
	if (ret >= 0)
		return 0;
	error_describe(ret, reason, sizeof(reason));
	error_set(err, ret, "%s", reason);
	if (ret == -EINVAL)
		return error_append(err, ": the program must have the type of the present one%s",
			several ? ", and replacing one of several needs Linux 5.5" : "");
	if (ret == -ENOENT)
		return error_append(err, ": the present program is attached there no more");
	return probe_explain_privilege(err, PROBE_NET_ADMIN);
}

static const struct attachment_class by_command = {ATTACHMENT_HOOK, detach, update};

/* Gives the attachment what its target will be detached from. */
static int keep_target(const struct attach_hook *hook, int target, struct attachment *a)
{
	if (hook->kind == ATTACH_HOOK_TCX || hook->kind == ATTACH_HOOK_NETKIT) {
		a->ifindex = (uint32_t)target;
		a->netns = attachment_netns();
		return 0;
	}
	a->target = hook->name ? target : sys_dup(target);
	return a->target < 0 ? a->target : 0;
}

int attach_hook_program(
	int prog_fd, const struct attach_hook *hook, struct attachment *a, struct error *err)
{
	struct abi_prog_attach attr;
	int ret;

	attachment_init(a);
	a->attach_type = hook->attach_type;
	a->flags = hook->flags;
	ret = find_target(hook);
	if (ret >= 0)
		ret = keep_target(hook, ret, a);
	if (ret >= 0) {
		attr = describe(a, prog_fd);
		attr.attach_flags = hook->flags;
		attr.replace_bpf_fd = hook->flags & BPF_F_REPLACE ? (uint32_t)hook->replaced : 0;
		attr.relative = hook->relative;
		attr.expected_revision = hook->expected_revision;
		ret = sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
	}
	if (ret < 0) {
		attachment_forget(a);
		return refuse(hook, ret, 0, err);
	}
	a->class = &by_command;
	a->owner = sys_process_id();
	return 0;
}
