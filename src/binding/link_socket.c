/* SPDX-License-Identifier: MIT */
/* Attaches programs to sockets, each function from a table of options to a Link. */
#include "../engine/abi.h"
#include "../engine/attach_socket.h"
#include "link_attachment.h"
#include "link_net.h"
#include "options.h"

static int open_filter(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const int *socket = target;

	(void)part;
	if (link_attachment_hold(prog_fd, hold, err) < 0)
		return -1;
	return link_attachment_done(
		attach_socket_filter(prog_fd, *socket, &hold->attachment, err), hold);
}

static int open_reuseport(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const int *socket = target;

	(void)part;
	if (link_attachment_hold(prog_fd, hold, err) < 0)
		return -1;
	return link_attachment_done(
		attach_socket_reuseport(prog_fd, *socket, &hold->attachment, err), hold);
}

static int attach(lua_State *L, const struct link_kind *kind, const uint32_t *types)
{
	static const char *const fields[] = {"program", "socket", NULL};
	int socket;

	options_check(L, 1, kind->name, fields);
	lua_settop(L, 1);
	link_net_program(L, types);
	lua_getfield(L, 1, "socket");
	if (lua_isnil(L, -1))
		link_attach_field_error(L, "socket", "fd of a socket expected");
	socket = (int)options_unsigned(L, 1, "socket", INT32_MAX, 0);
	lua_pushfstring(L, "%d", socket);
	return link_attach(L, 2, kind, &socket, 1);
}

/*
 * core.attach_socket_filter{program =, socket =}: runs the program on each packet that the socket,
 * given by its fd, receives; it returns how many bytes of it are kept. Takes the place of a filter
 * that is there. When the last fd of the socket is closed, so is the attachment.
 * Returns a Link; nil, message, errno. SO_ATTACH_BPF, Linux 3.19.
 */
static int attach_to_socket_filter(lua_State *L)
{
	static const uint32_t types[] = {BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_UNSPEC};
	static const struct link_kind kind = {"socket_filter", open_filter};

	return attach(L, &kind, types);
}

/*
 * core.attach_reuseport{program =, socket =}: the program chooses among the sockets that share the
 * address of the socket, given by its fd, by SO_REUSEPORT. Takes the place of one that is there.
 * Returns a Link; nil, message, errno. SO_ATTACH_REUSEPORT_EBPF, Linux 4.5 (socket_filter), 4.19
 * (sk_reuseport); detaching needs Linux 5.3.
 */
static int attach_to_reuseport(lua_State *L)
{
	static const uint32_t types[] = {
		BPF_PROG_TYPE_SK_REUSEPORT, BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_UNSPEC};
	static const struct link_kind kind = {"reuseport", open_reuseport};

	return attach(L, &kind, types);
}

void link_socket_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_socket_filter", attach_to_socket_filter},
		{"attach_reuseport", attach_to_reuseport},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
