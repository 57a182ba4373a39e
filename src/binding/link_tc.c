/* SPDX-License-Identifier: MIT */
/* Attaches programs to traffic control, from a table of options to a Link. */
#include <errno.h>
#include <string.h>

#include "../engine/abi.h"
#include "../engine/attach_tc.h"
#include "link_attachment.h"
#include "link_net.h"
#include "options.h"

struct tc_target {
	struct attach_tc_target where;
	const struct program *replaced; /* or NULL */
};

static int open_tc(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct tc_target *r = target;
	struct attach_tc_target where = r->where;

	(void)part;
	where.replaced = r->replaced ? r->replaced->handle.fd : -1;
	if (r->replaced && where.replaced < 0)
		return error_set(err, EBADF, "the program to be replaced is closed");
	if (link_attachment_hold(prog_fd, hold, err) < 0)
		return -1;
	return link_attachment_done(attach_tc(prog_fd, &where, &hold->attachment, err), hold);
}

/* The options `hook` and `parent`, one of which there must be. */
static uint32_t check_parent(lua_State *L, const struct program *program)
{
	static const char *const hooks[] = {"ingress", "egress", NULL};
	uint32_t parent = (uint32_t)options_unsigned(L, 1, "parent", UINT32_MAX, 0);
	int hook = link_net_choice(L, "hook", hooks);

	if (parent && hook >= 0)
		link_attach_field_error(L, "parent", "the hook is given, which is one");
	if (parent)
		return parent;
	if (hook < 0 && program->has_attach_type && program->attach_type - BPF_TCX_INGRESS < 2)
		hook = (int)(program->attach_type - BPF_TCX_INGRESS);
	if (hook < 0)
		link_attach_field_error(L, "hook", "\"ingress\" or \"egress\" expected");
	return ATTACH_TC_INGRESS + (uint32_t)hook;
}

/* The option `name`; else that of the program, which it goes by in the listings of tc. */
static const char *check_name(lua_State *L)
{
	const char *name = link_attach_optional_string(L, "name");

	if (!name)
		name = program_push_string(L, 2, "name");
	if (name && strlen(name) >= ATTACHMENT_NAME_SIZE)
		link_attach_field_error(L, "name", "at most 63 bytes expected");
	return name;
}

/*
 * core.attach_tc{program =, interface =, hook =, parent =, priority =, handle =, chain =,
 * class_id =, direct_action =, name =, skip_hw =, skip_sw =, replace =}: makes the program a filter
 * of traffic control: on each packet that arrives at ("ingress") or leaves ("egress") the network
 * interface, or that a class of a qdisc handles, whose number is `parent` (0x10001 for "1:1").
 * Filters of lower priority run first; 0 or nil: the kernel chooses, also the handle, which tells
 * those of a priority apart. What the program returns is what becomes of the packet, unless
 * `direct_action` = false: then it is a class. `replace` = true takes the place of the filter of
 * that priority and handle, a Program that of the filter that has it.
 * Returns a Link; nil, message, errno: EEXIST when there is a filter in that place. It makes the
 * qdisc clsact where there is none. RTM_NEWTFILTER, Linux 4.5.
 */
static int attach_to_tc(lua_State *L)
{
	static const char *const fields[] = {"program", "interface", "hook", "parent", "priority",
		"handle", "chain", "class_id", "direct_action", "name", "skip_hw", "skip_sw",
		"replace", NULL};
	static const uint32_t types[] = {BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_UNSPEC};
	static const struct link_kind kind = {"tc", open_tc};
	const struct program *program;
	struct link_net_place place;
	struct tc_target r = {0};

	options_check(L, 1, "tc", fields);
	lua_settop(L, 1);
	program = link_net_program(L, types);
	r.where.parent = check_parent(L, program);
	r.where.priority = (uint16_t)options_unsigned(L, 1, "priority", UINT16_MAX, 0);
	r.where.handle = (uint32_t)options_unsigned(L, 1, "handle", UINT32_MAX, 0);
	r.where.chain = (uint32_t)options_unsigned(L, 1, "chain", 0x0fffffff, 0);
	r.where.class_id = (uint32_t)options_unsigned(L, 1, "class_id", UINT32_MAX, 0);
	r.where.direct_action = options_boolean(L, 1, "direct_action", true);
	r.where.skip_hardware = options_boolean(L, 1, "skip_hw", false);
	r.where.skip_software = options_boolean(L, 1, "skip_sw", false);
	r.where.replaces = link_net_replace(L, &r.replaced);
	if (r.where.replaces && !r.replaced && !(r.where.priority && r.where.handle))
		link_attach_field_error(
			L, "replace", "which filter: priority and handle, or a Program, expected");
	r.where.name = check_name(L);
	place = link_net_interface(L);
	r.where.interface = place.name;
	r.where.ifindex = (uint32_t)place.number;
	return link_attach(L, 2, &kind, &r, 1);
}

void link_tc_register(lua_State *L)
{
	static const luaL_Reg functions[] = {{"attach_tc", attach_to_tc}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
