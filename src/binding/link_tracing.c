/* SPDX-License-Identifier: MIT */
/* Attaches programs to what they were loaded for, and iterators; each function from a table of
 * options to a Link. */
#include <errno.h>
#include <string.h>

#include "../engine/abi.h"
#include "../engine/attach_iter.h"
#include "../engine/attach_target.h"
#include "../engine/attach_tracing.h"
#include "../engine/sys.h"
#include "../engine/sys_file.h"
#include "failure.h"
#include "iterator.h"
#include "link.h"
#include "link_attach.h"
#include "options.h"
#include "rooms.h"

static int open_tracing(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	(void)part;
	hold->fd = attach_tracing(prog_fd, target, err);
	return hold->fd < 0 ? -1 : 0;
}

/* What the program at `index` was loaded for, or nil. */
static void push_target(lua_State *L, int index)
{
	program_push_string(L, index, "attach_to");
}

/*
 * core.attach_tracing{program =, cookie =}: runs the program at the function, the tracepoint or the
 * hook that it was loaded for: the sections fentry, fexit, fmod_ret, fsession, tp_btf and lsm.
 * Returns a Link; nil, message, errno. `cookie` needs Linux 5.19, for tp_btf 6.10.
 */
static int attach_to_tracing(lua_State *L)
{
	static const char *const fields[] = {"program", "cookie", NULL};
	static const struct link_kind kind = {"tracing", open_tracing};
	static const struct link_kind lsm_kind = {"lsm", open_tracing};
	struct attach_tracing t = {0};
	const struct program *program;

	options_check(L, 1, "tracing", fields);
	lua_settop(L, 1);
	program = link_attach_program(L, BPF_PROG_TYPE_TRACING, BPF_PROG_TYPE_LSM);
	t.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	t.attach_type = program->attach_type;
	push_target(L, 2);
	return link_attach(L, 2, program->type == BPF_PROG_TYPE_LSM ? &lsm_kind : &kind, &t, 1);
}

/* A function of a program to put another one in the place of. */
struct replacement {
	const struct program *program; /* NULL: the one it was loaded for */
	const char *symbol;
	uint64_t cookie;
};

static int open_freplace(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct replacement *r = target;
	struct attach_tracing t = {.cookie = r->cookie};
	struct attach_target found;

	(void)part;
	if (r->program) {
		if (r->program->handle.fd < 0)
			return error_set(err, EBADF, "the target program is closed");
		if (attach_target_find_in_program(r->program->handle.fd, r->symbol, &found, err) <
			0)
			return -1;
		t.target_fd = (uint32_t)r->program->handle.fd;
		t.target_btf_id = found.btf_id;
	}
	hold->fd = attach_tracing(prog_fd, &t, err);
	return hold->fd < 0 ? -1 : 0;
}

/*
 * core.attach_freplace{program =, target =, symbol =, cookie =}: runs the program in the place of
 * the function `symbol` of the program `target`; without these, of the one it was loaded for.
 * Returns a Link; nil, message, errno: ESRCH, there is no such function; EINVAL, its arguments are
 * others. Linux 5.6; another target than it was loaded for 5.10.
 */
static int attach_to_freplace(lua_State *L)
{
	static const char *const fields[] = {"program", "target", "symbol", "cookie", NULL};
	static const struct link_kind kind = {"freplace", open_freplace};
	struct replacement r = {0};

	options_check(L, 1, "freplace", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_EXT, BPF_PROG_TYPE_EXT);
	r.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	lua_getfield(L, 1, "target");
	if (!lua_isnil(L, -1)) {
		r.program = handle_test(L, -1, &program_class);
		if (!r.program)
			link_attach_field_error(L, "target", "Program expected");
	}
	r.symbol = link_attach_optional_string(L, "symbol");
	if (!r.symbol) {
		lua_pop(L, 1);
		push_target(L, 2);
		r.symbol = lua_tostring(L, -1);
	} else if (!r.program) {
		link_attach_field_error(L, "symbol", "goes with the field 'target'");
	}
	return link_attach(L, 2, &kind, &r, 1);
}

static int open_in_cgroup(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	int cgroup = sys_open_directory(target);
	struct attach_tracing t = {.attach_type = BPF_LSM_CGROUP, .target_fd = (uint32_t)cgroup};

	(void)part;
	if (cgroup < 0)
		return error_errno(
			err, cgroup, "open control group \"%.400s\"", (const char *)target);
	hold->fd = attach_tracing(prog_fd, &t, err);
	sys_close(cgroup);
	return hold->fd < 0 ? -1 : 0;
}

/*
 * core.attach_lsm_cgroup{program =, cgroup =}: runs the program at the hook that it was loaded for,
 * for the processes of the control group at that path, and of those below it. Returns a Link; nil,
 * message, errno. Linux 6.0.
 */
static int attach_to_lsm_cgroup(lua_State *L)
{
	static const char *const fields[] = {"program", "cgroup", NULL};
	static const struct link_kind kind = {"lsm_cgroup", open_in_cgroup};
	const char *path;

	options_check(L, 1, "lsm_cgroup", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_LSM, BPF_PROG_TYPE_LSM);
	path = link_attach_string(L, "cgroup");
	return link_attach(L, 2, &kind, path, 1);
}

/* What an iterator walks. */
struct walk {
	union abi_iter_info info;
	const struct handle *map; /* NULL: none */
	const char *cgroup; /* a path; NULL: none, or its id is in info */
	bool is_narrowed; /* info says something */
};

