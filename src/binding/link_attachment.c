/* SPDX-License-Identifier: MIT */
#include "link_attachment.h"

#include <errno.h>

#include "../engine/attach_tc.h"
#include "../engine/attach_xdp.h"
#include "../engine/names.h"
#include "../engine/sys.h"
#include "../engine/sys_net.h"
#include "info.h"

int link_attachment_hold(int prog_fd, struct attach_hold *hold, struct error *err)
{
	hold->fd = sys_dup(prog_fd);
	return hold->fd < 0 ? error_errno(err, hold->fd, "keep the program") : 0;
}

int link_attachment_done(int ret, struct attach_hold *hold)
{
	if (ret == 0)
		return 0;
	sys_close(hold->fd);
	hold->fd = -1;
	return -1;
}

static int check_owner(const struct link *link, struct error *err)
{
	if (attachment_is_own(&link->attachment))
		return 0;
	return error_set(err, EPERM, "the process that attached it has to do this");
}

int link_attachment_update(
	lua_State *L, struct link *link, const struct program *program, struct error *err)
{
	int old, fd;

	if (check_owner(link, err) < 0)
		return -1;
	fd = sys_dup(program->handle.fd);
	if (handle_reclaimed(L, fd) && program->handle.fd >= 0)
		fd = sys_dup(program->handle.fd);
	if (fd < 0)
		return error_errno(err, fd, "keep the program");
	/* Collecting garbage may have run code that closed it. */
	old = link->handle.fd;
	if (!link->attachment.class) {
		sys_close(fd);
		return error_set(err, EBADF, "it is closed");
	}
	if (link->attachment.class->update(&link->attachment, old, fd, err) < 0) {
		sys_close(fd);
		return -1;
	}
	link->handle.fd = fd;
	if (link->parts)
		link->parts[0].fd = fd;
	sys_close(old);
	return 0;
}

int link_attachment_detach(const struct link *link, struct error *err)
{
	if (check_owner(link, err) < 0)
		return -1;
	return link->attachment.class->detach(&link->attachment, link->handle.fd, err);
}

int link_attachment_end(const struct link *link, struct error *err)
{
	static const int gone[] = {ENOENT, ENODEV, EEXIST, EBADF};
	size_t i;

	if (!attachment_is_own(&link->attachment) || link_attachment_detach(link, err) == 0)
		return 0;
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		if (err->code == gone[i])
			return 0;
	}
	return -1;
}

/* Its name, and the mode of an XDP program on it, unless it is out of sight. */
static void set_interface(lua_State *L, const struct attachment *a, uint32_t prog_id)
{
	struct attach_xdp_interface interface;
	const char *mode;

	info_set_integer(L, "ifindex", a->ifindex);
	if (a->target < 0 && a->netns != attachment_netns())
		return;
	if (attach_xdp_ask(a->target, a->ifindex, &interface) < 0)
		return;
	info_set_string(L, "devname", interface.name);
	if (a->class->kind != ATTACHMENT_XDP)
		return;
	mode = attach_xdp_mode_name(attach_xdp_mode_of(&interface, prog_id));
	if (mode)
		info_set_string(L, "mode", mode);
}

static void set_tc(lua_State *L, const struct attachment *a)
{
	if (a->tc.parent == ATTACH_TC_INGRESS || a->tc.parent == ATTACH_TC_EGRESS)
		info_set_string(
			L, "hook", a->tc.parent == ATTACH_TC_INGRESS ? "ingress" : "egress");
	info_set_integer(L, "parent", a->tc.parent);
	info_set_integer(L, "priority", a->tc.priority);
	info_set_integer(L, "handle", a->tc.handle);
	info_set_integer(L, "chain", a->tc.chain);
	info_set_string(L, "name", a->tc.name);
	lua_pushboolean(L, a->tc.direct_action);
	lua_setfield(L, -2, "direct_action");
}

static void set_hook(lua_State *L, const struct link *link)
{
	const struct attachment *a = &link->attachment;
	uint64_t inode;

	info_set_named(L, "attach_type", &names_attach_types, a->attach_type);
	/* The id of a cgroup is the number of its directory. */
	if (link->kind[0] == 'c' && sys_inode(a->target, &inode) == 0)
		info_set_u64(L, "cgroup_id", inode);
}

void link_attachment_push_info(lua_State *L, const struct link *link)
{
	const struct attachment *a = &link->attachment;
	uint32_t prog_id = attachment_program_id(link->handle.fd);

	lua_newtable(L);
	info_set_string(L, "type", link->kind);
	info_set_integer(L, "prog_id", prog_id);
	if (a->ifindex)
		set_interface(L, a, prog_id);
	if (a->class->kind == ATTACHMENT_TC)
		set_tc(L, a);
	else if (a->class->kind == ATTACHMENT_HOOK)
		set_hook(L, link);
	else if (a->class->kind == ATTACHMENT_SOCKET)
		info_set_integer(L, "socket", (uint32_t)a->socket.fd);
}
