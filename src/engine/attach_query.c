/* SPDX-License-Identifier: MIT */
#include "attach_query.h"

#include <errno.h>
#include <stdlib.h>

#include "abi_net.h"
#include "probe.h"
#include "sys.h"
#include "sys_net.h"

static const char *const kinds[] = {
	[ATTACH_QUERY_CGROUP] = "cgroup",
	[ATTACH_QUERY_INTERFACE] = "interface",
	[ATTACH_QUERY_NETNS] = "network namespace",
	[ATTACH_QUERY_MAP] = "map",
};

static int refuse(const struct attach_query_target *target, int code, struct error *err)
{
	if (target->name)
		error_errno(err, code, "query %s \"%.400s\"", kinds[target->kind], target->name);
	else
		error_errno(err, code, "query %s %d", kinds[target->kind], target->number);
	if (code == -EINVAL)
		return error_append(err,
			": it has no hook of that attach type, or this kernel does "
			"not tell what is there");
	if (code == -EBADF && target->kind == ATTACH_QUERY_CGROUP)
		return error_append(err, ": it is no cgroup of version 2");
	return probe_explain_privilege(err, PROBE_NET_ADMIN);
}

/* The arrays that the kernel fills: ids, flags, link ids. */
enum { IDS, FLAGS, LINKS, ARRAYS };

/* The kernel of before 6.6, and that of before 6.0, refuse what they do not know. Flags by program
 * are told of cgroups, but not together with what is inherited. */
static int query(struct abi_prog_query *attr, const struct attach_query_target *target,
	uint32_t *arrays, uint32_t room)
{
	bool tells_flags = target->kind == ATTACH_QUERY_INTERFACE ||
			   (target->kind == ATTACH_QUERY_CGROUP && !target->effective);
	int ret;

	attr->prog_ids = sys_ptr(arrays + (size_t)IDS * room);
	attr->count = room;
	if (tells_flags)
		attr->prog_attach_flags = sys_ptr(arrays + (size_t)FLAGS * room);
	if (target->kind == ATTACH_QUERY_INTERFACE)
		attr->link_ids = sys_ptr(arrays + (size_t)LINKS * room);
	ret = sys_bpf(BPF_PROG_QUERY, attr, sizeof(*attr));
	if (ret != -EINVAL || !tells_flags)
		return ret;
	attr->prog_attach_flags = 0;
	attr->link_ids = 0;
	attr->count = room;
	return sys_bpf(BPF_PROG_QUERY, attr, sizeof(*attr));
}

static int find_target(const struct attach_query_target *target)
{
	if (!target->name)
		return target->number;
	if (target->kind == ATTACH_QUERY_INTERFACE)
		return sys_interface_index(target->name);
	return sys_open_target(target->name);
}

static void copy(struct attach_query_program *programs, uint32_t count, const uint32_t *arrays,
	uint32_t room)
{
	uint32_t i;

	for (i = 0; i < count && i < room; i++) {
		programs[i].id = arrays[(size_t)IDS * room + i];
		programs[i].flags = arrays[(size_t)FLAGS * room + i];
		programs[i].link_id = arrays[(size_t)LINKS * room + i];
	}
}

int attach_query(const struct attach_query_target *target, struct attach_query_program *programs,
	uint32_t room, struct attach_query *out, struct error *err)
{
	struct abi_prog_query attr = {
		.attach_type = target->attach_type,
		.query_flags = target->effective ? BPF_F_QUERY_EFFECTIVE : 0,
	};
	uint32_t *arrays = calloc((size_t)ARRAYS * room, sizeof(*arrays));
	int place = find_target(target);
	int ret = place;

	if (!arrays)
		ret = -ENOMEM;
	if (ret >= 0) {
		attr.target = (uint32_t)place;
		ret = query(&attr, target, arrays, room);
	}
	if (ret >= 0)
		copy(programs, attr.count, arrays, room);
	free(arrays);
	if (target->name && target->kind != ATTACH_QUERY_INTERFACE)
		sys_close(place);
	out->count = attr.count;
	out->flags = attr.attach_flags;
	out->revision = attr.revision;
	if (ret < 0 && ret != -ENOSPC)
		return refuse(target, ret, err);
	return attr.count > room;
}
