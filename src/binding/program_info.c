/* SPDX-License-Identifier: MIT */
/* p:info() and p:stats(): what the kernel tells about a program. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engine/sys.h"
#include "failure.h"
#include "options.h"
#include "program.h"
#include "rooms.h"

/* The kernel's answer, and the ids of the maps that the program uses. */
static int ask(const struct program *p, struct abi_prog_info *info, uint32_t *ids, uint32_t room)
{
	if (p->handle.fd < 0)
		return -EBADF;
	memset(info, 0, sizeof(*info));
	info->map_ids = sys_ptr(ids);
	info->nr_map_ids = room;
	return sys_obj_info(p->handle.fd, info, sizeof(*info));
}

/* Answers nil, message, errno for the program at 1. */
static int failed(lua_State *L, int ret)
{
	return failure_errno(L, ret, "ask about program \"%s\"", program_push_string(L, 1, "name"));
}

static void set_integer(lua_State *L, const char *field, uint32_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, field);
}

static void set_u64(lua_State *L, const char *field, uint64_t value)
{
	compat_push_u64(L, value, INT64_EXACT);
	lua_setfield(L, -2, field);
}

static void set_tag(lua_State *L, const struct abi_prog_info *info)
{
	char text[2 * BPF_TAG_SIZE + 1];
	int i;

	for (i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", info->tag[i]);
	lua_pushstring(L, text);
	lua_setfield(L, -2, "tag");
}

static void set_stats(lua_State *L, const struct abi_prog_info *info)
{
	set_u64(L, "run_time_ns", info->run_time_ns);
	set_u64(L, "run_cnt", info->run_cnt);
	set_u64(L, "recursion_misses", info->recursion_misses);
}

static void push_info(lua_State *L, const struct abi_prog_info *info)
{
	char name[BPF_OBJ_NAME_LEN + 1] = "";

	lua_createtable(L, 0, 22);
	options_push_name(L, &names_prog_types, info->type);
	lua_setfield(L, -2, "type");
	memcpy(name, info->name, sizeof(info->name));
	lua_pushstring(L, name);
	lua_setfield(L, -2, "name");
	set_tag(L, info);
	lua_pushboolean(L, info->gpl_compatible);
	lua_setfield(L, -2, "gpl_compatible");
	set_integer(L, "id", info->id);
	set_integer(L, "created_by_uid", info->created_by_uid);
	set_integer(L, "ifindex", info->ifindex);
	set_integer(L, "xlated_prog_len", info->xlated_prog_len);
	set_integer(L, "jited_prog_len", info->jited_prog_len);
	set_integer(L, "btf_id", info->btf_id);
	set_integer(L, "attach_btf_id", info->attach_btf_id);
	set_integer(L, "attach_btf_obj_id", info->attach_btf_obj_id);
	set_integer(L, "verified_insns", info->verified_insns);
	set_u64(L, "load_time", info->load_time);
	set_u64(L, "netns_dev", info->netns_dev);
	set_u64(L, "netns_ino", info->netns_ino);
	set_stats(L, info);
}

/*
 * p:info() -> table, or nil, message, errno
 * The fields of struct bpf_prog_info, by its names: type (a name), id, name (at most 15 bytes),
 * tag (hex), load_time (nanoseconds since boot), created_by_uid, map_ids (array), gpl_compatible
 * (boolean), ifindex, netns_dev, netns_ino (of a program offloaded to a device), xlated_prog_len,
 * jited_prog_len (bytes), btf_id, attach_btf_id, attach_btf_obj_id, verified_insns, run_time_ns,
 * run_cnt, recursion_misses. What the running kernel does not tell is 0.
 */
int program_info(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	struct abi_prog_info info;
	uint32_t *ids;
	uint32_t room, i;
	int ret;

	if (p->handle.fd < 0)
		return handle_closed(L, &program_class);
	ret = ask(p, &info, NULL, 0);
	if (ret < 0)
		return failed(L, ret);
	room = info.nr_map_ids;
	ids = lua_newuserdata(L, ((size_t)room + 1) * sizeof(*ids));
	memset(ids, 0, ((size_t)room + 1) * sizeof(*ids));
	if (room)
		ret = ask(p, &info, ids, room);
	if (ret < 0)
		return failed(L, ret);
	push_info(L, &info);
	lua_newtable(L);
	for (i = 0; i < room && i < info.nr_map_ids; i++) {
		lua_pushinteger(L, (lua_Integer)ids[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, "map_ids");
	return 1;
}

/*
 * p:stats() -> {run_time_ns =, run_cnt =, recursion_misses =}, or nil, message, errno
 * The first two count only while the sysctl kernel.bpf_stats_enabled is 1 (Linux 5.1), test runs
 * too.
 */
int program_stats(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	struct abi_prog_info info;
	int ret;

	if (p->handle.fd < 0)
		return handle_closed(L, &program_class);
	ret = ask(p, &info, NULL, 0);
	if (ret < 0)
		return failed(L, ret);
	lua_createtable(L, 0, 3);
	set_stats(L, &info);
	return 1;
}
