/* SPDX-License-Identifier: MIT */
/* Attaches programs to cgroups, to tcx and netkit of network interfaces, and to sockmaps, each
 * function from a table of options to a Link. */
#include <errno.h>

#include "../engine/abi_net.h"
#include "../engine/attach_hook.h"
#include "failure.h"
#include "link_attachment.h"
#include "link_net.h"
#include "options.h"
#include "rooms.h"

struct hook_target {
	struct attach_hook hook;
	const struct handle *neighbour; /* that it goes before or after, or NULL */
	const struct handle *map; /* of a sockmap */
	const struct program *replaced;
};

/* The hook with the fds of what it refers to, which may have been closed meanwhile. */
static int fill(struct attach_hook *hook, const struct hook_target *r, struct error *err)
{
	*hook = r->hook;
	if (r->neighbour)
		hook->relative = (uint32_t)r->neighbour->fd;
	if (r->map)
		hook->number = r->map->fd;
	if (r->replaced)
		hook->replaced = r->replaced->handle.fd;
	if (r->neighbour && r->neighbour->fd < 0)
		return error_set(err, EBADF, "what it is to stand next to is closed");
	if (r->map && r->map->fd < 0)
		return error_set(err, EBADF, "the map is closed");
	if (r->replaced && r->replaced->handle.fd < 0)
		return error_set(err, EBADF, "the program to be replaced is closed");
	return 0;
}

static int open_link(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	struct attach_hook hook;

	(void)part;
	if (fill(&hook, target, err) < 0)
		return -1;
	hold->fd = attach_hook_link(prog_fd, &hook, err);
	return hold->fd < 0 ? -1 : 0;
}

static int open_attachment(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	struct attach_hook hook;

	(void)part;
	if (fill(&hook, target, err) < 0 || link_attachment_hold(prog_fd, hold, err) < 0)
		return -1;
	return link_attachment_done(
		attach_hook_program(prog_fd, &hook, &hold->attachment, err), hold);
}

/* By attach_hook_kind. */
static const struct link_kind links[] = {
	{"cgroup", open_link},
	{"tcx", open_link},
	{"netkit", open_link},
	{"sockmap", open_link},
};
static const struct link_kind attachments[] = {
	{"cgroup", open_attachment},
	{"tcx", open_attachment},
	{"netkit", open_attachment},
	{"sockmap", open_attachment},
};

/* A neighbour by its id: {program_id =} or {link_id =}. */
static void check_neighbour_id(lua_State *L, const char *field, struct hook_target *r)
{
	static const char *const names[] = {"program_id", "link_id"};
	int i, found = 0;

	lua_getfield(L, 1, field);
	for (i = 0; i < 2; i++) {
		lua_getfield(L, -1, names[i]);
		if (!lua_isnil(L, -1)) {
			found++;
			r->hook.flags |= i == 0 ? BPF_F_ID : BPF_F_ID | BPF_F_ANCHOR_LINK;
		}
		lua_pop(L, 1);
	}
	if (found == 1) {
		i = r->hook.flags & BPF_F_ANCHOR_LINK ? 1 : 0;
		r->hook.relative =
			(uint32_t)options_unsigned(L, lua_gettop(L), names[i], UINT32_MAX, 0);
	}
	if (!r->hook.relative)
		link_attach_field_error(
			L, field, "Program, Link, {program_id = n} or {link_id = n} expected");
}

static bool check_neighbour(lua_State *L, const char *field, uint32_t flag, struct hook_target *r)
{
	lua_getfield(L, 1, field);
	if (lua_isnil(L, -1))
		return false;
	r->hook.flags |= flag;
	r->neighbour = handle_test(L, -1, &program_class);
	if (r->neighbour)
		return true;
	r->neighbour = handle_test(L, -1, &link_class);
	if (r->neighbour)
		r->hook.flags |= BPF_F_ANCHOR_LINK;
	else if (lua_istable(L, -1))
		check_neighbour_id(L, field, r);
	else
		link_attach_field_error(
			L, field, "Program, Link, {program_id = n} or {link_id = n} expected");
	return true;
}

/* The options before, after, first, last, expected_revision, replace. */
static void check_place(lua_State *L, bool by_attach, struct hook_target *r)
{
	int places = check_neighbour(L, "before", BPF_F_BEFORE, r);

	places += check_neighbour(L, "after", BPF_F_AFTER, r);
	if (options_boolean(L, 1, "first", false)) {
		places++;
		r->hook.flags |= BPF_F_BEFORE;
	}
	if (options_boolean(L, 1, "last", false)) {
		places++;
		r->hook.flags |= BPF_F_AFTER;
	}
	if (places > 1)
		luaL_argerror(L, 1, "only one of before, after, first and last can be");
	r->hook.expected_revision = options_unsigned(L, 1, "expected_revision", UINT64_MAX, 0);
	if (!link_net_replace(L, &r->replaced))
		return;
	if (!r->replaced)
		link_attach_field_error(L, "replace", "Program expected");
	if (!by_attach)
		link_attach_field_error(L, "replace",
			"needs by = \"attach\": a link gets another program by link:update()");
	r->hook.flags |= BPF_F_REPLACE;
}

