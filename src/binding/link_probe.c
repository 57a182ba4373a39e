/* SPDX-License-Identifier: MIT */
/* Attaches programs to single functions of the kernel and of executables, and to perf events;
 * each function from a table of options to a Link. */
#include <errno.h>
#include <string.h>

#include "../engine/abi.h"
#include "../engine/attach_perf_event.h"
#include "../engine/attach_probe.h"
#include "../engine/cpu.h"
#include "link.h"
#include "link_attach.h"
#include "options.h"

/* How the kernel calls the functions of system calls. */
#if defined(__x86_64__)
static const char syscall_prefix[] = "__x64_sys_";
#elif defined(__aarch64__)
static const char syscall_prefix[] = "__arm64_sys_";
#elif defined(__s390x__)
static const char syscall_prefix[] = "__s390x_sys_";
#elif defined(__riscv)
static const char syscall_prefix[] = "__riscv_sys_";
#else
static const char syscall_prefix[] = "sys_";
#endif

static enum attach_probe_mode check_mode(lua_State *L)
{
	const char *name = options_string(L, 1, "mode");
	enum attach_probe_mode mode = ATTACH_PROBE_ANY;

	if (name && strcmp(name, "perf") == 0)
		mode = ATTACH_PROBE_PERF;
	else if (name && strcmp(name, "tracefs") == 0)
		mode = ATTACH_PROBE_TRACEFS;
	else if (name)
		link_attach_field_error(L, "mode", "\"perf\" or \"tracefs\" expected");
	lua_pop(L, 1);
	return mode;
}

static int open_probe(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	(void)part;
	return attach_probe(prog_fd, target, hold, err);
}

/*
 * core.attach_kprobe{program =, symbol =, offset =, address =, cookie =, retprobe =, maxactive =,
 * mode =}: runs the program where the kernel's function `symbol` begins, or `offset` bytes into
 * it, or at an address; with `retprobe` where it returns. Returns a Link; nil, message, errno:
 * ENOENT, there is no such function; EINVAL, EILSEQ: no instruction begins there; EADDRNOTAVAIL:
 * there are several. `cookie` needs Linux 5.15; `maxactive`, how many calls may be under way,
 * goes by tracefs.
 */
static int attach_to_kprobe(lua_State *L)
{
	static const char *const fields[] = {"program", "symbol", "offset", "address", "cookie",
		"retprobe", "maxactive", "mode", NULL};
	static const struct link_kind kind = {"kprobe", open_probe};
	static const struct link_kind return_kind = {"kretprobe", open_probe};
	struct attach_probe p = {.pid = -1};
	uint64_t address;

	options_check(L, 1, "kprobe", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_KPROBE);
	p.mode = check_mode(L);
	p.offset = options_unsigned(L, 1, "offset", INT64_MAX, 0);
	address = options_unsigned(L, 1, "address", UINT64_MAX, 0);
	p.cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	p.is_return = options_boolean(L, 1, "retprobe", false);
	p.maxactive = (uint32_t)options_unsigned(L, 1, "maxactive", INT32_MAX, 0);
	p.target = link_attach_optional_string(L, "symbol");
	if (!p.target == !address)
		link_attach_field_error(L, "symbol", "a function or else an address expected");
	if (p.maxactive && !p.is_return)
		link_attach_field_error(L, "maxactive", "only return probes have it");
	if (!p.target) {
		p.offset += address;
		lua_pushfstring(L, "%p", (void *)(uintptr_t)p.offset);
	}
	return link_attach(L, 2, p.is_return ? &return_kind : &kind, &p, 1);
}

/* Places in one file. */
struct uprobes {
	struct attach_probe probe;
	const uint64_t *offsets; /* of the file, then as many of counters, then cookies */
	uint32_t count;
};

static int open_uprobe(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct uprobes *u = target;
	struct attach_probe p = u->probe;

	p.offset = u->offsets[part];
	p.ref_ctr_offset = u->offsets[u->count + part];
	p.cookie = u->offsets[2 * u->count + part];
	return attach_probe(prog_fd, &p, hold, err);
}

/*
 * core.attach_uprobes{program =, path =, offsets =, ref_ctr_offsets =, cookies =, needs_cookies =,
 * pid =, retprobe =, mode =, title =}: runs the program before the instructions at these offsets
 * of the file, or where the functions that begin there return, in one process (`pid`; 0 is the
 * caller) or in all. One Link holds all. Returns it; nil, message, errno. `cookies` need Linux
 * 5.15; `needs_cookies` says that those which are 0 matter too.
 */