static int open_iter(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct walk *w = target;
	union abi_iter_info info = w->info;
	int cgroup = -1;

	(void)part;
	if (w->map) {
		if (w->map->fd < 0)
			return error_set(err, EBADF, "the map is closed");
		info.map_fd = (uint32_t)w->map->fd;
	}
	if (w->cgroup) {
		cgroup = sys_open_directory(w->cgroup);
		if (cgroup < 0)
			return error_errno(err, cgroup, "open control group \"%.400s\"", w->cgroup);
		info.cgroup.fd = (uint32_t)cgroup;
	}
	hold->fd = attach_iter(prog_fd, w->is_narrowed ? &info : NULL, err);
	sys_close(cgroup);
	return hold->fd < 0 ? -1 : 0;
}

static uint32_t check_order(lua_State *L)
{
	static const char *const orders[] = {
		[BPF_CGROUP_ITER_SELF_ONLY] = "self",
		[BPF_CGROUP_ITER_DESCENDANTS_PRE] = "descendants_pre",
		[BPF_CGROUP_ITER_DESCENDANTS_POST] = "descendants_post",
		[BPF_CGROUP_ITER_ANCESTORS_UP] = "ancestors_up",
		[BPF_CGROUP_ITER_CHILDREN] = "children",
	};
	const char *name = options_string(L, 1, "order");
	uint32_t i;

	lua_pop(L, 1);
	if (!name)
		return BPF_CGROUP_ITER_DESCENDANTS_PRE;
	for (i = 1; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(name, orders[i]) == 0)
			return i;
	}
	link_attach_field_error(L, "order",
		"\"self\", \"descendants_pre\", \"descendants_post\", \"ancestors_up\" or "
		"\"children\" expected");
	return 0;
}

static bool has_field(lua_State *L, const char *name)
{
	bool is_there;

	lua_getfield(L, 1, name);
	is_there = !lua_isnil(L, -1);
	lua_pop(L, 1);
	return is_there;
}

/* The control group by path or id; the path stays on the stack. */
static void read_cgroup(lua_State *L, struct walk *w)
{
	w->info.cgroup.order = check_order(L);
	lua_getfield(L, 1, "cgroup");
	if (lua_type(L, -1) == LUA_TSTRING) {
		lua_pop(L, 1);
		w->cgroup = link_attach_string(L, "cgroup");
		return;
	}
	w->info.cgroup.id = options_unsigned(L, 1, "cgroup", UINT64_MAX, 0);
}

static void read_walk(lua_State *L, struct walk *w)
{
	bool has_map = has_field(L, "map"), has_cgroup = has_field(L, "cgroup");
	int tasks = has_field(L, "tid") + has_field(L, "pid") + has_field(L, "pidfd");

	if (has_map + has_cgroup + tasks > 1)
		link_attach_field_error(
			L, "map", "only one of map, cgroup, tid, pid and pidfd expected");
	if (has_field(L, "order") && !has_cgroup)
		link_attach_field_error(L, "order", "goes with the field 'cgroup'");
	w->is_narrowed = has_map || has_cgroup || tasks;
	if (has_map) {
		lua_getfield(L, 1, "map");
		w->map = handle_test(L, -1, &map_class);
		if (!w->map)
			link_attach_field_error(L, "map", "Map expected");
	} else if (has_cgroup) {
		read_cgroup(L, w);
	} else if (tasks) {
		w->info.task.tid = (uint32_t)options_unsigned(L, 1, "tid", INT32_MAX, 0);
		w->info.task.pid = (uint32_t)options_unsigned(L, 1, "pid", INT32_MAX, 0);
		w->info.task.pid_fd = (uint32_t)options_unsigned(L, 1, "pidfd", INT32_MAX, 0);
		if (has_field(L, "pid") && !w->info.task.pid)
			w->info.task.pid = (uint32_t)sys_process_id();
	}
}

/*
 * core.attach_iter{program =, map =, cgroup =, order =, tid =, pid =, pidfd =}: an iterator over
 * all that the program was loaded for, or over the elements of a map, control groups from the one
 * at a path or of an id, one thread, or the threads of one process (0: of the caller's). Returns a
 * Link, which link:lines() and link:read() run; nil, message, errno. Linux 5.8; control groups and
 * tasks 6.1.
 */
static int attach_to_iter(lua_State *L)
{
	static const char *const fields[] = {
		"program", "map", "cgroup", "order", "tid", "pid", "pidfd", NULL};
	static const struct link_kind kind = {"iter", open_iter};
	struct walk w = {0};

	options_check(L, 1, "iter", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_TRACING, BPF_PROG_TYPE_TRACING);
	read_walk(L, &w);
	push_target(L, 2);
	return link_attach(L, 2, &kind, &w, 1);
}

/* core.open_iterator(link) -> Iterator, a new walk from the beginning; nil, message, errno: EINVAL
 * when the link is none of an iterator. BPF_ITER_CREATE, Linux 5.8. */
static int open_iterator(lua_State *L)
{
	const struct link *link = handle_check(L, 1, &link_class);

	if (link->handle.fd < 0)
		return handle_closed(L, &link_class);
	return iterator_push(L, link->handle.fd);
}

void link_tracing_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_tracing", attach_to_tracing},
		{"attach_freplace", attach_to_freplace},
		{"attach_lsm_cgroup", attach_to_lsm_cgroup},
		{"attach_iter", attach_to_iter},
		{"open_iterator", open_iterator},
		{NULL, NULL},
	};

	iterator_register(L);
	luaL_setfuncs(L, functions, 0);
}
