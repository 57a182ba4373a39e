/* SPDX-License-Identifier: MIT */
/* Attaches XDP programs, and those of network namespaces, each function from a table of options to
 * a Link. */
#include "link_net.h"

#include <errno.h>
#include <string.h>

#include "../engine/abi_net.h"
#include "../engine/attach_netns.h"
#include "../engine/attach_xdp.h"
#include "link_attachment.h"
#include "options.h"
#include "rooms.h"

struct link_net_place link_net_place(lua_State *L, const char *field, const char *expected)
{
	struct link_net_place place = {NULL, -1};

	lua_getfield(L, 1, field);
	if (lua_type(L, -1) == LUA_TNUMBER) {
		place.number = (int)options_unsigned(L, 1, field, INT32_MAX, 0);
		lua_pushfstring(L, "%d", place.number);
	} else if (lua_type(L, -1) == LUA_TSTRING) {
		place.name = link_attach_string(L, field);
	} else {
		link_attach_field_error(L, field, expected);
	}
	return place;
}

struct link_net_place link_net_interface(lua_State *L)
{
	return link_net_place(L, "interface", "name or index of a network interface expected");
}

struct program *link_net_program(lua_State *L, const uint32_t *types)
{
	struct program *program;
	const uint32_t *type = types;

	lua_getfield(L, 1, "program");
	program = handle_test(L, -1, &program_class);
	if (!program)
		link_attach_field_error(L, "program", "Program expected");
	while (*type && *type != program->type)
		type++;
	if (*type)
		return program;
	options_push_name(L, &names_prog_types, program->type);
	link_attach_field_error(L, "program",
		lua_pushfstring(L, "program of type %s expected%s, this is of type %s",
			names_of(&names_prog_types, types[0]), types[1] ? " (or a like one)" : "",
			lua_tostring(L, -1)));
	return NULL;
}

int link_net_choice(lua_State *L, const char *field, const char *const *names)
{
	const char *name = link_attach_optional_string(L, field);
	int i;

	if (!name)
		return -1;
	for (i = 0; names[i]; i++) {
		if (strcmp(name, names[i]) == 0)
			return i;
	}
	lua_pushfstring(L, "\"%s\"", names[0]);
	for (i = 1; names[i]; i++)
		lua_pushfstring(L, "%s%s\"%s\"", lua_tostring(L, -1), names[i + 1] ? ", " : " or ",
			names[i]);
	return link_attach_field_error(
		L, field, lua_pushfstring(L, "%s expected", lua_tostring(L, -1)));
}

bool link_net_by(lua_State *L, const char *other)
{
	const char *const names[] = {"link", other, NULL};

	return link_net_choice(L, "by", names) == 1;
}

int link_net_attach_type(lua_State *L, const struct program *program, int fallback)
{
	uint32_t known = UINT32_MAX;

	if (program->has_attach_type)
		known = program->attach_type;
	else if (fallback >= 0)
		known = (uint32_t)fallback;
	known = options_name(L, 1, "attach_type", &names_attach_types, known);
	return known > INT32_MAX ? -1 : (int)known;
}

bool link_net_replace(lua_State *L, const struct program **replaced)
{
	*replaced = NULL;
	lua_getfield(L, 1, "replace");
	if (lua_isnil(L, -1) || lua_isboolean(L, -1))
		return lua_toboolean(L, -1);
	*replaced = handle_test(L, -1, &program_class);
	if (!*replaced)
		link_attach_field_error(L, "replace", "Program, true or false expected");
	return true;
}

struct xdp_target {
	struct attach_xdp_target where;
	const struct program *replaced; /* or NULL */
};

static int open_xdp(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct xdp_target *r = target;

	(void)part;
	hold->fd = attach_xdp(prog_fd, &r->where, err);
	return hold->fd < 0 ? -1 : 0;
}

static int open_xdp_netlink(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct xdp_target *r = target;
	struct attach_xdp_target where = r->where;

	(void)part;
	where.replaced = r->replaced ? r->replaced->handle.fd : -1;
	if (r->replaced && where.replaced < 0)
		return error_set(err, EBADF, "the program to be replaced is closed");
	if (link_attachment_hold(prog_fd, hold, err) < 0)
		return -1;
	return link_attachment_done(
		attach_xdp_netlink(prog_fd, &where, &hold->attachment, err), hold);
}

/*
 * core.attach_xdp{program =, interface =, mode =, by =, replace =}: runs the program on each packet
 * that arrives at the network interface, given by name or index, of the caller's network namespace.
 * `mode` is "native" (in the driver), "generic" (in the network stack: any interface, slower),
 * "offload" (in the card) or nil: native where the driver can, else generic; info().mode tells
 * which. `by` = "netlink" makes no link of the kernel's, for Linux before 5.9 or to be seen by tools
 * that know no links; then `replace` = true takes the place of whatever is there, a Program that of
 * this program only.
 * Returns a Link; nil, message, errno: ENODEV, EBUSY or EEXIST when the interface has a program
 * already, EOPNOTSUPP when the driver lacks the mode. BPF_LINK_CREATE, or RTM_SETLINK, Linux 4.8.
 */