static int attach(lua_State *L, bool by_attach, const struct hook_target *r)
{
	return link_attach(
		L, 2, by_attach ? &attachments[r->hook.kind] : &links[r->hook.kind], r, 1);
}

/* What is the same for tcx and netkit, whose attach types are one and the next. */
static int attach_to_interface(lua_State *L, enum attach_hook_kind kind, uint32_t attach_type,
	const char *const hooks[3], const char *expected)
{
	static const char *const fields[] = {"program", "interface", "hook", "by", "before",
		"after", "first", "last", "replace", "expected_revision", NULL};
	static const uint32_t types[] = {BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_UNSPEC};
	struct hook_target r = {.hook = {.kind = kind}};
	const struct program *program;
	struct link_net_place place;
	bool by_attach;
	int hook;

	options_check(L, 1, links[kind].name, fields);
	lua_settop(L, 1);
	program = link_net_program(L, types);
	hook = link_net_choice(L, "hook", hooks);
	if (hook < 0 && program->has_attach_type && program->attach_type - attach_type < 2)
		hook = (int)(program->attach_type - attach_type);
	if (hook < 0)
		link_attach_field_error(L, "hook", expected);
	r.hook.attach_type = attach_type + (uint32_t)hook;
	by_attach = link_net_by(L, "attach");
	check_place(L, by_attach, &r);
	place = link_net_interface(L);
	r.hook.name = place.name;
	r.hook.number = place.number;
	return attach(L, by_attach, &r);
}

/*
 * core.attach_tcx{program =, interface =, hook =, before =, after =, first =, last =,
 * expected_revision =, by =, replace =}: runs the program on each packet that arrives at
 * ("ingress") or leaves ("egress") the network interface, given by name or index, of the caller's
 * network namespace. `hook` may be left out when the program was loaded for one. It goes behind the
 * others, or before or after one: a Program, a Link, {program_id = n}, {link_id = n}; or first or
 * last. ESTALE: the list of programs is not of the revision expected (see query()).
 * `by` = "attach" makes no link of the kernel's; then `replace` is the Program whose place it takes.
 * Returns a Link; nil, message, errno. BPF_LINK_CREATE, BPF_PROG_ATTACH, Linux 6.6.
 */
static int attach_to_tcx(lua_State *L)
{
	static const char *const hooks[] = {"ingress", "egress", NULL};

	return attach_to_interface(
		L, ATTACH_HOOK_TCX, BPF_TCX_INGRESS, hooks, "\"ingress\" or \"egress\" expected");
}

/*
 * core.attach_netkit{program =, interface =, hook =, ...}: the same for what is sent by one end of
 * a netkit pair: `interface` is the primary, `hook` is "primary" or "peer". Linux 6.7.
 */
static int attach_to_netkit(lua_State *L)
{
	static const char *const hooks[] = {"primary", "peer", NULL};

	return attach_to_interface(L, ATTACH_HOOK_NETKIT, BPF_NETKIT_PRIMARY, hooks,
		"\"primary\" or \"peer\" expected");
}

/* What the types of programs for cgroups are attached as when they were not loaded for more. */
static const struct {
	uint32_t prog_type;
	int attach_type;
} cgroup_defaults[] = {
	{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE},
	{BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS},
	{BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE},
	{BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_CGROUP_SYSCTL},
};

static int cgroup_attach_type(lua_State *L, const struct program *program)
{
	int attach_type, fallback = -1;
	size_t i;

	for (i = 0; i < sizeof(cgroup_defaults) / sizeof(cgroup_defaults[0]); i++) {
		if (cgroup_defaults[i].prog_type == program->type)
			fallback = cgroup_defaults[i].attach_type;
	}
	attach_type = link_net_attach_type(L, program, fallback);
	if (attach_type < 0)
		link_attach_field_error(L, "attach_type",
			program->type == BPF_PROG_TYPE_CGROUP_SKB
				? "\"cgroup_inet_ingress\" or \"cgroup_inet_egress\" expected"
				: "\"cgroup_inet4_connect\" and so on expected");
	return attach_type;
}