static int attach_to_uprobes(lua_State *L)
{
	static const char *const fields[] = {"program", "path", "offsets", "ref_ctr_offsets",
		"cookies", "needs_cookies", "pid", "retprobe", "mode", "title", NULL};
	static const struct link_kind kind = {"uprobe", open_uprobe};
	static const struct link_kind return_kind = {"uretprobe", open_uprobe};
	struct uprobes u = {.probe = {.is_user = true}};
	uint64_t *numbers;

	options_check(L, 1, "uprobe", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_KPROBE);
	u.probe.mode = check_mode(L);
	u.probe.pid = link_attach_pid(L);
	u.probe.is_return = options_boolean(L, 1, "retprobe", false);
	u.probe.needs_cookie = options_boolean(L, 1, "needs_cookies", false);
	u.probe.target = link_attach_string(L, "path");
	lua_getfield(L, 1, "offsets");
	if (!lua_istable(L, -1) || !lua_rawlen(L, -1) || lua_rawlen(L, -1) > INT32_MAX / 32)
		link_attach_field_error(L, "offsets", "array of numbers expected");
	u.count = (uint32_t)lua_rawlen(L, -1);
	numbers = compat_newuserdata(L, u.count * 3 * sizeof(*numbers));
	memset(numbers, 0, u.count * 3 * sizeof(*numbers));
	u.offsets = numbers;
	link_attach_numbers(L, "offsets", INT64_MAX, numbers, u.count);
	link_attach_numbers(L, "ref_ctr_offsets", UINT32_MAX, numbers + u.count, u.count);
	link_attach_numbers(L, "cookies", UINT64_MAX, numbers + (size_t)2 * u.count, u.count);
	if (!link_attach_optional_string(L, "title"))
		lua_pushvalue(L, 3);
	return link_attach(L, 2, u.probe.is_return ? &return_kind : &kind, &u, u.count);
}

/* Counters on each of several CPUs. */
struct counters {
	struct attach_perf_event event;
	const uint32_t *cpus; /* NULL: event.cpu alone */
};

static int open_counter(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	const struct counters *c = target;
	struct attach_perf_event event = c->event;

	if (c->cpus)
		event.cpu = (int)c->cpus[part];
	return attach_perf_event(prog_fd, &event, hold, err);
}

/* `event`, or `type` and `config`: what to count. Pushes what to call it. False with an error. */
static bool read_event(lua_State *L, struct attach_perf_event *e, struct error *err)
{
	const char *name = link_attach_optional_string(L, "event");
	int index = lua_gettop(L);

	if (name && strcmp(name, "breakpoint") == 0) {
		e->type = 5;
	} else if (name) {
		if (!attach_perf_event_find(name, e))
			link_attach_field_error(L, "event",
				"unknown; perf(1) lists events, others have a type and a config");
	} else {
		lua_getfield(L, 1, "type");
		if (lua_type(L, -1) == LUA_TSTRING) {
			name = link_attach_string(L, "type");
			if (attach_perf_event_pmu(name, &e->type, err) < 0)
				return false;
		} else if (lua_isnil(L, -1)) {
			link_attach_field_error(L, "event", "an event or a type expected");
		} else {
			e->type = (uint32_t)options_unsigned(L, 1, "type", UINT32_MAX, 0);
			name = lua_pushfstring(L, "type %d", (int)e->type);
		}
		e->config = options_unsigned(L, 1, "config", UINT64_MAX, 0);
	}
	e->config1 = options_unsigned(L, 1, "config1", UINT64_MAX, 0);
	e->config2 = options_unsigned(L, 1, "config2", UINT64_MAX, 0);
	lua_pushstring(L, name);
	lua_replace(L, index);
	lua_settop(L, index);
	return true;
}

