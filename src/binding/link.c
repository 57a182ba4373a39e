/* SPDX-License-Identifier: MIT */
/* Links: what keeps a program attached. A link that is collected closes its fd, and the kernel
 * then detaches the program, unless the link is pinned. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/attach_link.h"
#include "../engine/attach_probe.h"
#include "../engine/attach_xdp.h"
#include "../engine/link_info.h"
#include "../engine/sys.h"
#include "../engine/sys_info.h"
#include "failure.h"
#include "link.h"
#include "link_attach.h"
#include "link_attachment.h"
#include "open.h"
#include "options.h"
#include "pin.h"
#include "program.h"
#include "rooms.h"

struct link *link_push(lua_State *L, const char *kind)
{
	struct link *link = handle_new(L, &link_class, sizeof(*link));

	link->kind = kind;
	lua_newtable(L);
	compat_setuservalue(L, -2);
	return link;
}

int link_reserve(struct link *link, uint32_t parts, struct error *err)
{
	uint32_t i;

	link->parts = calloc(parts, sizeof(*link->parts));
	if (!link->parts)
		return error_errno(err, ENOMEM, "attach in %u places", parts);
	for (i = 0; i < parts; i++)
		link->parts[i].fd = -1;
	link->part_count = parts;
	link->process = sys_process_id();
	return 0;
}

void link_hold(struct link *link, uint32_t part, const struct attach_hold *hold)
{
	link->parts[part].fd = hold->fd;
	memcpy(link->parts[part].event, hold->event, sizeof(hold->event));
	link->is_event = hold->is_event;
	link->attachment = hold->attachment;
	if (part == 0)
		link->handle.fd = hold->fd;
}

void link_release(struct link *link)
{
	struct link_part *parts = link->parts;
	uint32_t i;

	sys_close(link->handle.fd);
	link->handle.fd = -1;
	for (i = 1; i < link->part_count; i++)
		sys_close(parts[i].fd);
	if (link->attachment.class)
		attachment_forget(&link->attachment);
	/* Forked processes share the fds, and tracefs is everybody's. */
	for (i = 0; i < link->part_count && link->process == sys_process_id(); i++)
		attach_probe_remove(parts[i].event);
	link->parts = NULL;
	link->part_count = 0;
	free(parts);
}

/* __gc: detaches nothing but what the kernel detaches by itself when its fd is closed. */
static int link_collect(lua_State *L)
{
	link_release(handle_check(L, 1, &link_class));
	return 0;
}

void link_set_name(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	compat_getuservalue(L, index);
	lua_insert(L, -2);
	lua_setfield(L, -2, "name");
	lua_pop(L, 1);
}

static void push_name(lua_State *L, int index)
{
	compat_getuservalue(L, index);
	lua_getfield(L, -1, "name");
	lua_remove(L, -2);
}

/* `raw_tracepoint link "sys_enter"`, left on the stack. */
static const char *push_title(lua_State *L, int index)
{
	struct link *link = lua_touserdata(L, index);

	push_name(L, index);
	if (lua_isnil(L, -1))
		lua_pushfstring(L, "%s link", link->kind);
	else
		lua_pushfstring(L, "%s link \"%s\"", link->kind, lua_tostring(L, -1));
	lua_remove(L, -2);
	return lua_tostring(L, -1);
}

/* The open link of method argument 1, or NULL after nil, message, EBADF have been pushed. */
static struct link *self_open(lua_State *L)
{
	struct link *link = handle_check(L, 1, &link_class);

	if (link->handle.fd >= 0)
		return link;
	handle_closed(L, &link_class);
	return NULL;
}

/* nil, `<attempt> <title of the link at 1>: <why>`, errno */
static int failure(lua_State *L, const char *attempt, struct error *err)
{
	error_prefix(err, "%s %s", attempt, push_title(L, 1));
	return failure_push(L, err);
}

/* close() method and __close. What cannot be detached stays attached, and is told of: nil, message,
 * errno. */
