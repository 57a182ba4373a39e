/* SPDX-License-Identifier: MIT */
/* Attaches programs that trace, each function from a table of options to a Link. */
#include "../engine/abi.h"
#include "../engine/attach_raw_tracepoint.h"
#include "../engine/attach_tracepoint.h"
#include "link.h"
#include "link_attach.h"
#include "options.h"

/* A place in the kernel that has a name. */
struct trace_target {
	const char *group;
	const char *name;
	uint64_t cookie;
};

static int open_raw_tracepoint(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct trace_target *r = target;

	(void)part;
	hold->fd = attach_raw_tracepoint(prog_fd, r->name, r->cookie, err);
	return hold->fd < 0 ? -1 : 0;
}

/*
 * core.attach_raw_tracepoint{program =, name =, cookie =}: runs the program at each pass of the
 * tracepoint `name` ("sched_process_exec"; no group), which gives its own arguments to it.
 * `cookie` is what bpf_get_attach_cookie() answers to the program (Linux 6.10).
 * Returns a Link; nil, message, errno: ENOENT when there is no such tracepoint.
 * BPF_RAW_TRACEPOINT_OPEN, Linux 4.17.
 */
static int attach_to_raw_tracepoint(lua_State *L)
{
	static const char *const fields[] = {"program", "name", "cookie", NULL};
	static const struct link_kind kind = {"raw_tracepoint", open_raw_tracepoint};
	struct trace_target r = {0};

	options_check(L, 1, "raw_tracepoint", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE);
	r.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	r.name = link_attach_string(L, "name");
	return link_attach(L, 2, &kind, &r, 1);
}

static int open_tracepoint(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct trace_target *r = target;

	(void)part;
	return attach_tracepoint(prog_fd, r->group, r->name, r->cookie, hold, err);
}

/*
 * core.attach_tracepoint{program =, group =, name =, cookie =}: runs the program at each event
 * that tracefs lists as events/<group>/<name>. `cookie` needs Linux 5.15.
 * Returns a Link; nil, message, errno: ENOENT when tracefs is not mounted or has no such event.
 * A perf event of the tracepoint, and BPF_LINK_CREATE of it; before Linux 5.15 the perf event
 * alone: such a Link cannot be pinned.
 */
static int attach_to_tracepoint(lua_State *L)
{
	static const char *const fields[] = {"program", "group", "name", "cookie", NULL};
	static const struct link_kind kind = {"tracepoint", open_tracepoint};
	struct trace_target r = {0};

	options_check(L, 1, "tracepoint", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_TRACEPOINT, BPF_PROG_TYPE_TRACEPOINT);
	r.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	r.group = link_attach_string(L, "group");
	r.name = link_attach_string(L, "name");
	lua_pushfstring(L, "%s/%s", r.group, r.name);
	return link_attach(L, 2, &kind, &r, 1);
}

void link_trace_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_raw_tracepoint", attach_to_raw_tracepoint},
		{"attach_tracepoint", attach_to_tracepoint},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
