/* SPDX-License-Identifier: MIT */
/* Attaches programs of the network, each function from a table of options to a Link. */
#include <string.h>

#include "../engine/abi.h"
#include "../engine/attach_xdp.h"
#include "link.h"
#include "link_attach.h"
#include "options.h"

static enum attach_xdp_mode check_mode(lua_State *L)
{
	const char *name = options_string(L, 1, "mode");
	int mode;

	lua_pop(L, 1);
	if (!name)
		return ATTACH_XDP_ANY;
	for (mode = ATTACH_XDP_NATIVE; mode <= ATTACH_XDP_OFFLOAD; mode++) {
		if (strcmp(name, attach_xdp_mode_name((enum attach_xdp_mode)mode)) == 0)
			return (enum attach_xdp_mode)mode;
	}
	link_attach_field_error(L, "mode", "\"native\", \"generic\" or \"offload\" expected");
	return ATTACH_XDP_ANY;
}

struct xdp_target {
	const char *interface; /* NULL: by index */
	uint32_t ifindex;
	enum attach_xdp_mode mode;
};

static int open_xdp(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct xdp_target *r = target;

	(void)part;
	hold->fd = attach_xdp(prog_fd, r->interface, r->ifindex, r->mode, err);
	return hold->fd < 0 ? -1 : 0;
}

/*
 * core.attach_xdp{program =, interface =, mode =}: runs the program on each packet that arrives
 * at the network interface, given by name or index, of the caller's network namespace. `mode` is
 * "native" (in the driver), "generic" (in the network stack: any interface, slower), "offload"
 * (in the card) or nil: native where the driver can, else generic; info().mode tells which.
 * Returns a Link; nil, message, errno: ENODEV, EBUSY or EEXIST when the interface has a program
 * already, EOPNOTSUPP when the driver lacks the mode. BPF_LINK_CREATE, Linux 5.9.
 */
static int attach_to_xdp(lua_State *L)
{
	static const char *const fields[] = {"program", "interface", "mode", NULL};
	static const struct link_kind kind = {"xdp", open_xdp};
	struct xdp_target r = {0};

	options_check(L, 1, "xdp", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_XDP);
	r.mode = check_mode(L);
	lua_getfield(L, 1, "interface");
	if (lua_type(L, -1) == LUA_TNUMBER) {
		r.ifindex = (uint32_t)options_unsigned(L, 1, "interface", INT32_MAX, 0);
		lua_pushfstring(L, "%d", (int)r.ifindex);
	} else if (lua_isnil(L, -1)) {
		link_attach_field_error(
			L, "interface", "name or index of a network interface expected");
	} else {
		r.interface = link_attach_string(L, "interface");
	}
	return link_attach(L, 2, &kind, &r, 1);
}

void link_net_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_xdp", attach_to_xdp},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
