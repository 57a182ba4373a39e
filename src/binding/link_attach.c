/* SPDX-License-Identifier: MIT */
/* The functions that attach programs, each from a table of options to a Link. */
#include <string.h>

#include "../engine/abi.h"
#include "../engine/attach_raw_tracepoint.h"
#include "../engine/attach_tracepoint.h"
#include "../engine/attach_xdp.h"
#include "failure.h"
#include "link.h"
#include "options.h"
#include "program.h"
#include "rooms.h"

/* What there is to attach, and to what: the fields that the kind of link asks for. */
struct request {
	const char *kind;
	int (*open)(struct request *request, int prog_fd, struct error *err);
	const char *group;
	const char *name;
	uint64_t cookie;
	uint32_t ifindex;
	enum attach_xdp_mode mode;
	bool is_event; /* out */
};

static int field_error(lua_State *L, const char *name, const char *wrong)
{
	return luaL_argerror(L, 1, lua_pushfstring(L, "field '%s': %s", name, wrong));
}

/* The string field of the options; raises when it is missing. It stays on the stack. */
static const char *check_string(lua_State *L, const char *name)
{
	const char *text = options_string(L, 1, name);

	if (!text)
		field_error(L, name, "string expected");
	if (strlen(text) != lua_rawlen(L, -1))
		field_error(L, name, "string contains zeros");
	return text;
}

/* The field `program` of the options, of type `type` or `other`. It stays on the stack. */
static struct program *check_program(lua_State *L, uint32_t type, uint32_t other)
{
	struct program *program;

	lua_getfield(L, 1, "program");
	program = handle_test(L, -1, &program_class);
	if (!program)
		field_error(L, "program", "Program expected");
	if (program->type != type && program->type != other) {
		options_push_name(L, &names_prog_types, program->type);
		field_error(L, "program",
			lua_pushfstring(L, "program of type %s expected, this is of type %s",
				names_of(&names_prog_types, type), lua_tostring(L, -1)));
	}
	return program;
}

/* Attaches the program at `index`; on top of the stack is the name of what it is attached to. */
static int attach(lua_State *L, int index, struct request *request)
{
	struct program *program = lua_touserdata(L, index);
	struct link *link = link_push(L, request->kind);
	struct error err = {0};
	const char *name;
	int fd, attempt;

	lua_pushvalue(L, -2);
	link_set_name(L, -2);
	for (attempt = 0; attempt < 2; attempt++) {
		if (program->handle.fd < 0)
			return handle_closed(L, &program_class);
		fd = request->open(request, program->handle.fd, &err);
		if (fd >= 0) {
			link->handle.fd = fd;
			link->is_event = request->is_event;
			return 1;
		}
		if (!handle_reclaimed(L, -err.code))
			break;
	}
	name = program_push_string(L, index, "name");
	error_prefix(&err, "attach \"%s\"", name ? name : "");
	return failure_push(L, &err);
}

static int open_raw_tracepoint(struct request *r, int prog_fd, struct error *err)
{
	return attach_raw_tracepoint(prog_fd, r->name, r->cookie, err);
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
	struct request r = {.kind = "raw_tracepoint", .open = open_raw_tracepoint};

	options_check(L, 1, "raw_tracepoint", fields);
	lua_settop(L, 1);
	check_program(L, BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE);
	r.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	r.name = check_string(L, "name");
	return attach(L, 2, &r);
}

static int open_tracepoint(struct request *r, int prog_fd, struct error *err)
{
	return attach_tracepoint(prog_fd, r->group, r->name, r->cookie, &r->is_event, err);
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
	struct request r = {.kind = "tracepoint", .open = open_tracepoint};

	options_check(L, 1, "tracepoint", fields);
	lua_settop(L, 1);
	check_program(L, BPF_PROG_TYPE_TRACEPOINT, BPF_PROG_TYPE_TRACEPOINT);
	r.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	r.group = check_string(L, "group");
	r.name = check_string(L, "name");
	lua_pushfstring(L, "%s/%s", r.group, r.name);
	return attach(L, 2, &r);
}

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
	field_error(L, "mode", "\"native\", \"generic\" or \"offload\" expected");
	return ATTACH_XDP_ANY;
}

static int open_xdp(struct request *r, int prog_fd, struct error *err)
{
	return attach_xdp(prog_fd, r->name, r->ifindex, r->mode, err);
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
	struct request r = {.kind = "xdp", .open = open_xdp};

	options_check(L, 1, "xdp", fields);
	lua_settop(L, 1);
	check_program(L, BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_XDP);
	r.mode = check_mode(L);
	lua_getfield(L, 1, "interface");
	if (lua_type(L, -1) == LUA_TNUMBER) {
		r.ifindex = (uint32_t)options_unsigned(L, 1, "interface", INT32_MAX, 0);
		lua_pushfstring(L, "%d", (int)r.ifindex);
	} else if (lua_isnil(L, -1)) {
		field_error(L, "interface", "name or index of a network interface expected");
	} else {
		r.name = check_string(L, "interface");
	}
	return attach(L, 2, &r);
}

void link_register_attach(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_raw_tracepoint", attach_to_raw_tracepoint},
		{"attach_tracepoint", attach_to_tracepoint},
		{"attach_xdp", attach_to_xdp},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