/* The option `allow`: which other programs may be attached to the cgroup, and to those below. */
static uint32_t check_allow(lua_State *L, bool by_attach)
{
	static const char *const names[] = {"multi", "override", "none", NULL};
	static const uint32_t flags[] = {BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE, 0};
	int allow = link_net_choice(L, "allow", names);

	if (allow >= 0 && !by_attach)
		link_attach_field_error(L, "allow", "needs by = \"attach\": links allow multi");
	if (!by_attach)
		return 0;
	return flags[allow < 0 ? 0 : allow];
}

/*
 * core.attach_cgroup{program =, cgroup =, attach_type =, before =, after =, first =, last =,
 * preorder =, expected_revision =, by =, allow =, replace =}: runs the program for what processes
 * in the cgroup, of version 2, and in those below do. `cgroup` is the path of its directory, or an
 * fd of that. `attach_type` may be left out when the program was loaded for one. Its place is as
 * that of attach_tcx (Linux 6.17); `preorder` puts it among those that run before the ones of
 * cgroups below (Linux 6.15).
 * `by` = "attach" makes no link of the kernel's, for Linux before 5.7; then `allow` says which
 * others there may be: "multi" (the default), "override" (below, instead of it) or "none"; and
 * `replace` is the Program whose place it takes (Linux 5.5).
 * Returns a Link; nil, message, errno. BPF_LINK_CREATE, BPF_PROG_ATTACH (Linux 4.10, multi 4.15).
 */
static int attach_to_cgroup(lua_State *L)
{
	static const char *const fields[] = {"program", "cgroup", "attach_type", "by", "allow",
		"preorder", "before", "after", "first", "last", "replace", "expected_revision",
		NULL};
	static const uint32_t types[] = {BPF_PROG_TYPE_CGROUP_SKB, BPF_PROG_TYPE_CGROUP_SOCK,
		BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_SOCK_OPS, BPF_PROG_TYPE_CGROUP_DEVICE,
		BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_PROG_TYPE_LSM,
		BPF_PROG_TYPE_UNSPEC};
	struct hook_target r = {.hook = {.kind = ATTACH_HOOK_CGROUP}};
	const struct program *program;
	struct link_net_place place;
	bool by_attach;

	options_check(L, 1, "cgroup", fields);
	lua_settop(L, 1);
	program = link_net_program(L, types);
	r.hook.attach_type = (uint32_t)cgroup_attach_type(L, program);
	by_attach = link_net_by(L, "attach");
	r.hook.flags = check_allow(L, by_attach);
	if (options_boolean(L, 1, "preorder", false))
		r.hook.flags |= BPF_F_PREORDER;
	check_place(L, by_attach, &r);
	place = link_net_place(L, "cgroup", "path or fd of a cgroup expected");
	r.hook.name = place.name;
	r.hook.number = place.number;
	return attach(L, by_attach, &r);
}

/*
 * core.attach_sockmap{program =, map =, attach_type =, by =}: runs the program for the sockets that
 * are put into the map, of type sockmap or sockhash, from then on. `attach_type` may be left out when the program was loaded
 * for one: "sk_msg_verdict", "sk_skb_stream_parser", "sk_skb_stream_verdict", "sk_skb_verdict".
 * `by` = "attach" makes no link of the kernel's, for Linux before 6.10; it replaces what is there.
 * Returns a Link; nil, message, errno. BPF_LINK_CREATE, BPF_PROG_ATTACH (Linux 4.14, 4.17).
 */
static int attach_to_sockmap(lua_State *L)
{
	static const char *const fields[] = {"program", "map", "attach_type", "by", NULL};
	static const uint32_t types[] = {
		BPF_PROG_TYPE_SK_SKB, BPF_PROG_TYPE_SK_MSG, BPF_PROG_TYPE_UNSPEC};
	struct hook_target r = {.hook = {.kind = ATTACH_HOOK_SOCKMAP}};
	const struct program *program;
	bool by_attach;
	int attach_type;

	options_check(L, 1, "sockmap", fields);
	lua_settop(L, 1);
	program = link_net_program(L, types);
	attach_type = link_net_attach_type(
		L, program, program->type == BPF_PROG_TYPE_SK_MSG ? BPF_SK_MSG_VERDICT : -1);
	if (attach_type < 0)
		link_attach_field_error(
			L, "attach_type", "\"sk_skb_stream_verdict\" and so on expected");
	r.hook.attach_type = (uint32_t)attach_type;
	by_attach = link_net_by(L, "attach");
	lua_getfield(L, 1, "map");
	r.map = handle_test(L, -1, &map_class);
	if (!r.map)
		link_attach_field_error(L, "map", "Map expected");
	lua_pushnil(L);
	return attach(L, by_attach, &r);
}

void link_hook_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_tcx", attach_to_tcx},
		{"attach_netkit", attach_to_netkit},
		{"attach_cgroup", attach_to_cgroup},
		{"attach_sockmap", attach_to_sockmap},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