static void read_breakpoint(lua_State *L, struct attach_perf_event *e)
{
	static const char *const names[] = {"", "r", "w", "rw", "x"};
	const char *access = options_string(L, 1, "access");

	e->address = options_unsigned(L, 1, "address", UINT64_MAX, 0);
	e->access = 3;
	if (access) {
		for (e->access = 1; e->access < 5; e->access++) {
			if (strcmp(access, names[e->access]) == 0)
				break;
		}
		if (e->access == 5)
			link_attach_field_error(
				L, "access", "\"r\", \"w\", \"rw\" or \"x\" expected");
	}
	lua_pop(L, 1);
	e->length = (uint32_t)options_unsigned(
		L, 1, "length", 8, e->access == 4 ? sizeof(long) : sizeof(int));
	if (e->type == 5 && !e->address)
		link_attach_field_error(L, "address", "a breakpoint needs one");
}

/* How often the program runs. */
static void read_rate(lua_State *L, struct attach_perf_event *e)
{
	uint64_t period = options_unsigned(L, 1, "period", INT64_MAX, 0);
	uint64_t frequency = options_unsigned(L, 1, "frequency", UINT32_MAX, 0);

	if (period && frequency)
		link_attach_field_error(L, "period", "either a period or a frequency expected");
	if (!period && !frequency && e->type != 5)
		link_attach_field_error(L, "frequency", "a frequency or a period expected");
	e->is_frequency = frequency;
	e->every = frequency ? frequency : period ? period : 1;
}

/* Pushes a userdata with the CPUs that are online, and answers how many; 0 with an error. */
static uint32_t push_cpus(lua_State *L, struct counters *c, struct error *err)
{
	struct cpu_set online;
	uint32_t *cpus, cpu, n = 0;

	if (cpu_online(&online, err) < 0)
		return 0;
	cpus = compat_newuserdata(L, (online.count + 1) * sizeof(*cpus));
	for (cpu = 0; cpu <= online.last; cpu++) {
		if (cpu_is_set(&online, cpu))
			cpus[n++] = cpu;
	}
	c->cpus = cpus;
	return n;
}

/*
 * core.attach_perf_event{program =, event =, frequency =, period =, pid =, cpu =, ...}: runs the
 * program `frequency` times a second, or each time that `period` events were counted, on one CPU,
 * in one process (`pid`; 0 is the caller) or, when neither is given, on each CPU that is online;
 * one Link holds all. Returns it; nil, message, errno. `cookie` needs Linux 5.15.
 */
static int attach_to_perf_event(lua_State *L)
{
	static const char *const fields[] = {"program", "event", "type", "config", "config1",
		"config2", "address", "length", "access", "frequency", "period", "precise", "pid",
		"cpu", "exclude_kernel", "exclude_user", "exclude_idle", "inherit", "cookie", NULL};
	static const struct link_kind kind = {"perf_event", open_counter};
	struct counters c = {.event = {.cpu = -1}};
	struct attach_perf_event *e = &c.event;
	uint32_t parts = 1;
	struct error err;
	bool has_cpu;

	options_check(L, 1, "perf_event", fields);
	lua_settop(L, 1);
	link_attach_program(L, BPF_PROG_TYPE_PERF_EVENT, BPF_PROG_TYPE_PERF_EVENT);
	if (!read_event(L, e, &err))
		return link_attach_failed(L, 2, &err);
	read_breakpoint(L, e);
	read_rate(L, e);
	e->precise = (uint32_t)options_unsigned(L, 1, "precise", 3, 0);
	e->exclude_kernel = options_boolean(L, 1, "exclude_kernel", false);
	e->exclude_user = options_boolean(L, 1, "exclude_user", false);
	e->exclude_idle = options_boolean(L, 1, "exclude_idle", false);
	e->inherit = options_boolean(L, 1, "inherit", false);
	e->cookie = options_unsigned(L, 1, "cookie", UINT64_MAX, 0);
	e->pid = link_attach_pid(L);
	lua_getfield(L, 1, "cpu");
	has_cpu = !lua_isnil(L, -1);
	lua_pop(L, 1);
	if (has_cpu)
		e->cpu = (int)options_unsigned(L, 1, "cpu", CPU_MAX - 1, 0);
	if (!has_cpu && e->pid < 0) {
		parts = push_cpus(L, &c, &err);
		if (!parts)
			return link_attach_failed(L, 2, &err);
		lua_pushvalue(L, -2);
	}
	return link_attach(L, 2, &kind, &c, parts);
}

void link_probe_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_kprobe", attach_to_kprobe},
		{"attach_uprobes", attach_to_uprobes},
		{"attach_perf_event", attach_to_perf_event},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	lua_pushstring(L, syscall_prefix);
	lua_setfield(L, -2, "syscall_prefix");
}
