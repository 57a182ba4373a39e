/* SPDX-License-Identifier: MIT */
/* The machine around: its CPUs, and the directories that pins are kept in. */
#include <errno.h>
#include <string.h>

#include "../engine/cpu.h"
#include "../engine/sys.h"
#include "failure.h"
#include "handle.h"
#include "rooms.h"

enum { FIRST_LIST_SIZE = 4096, LIST_LIMIT = 1 << 26 };

static int push_cpus(lua_State *L, int (*read)(struct cpu_set *set, struct error *err))
{
	struct cpu_set set;
	struct error err;
	uint32_t cpu;
	int ret, n = 0;

	ret = read(&set, &err);
	if (ret < 0 && handle_reclaimed(L, -err.code))
		ret = read(&set, &err);
	if (ret < 0)
		return failure_push(L, &err);
	lua_createtable(L, (int)set.count, 0);
	for (cpu = 0; cpu <= set.last; cpu++) {
		if (cpu_is_set(&set, cpu)) {
			lua_pushinteger(L, (lua_Integer)cpu);
			lua_rawseti(L, -2, ++n);
		}
	}
	return 1;
}

/* core.possible_cpus() -> array of CPU numbers | nil, message, errno
 * One for each value of a per-CPU map, in that order. From /sys/devices/system/cpu/possible. */
static int core_possible_cpus(lua_State *L)
{
	return push_cpus(L, cpu_possible);
}

/* core.online_cpus() -> array of CPU numbers | nil, message, errno
 * From /sys/devices/system/cpu/online. */
static int core_online_cpus(lua_State *L)
{
	return push_cpus(L, cpu_online);
}

/* core.make_directory(path) -> true | nil, message, errno: fine when it is there already. */
static int core_make_directory(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	int ret = sys_make_directory(path);

	if (ret < 0)
		return failure_errno(L, ret, "make directory \"%s\"", path);
	lua_pushboolean(L, 1);
	return 1;
}

/* core.list_directory(path) -> array of names, in no order | nil, message, errno */
static int core_list_directory(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	size_t size = FIRST_LIST_SIZE, used = 0, at = 0;
	const char *names;
	int ret, n = 0;

	lua_settop(L, 1);
	do {
		lua_settop(L, 1);
		names = lua_newuserdata(L, size);
		ret = sys_list_directory(path, lua_touserdata(L, 2), size, &used);
		if (handle_reclaimed(L, ret))
			ret = sys_list_directory(path, lua_touserdata(L, 2), size, &used);
		size *= 2;
	} while (ret == -ERANGE && size <= LIST_LIMIT);
	if (ret < 0)
		return failure_errno(L, ret, "list directory \"%s\"", path);
	lua_newtable(L);
	while (at < used) {
		lua_pushstring(L, names + at);
		lua_rawseti(L, -2, ++n);
		at += strlen(names + at) + 1;
	}
	return 1;
}

/* core.ktime_get_ns() -> integer, on LuaJIT a uint64_t: what bpf_ktime_get_ns() tells programs now. */
static int core_ktime_get_ns(lua_State *L)
{
	compat_push_u64(L, (uint64_t)sys_now(), INT64_EXACT);
	return 1;
}

void host_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"possible_cpus", core_possible_cpus},
		{"online_cpus", core_online_cpus},
		{"make_directory", core_make_directory},
		{"list_directory", core_list_directory},
		{"ktime_get_ns", core_ktime_get_ns},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