static int link_close(lua_State *L)
{
	struct link *link = handle_check(L, 1, &link_class);
	struct error err;
	int ret = 0;

	if (link->attachment.class)
		ret = link_attachment_end(link, &err);
	link_release(link);
	if (ret < 0)
		return failure(L, "detach", &err);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * link:update(program): puts another program of the same type in the place of the present one,
 * without a moment in between. For links of the network and of cgroups (Linux 5.7) but netfilter,
 * and for what the kernel has no link for; others keep their program. Returns true; nil, message, errno.
 */
static int link_update(lua_State *L)
{
	struct link *link = self_open(L);
	struct program *program = handle_check(L, 2, &program_class);
	struct error err;

	if (!link)
		return 3;
	if (program->handle.fd < 0)
		return handle_closed(L, &program_class);
	if (link->is_event) {
		error_set(&err, EINVAL, "a perf event keeps its program");
		return failure(L, "update", &err);
	}
	if (link->attachment.class ? link_attachment_update(L, link, program, &err) < 0
				   : attach_link_update(link->handle.fd, program->handle.fd, &err) <
					     0)
		return failure(L, "update", &err);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * link:detach(): detaches the program now, also where the link is pinned or open elsewhere. For
 * links of the network and of cgroups (Linux 5.9); others detach when their last fd and pin is
 * gone: EOPNOTSUPP. What the kernel has no link for is detached by the process that attached it,
 * and its Link closed. Returns true; nil, message, errno.
 */
static int link_detach(lua_State *L)
{
	struct link *link = self_open(L);
	struct error err;

	if (!link)
		return 3;
	/* A perf event runs its program, enabled or not, until it is closed. */
	if (link->is_event)
		return link_close(L);
	if (link->attachment.class) {
		if (link_attachment_detach(link, &err) < 0)
			return failure(L, "detach", &err);
		link_release(link);
		lua_pushboolean(L, 1);
		return 1;
	}
	if (attach_link_detach(link->handle.fd, &err) < 0)
		return failure(L, "detach", &err);
	lua_pushboolean(L, 1);
	return 1;
}

/* The kernel tells nothing about a perf event that is no link. */
static int event_info(lua_State *L)
{
	const struct link *link = lua_touserdata(L, 1);

	lua_newtable(L);
	lua_pushstring(L, names_of(&names_link_types, BPF_LINK_TYPE_PERF_EVENT));
	lua_setfield(L, -2, "type");
	push_name(L, 1);
	lua_setfield(L, -2, strcmp(link->kind, "tracepoint") == 0 ? "tracepoint" : "name");
	return 1;
}

/*
 * link:info(): a table {type, id, prog_id} and what the type has besides, named as bpftool names
 * it. What the running kernel does not tell is nil; cookies, counts of what was missed and
 * ref_ctr_offset are nil also when they are 0, as kernels that do not tell them say 0.
 *   raw_tracepoint: tp_name, cookie (Linux 6.17)
 *   tracing: attach_type, target_obj_id, target_btf_id, cookie (Linux 6.17), prog_type
 *   perf_event (Linux 6.6; cookies 6.9): tracepoint, cookie; or func, addr, offset, missed, cookie,
 *     retprobe; or file, offset, cookie, ref_ctr_offset (Linux 6.16), retprobe; or event_type,
 *     event_config, cookie
 *   kprobe_multi (Linux 6.6): func_cnt, flags, retprobe, missed (Linux 6.7), funcs = {{addr =, func =,
 *     module =, cookie =}, ...} (cookies from Linux 6.9 on); the addresses are 0, and functions have
 *     no names, where kernel.kptr_restrict hides them
 *   uprobe_multi (Linux 6.8): path, func_cnt, flags, retprobe, pid,
 *     funcs = {{offset =, ref_ctr_offset =, cookie =}, ...}
 *   xdp: ifindex (0: the interface is gone, or the link detached), and where this network namespace
 *     has the interface devname and mode; tcx, netkit: ifindex, devname, attach_type
 *   cgroup: cgroup_id, attach_type; netns: netns_ino, attach_type; struct_ops: map_id
 *   netfilter: pf, hook, prio, flags; sockmap: map_id, attach_type
 *   iter: target_name, and by its target map_id; cgroup_id, order; tid, pid
 * Or nil, message, errno. BPF_OBJ_GET_INFO_BY_FD, Linux 5.8.
 */
static int link_get_info(lua_State *L)
{
	struct link *link = self_open(L);
	struct error err;

	if (!link)
		return 3;
	if (link->is_event)
		return event_info(L);
	if (link->attachment.class) {
		link_attachment_push_info(L, link);
		return 1;
	}
	if (link_push_info(L, link->handle.fd, &err) < 0)
		return failure(L, "read info of", &err);
	return 1;
}

/* tostring(link): `raw_tracepoint link "sys_enter" #5`, the number being the fd. */
static int link_tostring(lua_State *L)
{
	struct link *link = handle_check(L, 1, &link_class);

	push_title(L, 1);
	if (link->handle.fd >= 0)
		lua_pushfstring(L, "%s #%d", lua_tostring(L, -1), link->handle.fd);
	else
		lua_pushfstring(L, "%s (closed)", lua_tostring(L, -1));
	return 1;
}

/*
 * link:pin(path): makes a file of it, in a directory of a bpf filesystem: the program stays
 * attached until that file is gone as well. Returns true; nil, message, errno.
 */
static int link_pin(lua_State *L)
{
	struct link *link = handle_check(L, 1, &link_class);

	if (link->part_count > 1 && link->handle.fd >= 0)
		return failure_errno(L, EOPNOTSUPP,
			"pin %s: it is made of %d attachments, and a file holds one",
			push_title(L, 1), (int)link->part_count);
	if (link->attachment.class)
		return failure_errno(L, EOPNOTSUPP,
			"pin %s: the kernel has no link for it: it stays until it is detached",
			push_title(L, 1));
	if (!link->is_event)
		return pin_pin(L, &link_class);
	return failure_errno(L, EOPNOTSUPP,
		"pin %s: it is a perf event, links for those need Linux 5.15", push_title(L, 1));
}

/* link:unpin(): removes the pin; also true when there is none. Or nil, message, errno. */
static int link_unpin(lua_State *L)
{
	return pin_unpin(L, &link_class);
}

/* link:is_pinned(): whether it was pinned, or opened from a pin. */
static int link_is_pinned(lua_State *L)
{
	return pin_is_pinned(L, &link_class);
}

/* Gives the opened link on top of the stack its kind and name, as far as the kernel tells them. */
static void describe(lua_State *L, struct link *link)
{
	struct link_info info;
	struct attach_xdp_place place;
	const struct abi_link_info *k = &info.kernel;
	struct error ignored;

	if (link_info_read(link->handle.fd, &info, &ignored) < 0)
		return;
	if (names_of(&names_link_types, k->type))
		link->kind = names_of(&names_link_types, k->type);
	if (k->type == BPF_LINK_TYPE_PERF_EVENT && k->perf_event.type == BPF_PERF_EVENT_TRACEPOINT)
		link->kind = "tracepoint";
	if (k->type == BPF_LINK_TYPE_XDP && attach_xdp_find(k->xdp.ifindex, k->prog_id, &place))
		lua_pushstring(L, place.interface);
	else if ((k->type == BPF_LINK_TYPE_TCX || k->type == BPF_LINK_TYPE_NETKIT) &&
		 sys_interface_name(k->tcx.ifindex, place.interface) == 0)
		lua_pushstring(L, place.interface);
	else if (info.name[0])
		lua_pushstring(L, info.name);
	else
		return;
	link_set_name(L, -2);
}

/*
 * core.load_pinned_link(path) -> Link; nil, message, errno, also when something else than a link
 * is pinned there.
 */
static int load_pinned(lua_State *L)
{
	struct link *link;
	struct error err;

	luaL_checkstring(L, 1);
	lua_settop(L, 1);
	link = link_push(L, "bpf");
	if (pin_open(L, 1, &link->handle, &link_class, 0, &err) < 0)
		return failure_push(L, &err);
	describe(L, link);
	return 1;
}

/* core.link_from_id(id) -> Link; nil, message, errno: ENOENT when no link has that id. Needs
 * CAP_SYS_ADMIN. Linux 5.8. */
static int from_id(lua_State *L)
{
	uint32_t id = (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX);
	struct link *link = link_push(L, "bpf");
	char what[OPEN_WHAT];
	struct error err;

	if (open_by_id(L, &link->handle, BPF_LINK_GET_FD_BY_ID, id, 0, what, &err) < 0)
		return failure_push(L, &err);
	describe(L, link);
	return 1;
}

/* core.link_from_fd(fd) -> Link; nil, message, errno: EBADF when it is closed, EINVAL when it is of
 * something else, as of a perf event, which a kprobe of Linux before 5.15 is. The Link has a descriptor
 * of its own: the program stays attached until both are closed. */
static int from_fd(lua_State *L)
{
	struct link *link = link_push(L, "bpf");
	char what[OPEN_WHAT];
	struct error err;

	if (open_by_fd(L, 1, &link->handle, what, &err) < 0)
		return failure_push(L, &err);
	describe(L, link);
	return 1;
}

static const luaL_Reg methods[] = {
	{"update", link_update},
	{"detach", link_detach},
	{"info", link_get_info},
	{"pin", link_pin},
	{"unpin", link_unpin},
	{"is_pinned", link_is_pinned},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__gc", link_collect},
	{"__tostring", link_tostring},
	{NULL, NULL},
};

const struct handle_class link_class = {
	.name = "ebpf.link",
	.what = "link",
	.methods = methods,
	.metamethods = metamethods,
	.close = link_close,
};

void link_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"load_pinned_link", load_pinned},
		{"link_from_id", from_id},
		{"link_from_fd", from_fd},
		{NULL, NULL},
	};

	handle_register(L, &link_class);
	luaL_setfuncs(L, functions, 0);
	link_trace_register(L);
	link_probe_register(L);
	link_multi_register(L);
	link_tracing_register(L);
	link_net_register(L);
	link_struct_ops_register(L);
}
