/* SPDX-License-Identifier: MIT */
/* The BPF of the whole system: who holds its objects, ids of BTF, statistics. */
#include <errno.h>
#include <string.h>

#include "../engine/holders.h"
#include "../engine/probe.h"
#include "../engine/sys_info.h"
#include "failure.h"
#include "handle.h"
#include "info.h"
#include "rooms.h"

#define HOLDERS_CLASS "ebpf.holders"

enum { BTF_NAME_SIZE = 128, STATS_RUN_TIME = 0 };

static int holders_gc(lua_State *L)
{
	holders_free(luaL_checkudata(L, 1, HOLDERS_CLASS));
	return 0;
}

static struct holders *push_holders(lua_State *L)
{
	struct holders *holders = compat_newuserdata(L, sizeof(*holders));

	memset(holders, 0, sizeof(*holders));
	luaL_setmetatable(L, HOLDERS_CLASS);
	return holders;
}

/* An array of {kind =, id =, ...}, and how many could not be looked at. */
static int push_list(lua_State *L, const struct holders *holders)
{
	static const char *const kinds[HOLDER_KINDS] = {
		[HOLDER_MAP] = "maps",
		[HOLDER_PROGRAM] = "programs",
		[HOLDER_LINK] = "links",
		[HOLDER_BTF] = "btfs",
	};
	const struct holder *holder;
	uint32_t i;

	lua_createtable(L, (int)holders->count, 0);
	for (i = 0; i < holders->count; i++) {
		holder = &holders->list[i];
		lua_createtable(L, 0, 6);
		info_set_string(L, "kind", kinds[holder->kind]);
		info_set_integer(L, "id", holder->id);
		if (holder->path) {
			info_set_string(L, "path", holder->path);
		} else {
			info_set_integer(L, "pid", (uint32_t)holder->process);
			info_set_integer(L, "fd", (uint32_t)holder->fd);
			info_set_string(L, "comm", holder->comm);
			lua_pushboolean(L, holder->by_event);
			lua_setfield(L, -2, "perf_event");
		}
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_pushinteger(L, (lua_Integer)holders->unreadable);
	return 2;
}

/* core.find_processes() -> array of {kind =, id =, pid =, fd =, comm =, perf_event =}, how many
 * processes could not be looked at | nil, message, errno */
static int find_processes(lua_State *L)
{
	struct holders *holders = push_holders(L);
	struct error err;

	if (holders_add_processes(holders, &err) < 0)
		return failure_push(L, &err);
	return push_list(L, holders);
}

/* core.find_pins(directory) -> array of {kind =, id =, path =}, how many files could not be opened
 * | nil, message, errno */
static int find_pins(lua_State *L)
{
	const char *directory = luaL_checkstring(L, 1);
	struct holders *holders = push_holders(L);
	struct error err;
	int ret = holders_add_pins(holders, directory, &err);

	if (ret < 0 && handle_reclaimed(L, -err.code)) {
		holders_free(holders);
		ret = holders_add_pins(holders, directory, &err);
	}
	if (ret < 0)
		return failure_push(L, &err);
	return push_list(L, holders);
}

static const struct {
	const char *function;
	const char *what; /* for messages */
	enum bpf_cmd command;
} lists[] = {
	{"next_map_id", "maps", BPF_MAP_GET_NEXT_ID}, /* Linux 4.13 */
	{"next_program_id", "programs", BPF_PROG_GET_NEXT_ID}, /* 4.13 */
	{"next_link_id", "links", BPF_LINK_GET_NEXT_ID}, /* 5.8 */
	{"next_btf_id", "BTF", BPF_BTF_GET_NEXT_ID}, /* 5.4 */
};

/* core.next_map_id([id]) and the like -> the lowest id above `id` (or of all), nil behind the last;
 * nil, message, errno. Needs CAP_SYS_ADMIN. */
static int next_id(lua_State *L)
{
	uint32_t id = lua_isnoneornil(L, 1) ? 0 : (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX);
	lua_Integer list = lua_tointeger(L, lua_upvalueindex(1));
	struct error err;
	uint32_t next;
	int ret = sys_next_id(lists[list].command, id, &next);

	if (ret == -ENOENT) {
		lua_pushnil(L);
		return 1;
	}
	if (ret < 0) {
		error_errno(&err, ret, "list %s", lists[list].what);
		probe_explain_privilege(&err, PROBE_SYS_ADMIN);
		return failure_push(L, &err);
	}
	lua_pushinteger(L, (lua_Integer)next);
	return 1;
}

/* core.btf_info(id) -> {id =, size =, name =, kernel =} as bpftool calls them, the last two since
 * Linux 5.11 | nil, message, errno. Needs CAP_SYS_ADMIN. */
static int btf_info(lua_State *L)
{
	uint32_t id = (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX);
	char name[BTF_NAME_SIZE] = "";
	struct abi_btf_info info = {0};
	struct error err;
	uint32_t known;
	int fd = sys_fd_by_id(BPF_BTF_GET_FD_BY_ID, id, 0), ret;

	if (handle_reclaimed(L, fd))
		fd = sys_fd_by_id(BPF_BTF_GET_FD_BY_ID, id, 0);
	if (fd < 0) {
		error_errno(&err, fd, "open BTF by id %u", id);
		probe_explain_privilege(&err, PROBE_SYS_ADMIN);
		return failure_push(L, &err);
	}
	ret = sys_obj_info_known(fd, &info, sizeof(info), &known);
	if (ret == 0 && known >= sizeof(info)) {
		info = (struct abi_btf_info){.name = sys_ptr(name), .name_len = sizeof(name)};
		ret = sys_obj_info_known(fd, &info, sizeof(info), &known);
		if (ret == -ENOSPC) /* the name is cut */
			ret = 0;
	}
	sys_close(fd);
	if (ret < 0)
		return failure_errno(L, ret, "ask about BTF with id %u", id);
	name[sizeof(name) - 1] = '\0';
	lua_createtable(L, 0, 4);
	info_set_integer(L, "id", id);
	info_set_integer(L, "size", info.btf_size);
	if (known >= sizeof(info)) {
		info_set_string(L, "name", name);
		lua_pushboolean(L, info.kernel_btf != 0);
		lua_setfield(L, -2, "kernel");
	}
	return 1;
}

static const luaL_Reg none[] = {{NULL, NULL}};

static int stats_tostring(lua_State *L);

static const luaL_Reg stats_metamethods[] = {
	{"__tostring", stats_tostring},
	{NULL, NULL},
};

static const struct handle_class stats_class = {
	.name = "ebpf.stats",
	.what = "stats",
	.methods = none,
	.metamethods = stats_metamethods,
};

/* `stats #5`, the number being the fd. */
static int stats_tostring(lua_State *L)
{
	const struct handle *h = handle_check(L, 1, &stats_class);

	if (h->fd >= 0)
		lua_pushfstring(L, "stats #%d", h->fd);
	else
		lua_pushliteral(L, "stats (closed)");
	return 1;
}

/*
 * core.enable_stats() -> Stats, or nil, message, errno
 * While it is open the kernel counts how often programs run and how long, all programs, for
 * p:stats(). Each run then takes some tens of nanoseconds more. BPF_ENABLE_STATS, Linux 5.8; needs
 * CAP_SYS_ADMIN.
 */
static int enable_stats(lua_State *L)
{
	struct handle *h = handle_new(L, &stats_class, sizeof(*h));
	struct error err;
	int fd = sys_enable_stats(STATS_RUN_TIME);

	if (handle_reclaimed(L, fd))
		fd = sys_enable_stats(STATS_RUN_TIME);
	if (fd >= 0) {
		h->fd = fd;
		return 1;
	}
	error_errno(&err, fd, "enable statistics of programs");
	if (fd == -EINVAL)
		error_append(
			&err, ": needs Linux 5.8: set the sysctl kernel.bpf_stats_enabled to 1");
	probe_explain_privilege(&err, PROBE_SYS_ADMIN);
	return failure_push(L, &err);
}

void system_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"find_processes", find_processes},
		{"find_pins", find_pins},
		{"btf_info", btf_info},
		{"enable_stats", enable_stats},
		{NULL, NULL},
	};
	size_t i;

	handle_register(L, &stats_class);
	if (luaL_newmetatable(L, HOLDERS_CLASS)) {
		lua_pushcfunction(L, holders_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		lua_pushinteger(L, (lua_Integer)i);
		lua_pushcclosure(L, next_id, 1);
		lua_setfield(L, -2, lists[i].function);
	}
}
