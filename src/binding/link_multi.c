/* SPDX-License-Identifier: MIT */
/* Attaches a program to many functions by one link; each function from a table of options to a
 * Link. */
#include <errno.h>
#include <string.h>

#include "../engine/abi.h"
#include "../engine/attach_multi.h"
#include "../engine/ksym_filter.h"
#include "../engine/sys.h"
#include "link.h"
#include "link_attach.h"
#include "options.h"

#define FILTER_CLASS "ebpf.ksym_filter"

enum { COUNT_MAX = 1 << 20 }; /* the kernel's own bound */

static int open_kprobes(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	(void)part;
	hold->fd = attach_multi_kprobe(prog_fd, target, err);
	return hold->fd < 0 ? -1 : 0;
}

static int open_uprobes(
	const void *target, uint32_t part, int prog_fd, struct attach_hold *hold, struct error *err)
{
	(void)part;
	hold->fd = attach_multi_uprobe(prog_fd, target, err);
	return hold->fd < 0 ? -1 : 0;
}

/* What the program was loaded for. */
static uint32_t attach_type(const struct program *program, uint32_t usual)
{
	return program->has_attach_type ? program->attach_type : usual;
}

/* How many elements the array in the options has; 0 when there is none. */
static uint32_t count_of(lua_State *L, const char *name)
{
	uint32_t count = 0;

	lua_getfield(L, 1, name);
	if (!lua_isnil(L, -1)) {
		if (!lua_istable(L, -1) || !lua_rawlen(L, -1) || lua_rawlen(L, -1) > COUNT_MAX)
			link_attach_field_error(L, name, "array of 1 to 1048576 elements expected");
		count = (uint32_t)lua_rawlen(L, -1);
	}
	lua_pop(L, 1);
	return count;
}

/* Pushes memory with the numbers of a field; nil and NULL when there is none. */
static const uint64_t *push_numbers(lua_State *L, const char *name, uint64_t max, uint32_t count)
{
	uint64_t *numbers;

	lua_getfield(L, 1, name);
	if (lua_isnil(L, -1))
		return NULL;
	lua_pop(L, 1);
	numbers = compat_newuserdata(L, (count ? count : 1) * sizeof(*numbers));
	link_attach_numbers(L, name, max, numbers, count);
	return numbers;
}

