/* SPDX-License-Identifier: MIT */
/* p:info() and p:stats(): what the kernel tells about a program. */
#include "program_info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/fdinfo.h"
#include "../engine/probe.h"
#include "../engine/sys_info.h"
#include "failure.h"
#include "info.h"
#include "program.h"
#include "rooms.h"

#define CLASS     "ebpf.program_info"
#define AT(field) offsetof(struct abi_prog_info, field)

/* By the names of struct bpf_prog_info, and by those of bpftool where they differ. */
static const struct info_field fields[] = {
	{"type", AT(type), INFO_NAMED, &names_prog_types},
	{"id", AT(id), INFO_U32, NULL},
	{"tag", AT(tag), INFO_TAG, NULL},
	{"jited_prog_len", AT(jited_prog_len), INFO_U32, NULL},
	{"bytes_jited", AT(jited_prog_len), INFO_U32, NULL},
	{"jited", AT(jited_prog_len), INFO_FLAG, NULL},
	{"xlated_prog_len", AT(xlated_prog_len), INFO_U32, NULL},
	{"bytes_xlated", AT(xlated_prog_len), INFO_U32, NULL},
	{"load_time", AT(load_time), INFO_U64, NULL},
	{"created_by_uid", AT(created_by_uid), INFO_U32, NULL},
	{"uid", AT(created_by_uid), INFO_U32, NULL},
	{"name", AT(name), INFO_NAME, NULL},
	{"ifindex", AT(ifindex), INFO_U32, NULL},
	{"netns_dev", AT(netns_dev), INFO_U64, NULL},
	{"netns_ino", AT(netns_ino), INFO_U64, NULL},
	{"nr_jited_ksyms", AT(nr_jited_ksyms), INFO_U32, NULL},
	{"btf_id", AT(btf_id), INFO_U32, NULL},
	{"nr_func_info", AT(nr_func_info), INFO_U32, NULL},
	{"nr_line_info", AT(nr_line_info), INFO_U32, NULL},
	{"nr_jited_line_info", AT(nr_jited_line_info), INFO_U32, NULL},
	{"verified_insns", AT(verified_insns), INFO_U32, NULL},
	{"attach_btf_obj_id", AT(attach_btf_obj_id), INFO_U32, NULL},
	{"attach_btf_id", AT(attach_btf_id), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field counters[] = {
	{"run_time_ns", AT(run_time_ns), INFO_U64, NULL},
	{"run_cnt", AT(run_cnt), INFO_U64, NULL},
	{"recursion_misses", AT(recursion_misses), INFO_U64, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static int gc(lua_State *L)
{
	prog_info_free(luaL_checkudata(L, 1, CLASS));
	return 0;
}

struct prog_info *program_info_push(lua_State *L, uint32_t want)
{
	const struct program *p = handle_check(L, 1, &program_class);
	struct prog_info *info;
	struct error err;

	if (p->handle.fd < 0) {
		handle_closed(L, &program_class);
		return NULL;
	}
	info = compat_newuserdata(L, sizeof(*info));
	memset(info, 0, sizeof(*info));
	luaL_setmetatable(L, CLASS);
	if (prog_info_read(p->handle.fd, info, want, &err) == 0)
		return info;
	if (err.code == ENODEV)
		error_append(&err, ": the network device that it was loaded for is gone");
	error_prefix(&err, "ask about program \"%s\"", program_push_string(L, 1, "name"));
	probe_explain_privilege(&err, 0);
	failure_push(L, &err);
	return NULL;
}

static void set_map_ids(lua_State *L, const struct prog_info *info)
{
	const uint32_t *ids = info->arrays[PROG_INFO_MAP_IDS];
	uint32_t i, count = info->counts[PROG_INFO_MAP_IDS];

	lua_createtable(L, (int)count, 0);
	for (i = 0; i < count; i++) {
		lua_pushinteger(L, (lua_Integer)ids[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, "map_ids");
}

/* When the program was loaded, in seconds since 1970, as near as the clocks agree. */
static void set_loaded_at(lua_State *L, const struct prog_info *info)
{
	if (info->known < AT(load_time) + sizeof(uint64_t))
		return;
	compat_push_i64(
		L, (sys_boot_time() + (int64_t)info->kernel.load_time) / 1000000000, INT64_NUMBER);
	lua_setfield(L, -2, "loaded_at");
}

/* What /proc alone tells. */
static void set_memlock(lua_State *L, int fd)
{
	uint64_t bytes;
	char *text;
	bool told;
	int ret = fdinfo_read(0, fd, &text);

	if (handle_reclaimed(L, ret))
		ret = fdinfo_read(0, fd, &text);
	if (ret < 0)
		return;
	told = fdinfo_number(text, "memlock", &bytes);
	free(text);
	if (!told)
		return;
	compat_push_u64(L, bytes, INT64_NUMBER);
	lua_setfield(L, -2, "bytes_memlock");
}

/*
 * p:info() -> table, or nil, message, errno
 * The fields of struct bpf_prog_info, by its names, and by bpftool's where these differ: type (a
 * name), id, name (the 15 bytes that the kernel keeps; whole where its BTF tells), tag (hex),
 * load_time (nanoseconds since boot), loaded_at (seconds since 1970), created_by_uid = uid, map_ids
 * (array), gpl_compatible (boolean), ifindex,
 * netns_dev, netns_ino (of a program offloaded to a device), xlated_prog_len = bytes_xlated,
 * jited_prog_len = bytes_jited, jited (boolean), bytes_memlock, btf_id, attach_btf_id,
 * attach_btf_obj_id, nr_jited_ksyms (how many functions there are), nr_func_info, nr_line_info,
 * nr_jited_line_info, verified_insns, run_time_ns, run_cnt, recursion_misses, orphaned (false). An
 * id of 0 is none. What the running kernel does not tell is nil. Lengths are 0 without CAP_BPF.
 * ENODEV: it was loaded for a network device that is gone, which bpftool calls orphaned.
 */
int program_info(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	const struct prog_info *info = program_info_push(L, PROG_INFO_WANT(PROG_INFO_MAP_IDS));
	char name[BPF_OBJ_NAME_LEN + 1] = "";

	if (!info)
		return 3;
	lua_createtable(L, 0, 32);
	info_set(L, fields, &info->kernel, info->known);
	info_set(L, counters, &info->kernel, info->known);
	if (info->known >= AT(netns_dev)) {
		lua_pushboolean(L, info->kernel.gpl_compatible);
		lua_setfield(L, -2, "gpl_compatible");
	}
	lua_pushboolean(L, 0); /* else it is an error */
	lua_setfield(L, -2, "orphaned");
	memcpy(name, info->kernel.name, sizeof(info->kernel.name));
	if (strlen(name) == BPF_OBJ_NAME_LEN - 1)
		program_info_complete_name(L, name);
	set_map_ids(L, info);
	set_loaded_at(L, info);
	set_memlock(L, p->handle.fd);
	return 1;
}

/*
 * p:stats() -> {run_time_ns =, run_cnt =, recursion_misses =}, or nil, message, errno
 * The first two count, test runs too, while ebpf.enable_stats() is in force (Linux 5.8) or the
 * sysctl kernel.bpf_stats_enabled is 1 (Linux 5.1); the third always, since Linux 5.12.
 */
int program_stats(lua_State *L)
{
	const struct prog_info *info = program_info_push(L, 0);

	if (!info)
		return 3;
	lua_createtable(L, 0, 3);
	info_set(L, counters, &info->kernel, info->known);
	return 1;
}

void program_info_register(lua_State *L)
{
	if (luaL_newmetatable(L, CLASS)) {
		lua_pushcfunction(L, gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
}