static int attach_to_xdp(lua_State *L)
{
	static const char *const fields[] = {"program", "interface", "mode", "by", "replace", NULL};
	static const char *const modes[] = {"native", "generic", "offload", NULL};
	static const uint32_t types[] = {BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_UNSPEC};
	static const struct link_kind kind = {"xdp", open_xdp};
	static const struct link_kind netlink = {"xdp", open_xdp_netlink};
	struct xdp_target r = {0};
	struct link_net_place place;
	bool by_netlink;

	options_check(L, 1, "xdp", fields);
	lua_settop(L, 1);
	link_net_program(L, types);
	r.where.mode =
		(enum attach_xdp_mode)(ATTACH_XDP_NATIVE + link_net_choice(L, "mode", modes));
	by_netlink = link_net_by(L, "netlink");
	r.where.replaces = link_net_replace(L, &r.replaced);
	if (r.where.replaces && !by_netlink)
		link_attach_field_error(L, "replace",
			"needs by = \"netlink\": a link gets another program by link:update()");
	place = link_net_interface(L);
	r.where.interface = place.name;
	r.where.ifindex = (uint32_t)place.number;
	return link_attach(L, 2, by_netlink ? &netlink : &kind, &r, 1);
}

struct netns_target {
	uint32_t attach_type;
	struct link_net_place place;
};

static int open_netns(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct netns_target *r = target;

	(void)part;
	hold->fd = attach_netns(prog_fd, r->attach_type, r->place.name, r->place.number, err);
	return hold->fd < 0 ? -1 : 0;
}

/*
 * core.attach_netns{program =, netns =}: runs a program of type sk_lookup, which chooses the socket
 * for packets and connections that arrive in a network namespace, or flow_dissector. `netns` is
 * the path of a file that stands for the namespace, "/run/netns/NAME" or "/proc/PID/ns/net", or an
 * fd of it; nil: the caller's.
 * Returns a Link; nil, message, errno: EEXIST when there is a flow dissector, E2BIG when there are
 * too many programs (64). BPF_LINK_CREATE, Linux 5.9, flow_dissector 5.8.
 */
static int attach_to_netns(lua_State *L)
{
	static const char *const fields[] = {"program", "netns", NULL};
	static const uint32_t types[] = {
		BPF_PROG_TYPE_SK_LOOKUP, BPF_PROG_TYPE_FLOW_DISSECTOR, BPF_PROG_TYPE_UNSPEC};
	static const struct link_kind kind = {"netns", open_netns};
	const struct program *program;
	struct netns_target r = {0};

	options_check(L, 1, "netns", fields);
	lua_settop(L, 1);
	program = link_net_program(L, types);
	r.attach_type =
		program->type == BPF_PROG_TYPE_SK_LOOKUP ? BPF_SK_LOOKUP : BPF_FLOW_DISSECTOR;
	lua_getfield(L, 1, "netns");
	if (lua_isnil(L, -1)) {
		lua_pushliteral(L, "/proc/thread-self/ns/net");
		r.place.name = lua_tostring(L, -1);
	} else {
		r.place = link_net_place(L, "netns", "path or fd of a network namespace expected");
	}
	return link_attach(L, 2, &kind, &r, 1);
}

static int open_netfilter(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	(void)part;
	hold->fd = attach_netfilter(prog_fd, target, err);
	return hold->fd < 0 ? -1 : 0;
}

/* The option `priority`, which may be negative. */
static int32_t check_priority(lua_State *L)
{
	struct compat_integer n = {0};
	const char *wrong = NULL;

	lua_getfield(L, 1, "priority");
	if (!lua_isnil(L, -1))
		wrong = compat_to_integer(L, -1, &n);
	if (!wrong && !compat_is_signed(&n, sizeof(int32_t)))
		wrong = "integer out of range, 32 bits expected";
	if (wrong)
		link_attach_field_error(L, "priority", wrong);
	lua_pop(L, 1);
	return (int32_t)n.value;
}

/*
 * core.attach_netfilter{program =, pf =, hook =, priority =, defrag =}: runs the program where
 * netfilter runs its rules, in the caller's network namespace. `pf` is "ipv4" or "ipv6", `hook`
 * "pre_routing", "local_in", "forward", "local_out" or "post_routing"; lower priorities (default 0)
 * run first; `defrag` has fragments put together before (Linux 6.6).
 * Returns a Link; nil, message, errno: EBUSY when a program has that priority there.
 * BPF_LINK_CREATE, Linux 6.4.
 */
static int attach_to_netfilter(lua_State *L)
{
	static const char *const fields[] = {"program", "pf", "hook", "priority", "defrag", NULL};
	static const uint32_t types[] = {BPF_PROG_TYPE_NETFILTER, BPF_PROG_TYPE_UNSPEC};
	static const char *const families[] = {"ipv4", "ipv6", NULL};
	static const struct link_kind kind = {"netfilter", open_netfilter};
	const char *hooks[ABI_NF_HOOKS + 1] = {NULL};
	struct attach_netfilter r;
	int family, hook;

	for (hook = 0; hook < ABI_NF_HOOKS; hook++)
		hooks[hook] = attach_netfilter_hook_name((uint32_t)hook);
	options_check(L, 1, "netfilter", fields);
	lua_settop(L, 1);
	link_net_program(L, types);
	family = link_net_choice(L, "pf", families);
	hook = link_net_choice(L, "hook", hooks);
	if (family < 0)
		link_attach_field_error(L, "pf", "\"ipv4\" or \"ipv6\" expected");
	if (hook < 0)
		link_attach_field_error(
			L, "hook", "\"pre_routing\", \"local_in\" and so on expected");
	r.family = family == 0 ? ABI_NFPROTO_IPV4 : ABI_NFPROTO_IPV6;
	r.hook = (uint32_t)hook;
	r.priority = check_priority(L);
	r.defragment = options_boolean(L, 1, "defrag", false);
	lua_pushfstring(L, "%s %s", families[family], hooks[hook]);
	return link_attach(L, 2, &kind, &r, 1);
}

void link_net_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_xdp", attach_to_xdp},
		{"attach_netns", attach_to_netns},
		{"attach_netfilter", attach_to_netfilter},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	link_hook_register(L);
	link_tc_register(L);
	link_socket_register(L);
	link_query_register(L);
}