/* Pushes memory with the strings of the array `symbols`, which holds them. */
static const char *const *push_symbols(lua_State *L, uint32_t count)
{
	const char **symbols = compat_newuserdata(L, count * sizeof(*symbols));
	uint32_t i;

	lua_getfield(L, 1, "symbols");
	for (i = 0; i < count; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		symbols[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
		if (!symbols[i] || strlen(symbols[i]) != lua_rawlen(L, -1))
			link_attach_field_error(L, "symbols", "array of names expected");
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return symbols;
}

static int filter_gc(lua_State *L)
{
	ksym_filter_free(luaL_checkudata(L, 1, FILTER_CLASS));
	return 0;
}

/* Pushes what holds the functions that match the pattern. */
static int push_matches(
	lua_State *L, const char *pattern, struct attach_multi *m, struct error *err)
{
	struct ksym_filter *found = compat_newuserdata(L, sizeof(*found));

	memset(found, 0, sizeof(*found));
	luaL_setmetatable(L, FILTER_CLASS);
	if (ksym_filter(pattern, found, err) < 0)
		return -1;
	m->addresses = found->addresses;
	m->symbols = found->names;
	m->count = found->count;
	return 0;
}

/* Exactly one of the ways to name functions. */
static int read_functions(lua_State *L, struct attach_multi *m, struct error *err)
{
	const char *pattern = link_attach_optional_string(L, "pattern");
	uint32_t symbols = count_of(L, "symbols"), addresses = count_of(L, "addresses");

	if (!pattern + !symbols + !addresses != 2)
		link_attach_field_error(
			L, "symbols", "either symbols, addresses or a pattern expected");
	if (pattern)
		return push_matches(L, pattern, m, err);
	m->count = symbols ? symbols : addresses;
	if (symbols)
		m->symbols = push_symbols(L, symbols);
	else
		m->addresses = push_numbers(L, "addresses", UINT64_MAX, addresses);
	return 0;
}

/*
 * core.attach_kprobe_multi{program =, symbols =, addresses =, pattern =, cookies =, retprobe =}:
 * runs the program where these functions of the kernel begin, with `retprobe` where they return;
 * both when it was loaded for sessions. Returns a Link; nil, message, errno: ESRCH or ENOENT when
 * one of them is not there. BPF_LINK_CREATE, Linux 5.18; sessions 6.10.
 */
static int attach_to_kprobe_multi(lua_State *L)
{
	static const char *const fields[] = {
		"program", "symbols", "addresses", "pattern", "cookies", "retprobe", NULL};
	static const struct link_kind kind = {"kprobe_multi", open_kprobes};
	const struct program *program;
	struct attach_multi m = {0};
	struct error err;

	options_check(L, 1, "kprobe_multi", fields);
	lua_settop(L, 1);
	program = link_attach_program(L, BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_KPROBE);
	m.attach_type = attach_type(program, BPF_TRACE_KPROBE_MULTI);
	m.is_return = options_boolean(L, 1, "retprobe", false);
	if (read_functions(L, &m, &err) < 0)
		return link_attach_failed(L, 2, &err);
	m.cookies = push_numbers(L, "cookies", UINT64_MAX, m.count);
	if (!link_attach_optional_string(L, "pattern")) {
		if (m.count == 1 && m.symbols)
			lua_pushstring(L, m.symbols[0]);
		else
			lua_pushfstring(L, "%d functions", (int)m.count);
	}
	return link_attach(L, 2, &kind, &m, 1);
}

/*
 * core.attach_uprobe_multi{program =, path =, offsets =, ref_ctr_offsets =, cookies =, pid =,
 * retprobe =, title =}: runs the program before the instructions at these offsets of the file, with
 * `retprobe` where the functions that begin there return; both when it was loaded for sessions.
 * In one process (`pid`; 0 is the caller) or in all. Returns a Link; nil, message, errno.
 * BPF_LINK_CREATE, Linux 6.6; sessions 6.13.
 */
static int attach_to_uprobe_multi(lua_State *L)
{
	static const char *const fields[] = {"program", "path", "offsets", "ref_ctr_offsets",
		"cookies", "pid", "retprobe", "title", NULL};
	static const struct link_kind kind = {"uprobe_multi", open_uprobes};
	const struct program *program;
	struct attach_multi m = {0};
	int pid;

	options_check(L, 1, "uprobe_multi", fields);
	lua_settop(L, 1);
	program = link_attach_program(L, BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_KPROBE);
	m.attach_type = attach_type(program, BPF_TRACE_UPROBE_MULTI);
	m.is_return = options_boolean(L, 1, "retprobe", false);
	pid = link_attach_pid(L);
	m.pid = pid < 0 ? 0 : (uint32_t)(pid ? pid : sys_process_id());
	m.path = link_attach_string(L, "path");
	m.count = count_of(L, "offsets");
	if (!m.count)
		link_attach_field_error(L, "offsets", "array of numbers expected");
	m.offsets = push_numbers(L, "offsets", INT64_MAX, m.count);
	m.ref_ctr_offsets = push_numbers(L, "ref_ctr_offsets", INT64_MAX, m.count);
	m.cookies = push_numbers(L, "cookies", UINT64_MAX, m.count);
	if (!link_attach_optional_string(L, "title"))
		lua_pushstring(L, m.path);
	return link_attach(L, 2, &kind, &m, 1);
}

void link_multi_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_kprobe_multi", attach_to_kprobe_multi},
		{"attach_uprobe_multi", attach_to_uprobe_multi},
		{NULL, NULL},
	};

	if (luaL_newmetatable(L, FILTER_CLASS)) {
		lua_pushcfunction(L, filter_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
