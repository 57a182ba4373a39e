/* SPDX-License-Identifier: MIT */
/* link:info(): what the kernel tells about a link. */
#include "../engine/link_info.h"

#include <string.h>

#include "../engine/attach_xdp.h"
#include "../engine/kernel_names.h"
#include "../engine/sys_info.h"
#include "info.h"
#include "link.h"

#define AT(field) offsetof(struct abi_link_info, field)

enum { KPROBE_MULTI_RETURN = 1, UPROBE_MULTI_RETURN = 1 };

static const struct info_field common[] = {
	{"type", AT(type), INFO_NAMED, &names_link_types},
	{"id", AT(id), INFO_U32, NULL},
	{"prog_id", AT(prog_id), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field raw_tracepoint[] = {
	{"cookie", AT(raw_tracepoint.cookie), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field tracing[] = {
	{"attach_type", AT(tracing.attach_type), INFO_NAMED, &names_attach_types},
	{"target_obj_id", AT(tracing.target_obj_id), INFO_U32, NULL},
	{"target_btf_id", AT(tracing.target_btf_id), INFO_U32, NULL},
	{"cookie", AT(tracing.cookie), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field cgroup[] = {
	{"cgroup_id", AT(cgroup.cgroup_id), INFO_U64, NULL},
	{"attach_type", AT(cgroup.attach_type), INFO_NAMED, &names_attach_types},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field netns[] = {
	{"netns_ino", AT(netns.netns_ino), INFO_U32, NULL},
	{"attach_type", AT(netns.attach_type), INFO_NAMED, &names_attach_types},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field xdp[] = {
	{"ifindex", AT(xdp.ifindex), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field tcx[] = {
	{"ifindex", AT(tcx.ifindex), INFO_U32, NULL},
	{"attach_type", AT(tcx.attach_type), INFO_NAMED, &names_attach_types},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field struct_ops[] = {
	{"map_id", AT(struct_ops.map_id), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field netfilter[] = {
	{"pf", AT(netfilter.pf), INFO_U32, NULL},
	{"hook", AT(netfilter.hooknum), INFO_U32, NULL},
	{"prio", AT(netfilter.priority), INFO_I32, NULL},
	{"flags", AT(netfilter.flags), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field sockmap[] = {
	{"map_id", AT(sockmap.map_id), INFO_U32, NULL},
	{"attach_type", AT(sockmap.attach_type), INFO_NAMED, &names_attach_types},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field kprobe_multi[] = {
	{"func_cnt", AT(kprobe_multi.count), INFO_U32, NULL},
	{"flags", AT(kprobe_multi.flags), INFO_U32, NULL},
	{"missed", AT(kprobe_multi.missed), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field uprobe_multi[] = {
	{"func_cnt", AT(uprobe_multi.count), INFO_U32, NULL},
	{"flags", AT(uprobe_multi.flags), INFO_U32, NULL},
	{"pid", AT(uprobe_multi.pid), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field iter_map[] = {
	{"map_id", AT(iter.map_id), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field iter_cgroup[] = {
	{"cgroup_id", AT(iter.cgroup.cgroup_id), INFO_U64, NULL},
	{"order", AT(iter.cgroup.order), INFO_NAMED, &names_cgroup_orders},
	{NULL, 0, INFO_U32, NULL},
};

/* 0 for what the iterator is not limited to. */
static const struct info_field iter_task[] = {
	{"tid", AT(iter.task.tid), INFO_U32, NULL},
	{"pid", AT(iter.task.pid), INFO_U32, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct {
	const char *target;
	const struct info_field *fields;
} iterators[] = {
	{"bpf_map_elem", iter_map},
	{"bpf_sk_storage_map", iter_map},
	{"cgroup", iter_cgroup},
	{"task", iter_task},
	{"task_file", iter_task},
	{"task_vma", iter_task},
};

static const struct info_field perf_kprobe[] = {
	{"addr", AT(perf_event.kprobe.addr), INFO_U64, NULL},
	{"offset", AT(perf_event.kprobe.offset), INFO_U32, NULL},
	{"missed", AT(perf_event.kprobe.missed), INFO_LATE, NULL},
	{"cookie", AT(perf_event.kprobe.cookie), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field perf_uprobe[] = {
	{"offset", AT(perf_event.uprobe.offset), INFO_U32, NULL},
	{"cookie", AT(perf_event.uprobe.cookie), INFO_LATE, NULL},
	{"ref_ctr_offset", AT(perf_event.uprobe.ref_ctr_offset), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field perf_tracepoint[] = {
	{"cookie", AT(perf_event.tracepoint.cookie), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static const struct info_field perf_event[] = {
	{"event_type", AT(perf_event.event.type), INFO_NAMED, &names_perf_types},
	{"cookie", AT(perf_event.event.cookie), INFO_LATE, NULL},
	{NULL, 0, INFO_U32, NULL},
};

static void set_interface(lua_State *L, uint32_t index)
{
	char name[16];

	if (index && sys_interface_name(index, name) == 0)
		info_set_string(L, "devname", name);
}

static void set_xdp(lua_State *L, const struct link_info *info)
{
	struct attach_xdp_place place;
	uint32_t index = info->kernel.xdp.ifindex;

	if (!index || !attach_xdp_find(index, info->kernel.prog_id, &place))
		return;
	info_set_string(L, "devname", place.interface);
	info_set_string(L, "mode", attach_xdp_mode_name(place.mode));
}

static void set_tcx(lua_State *L, const struct link_info *info)
{
	set_interface(L, info->kernel.tcx.ifindex);
}

/* The type of the program, as far as it may be opened. */
static void set_tracing(lua_State *L, const struct link_info *info)
{
	struct abi_prog_info program = {0};
	int fd = sys_fd_by_id(BPF_PROG_GET_FD_BY_ID, info->kernel.prog_id, 0);

	if (fd < 0)
		return;
	if (sys_obj_info(fd, &program, sizeof(program)) == 0)
		info_set_named(L, "prog_type", &names_prog_types, program.type);
	sys_close(fd);
}

static void set_iter(lua_State *L, const struct link_info *info)
{
	size_t i;

	for (i = 0; i < sizeof(iterators) / sizeof(iterators[0]); i++) {
		if (strcmp(iterators[i].target, info->name) == 0)
			info_set(L, iterators[i].fields, &info->kernel, info->known);
	}
}

static void set_return(lua_State *L, bool is_return)
{
	lua_pushboolean(L, is_return);
	lua_setfield(L, -2, "retprobe");
}

static void set_kprobe_multi(lua_State *L, const struct link_info *info)
{
	set_return(L, info->kernel.kprobe_multi.flags & KPROBE_MULTI_RETURN);
}

static void set_uprobe_multi(lua_State *L, const struct link_info *info)
{
	set_return(L, info->kernel.uprobe_multi.flags & UPROBE_MULTI_RETURN);
}

static void set_event_config(lua_State *L, const struct abi_link_info *k)
{
	static const struct names_table *const configs[] = {
		&names_perf_hardware, &names_perf_software};
	uint64_t config = k->perf_event.event.config;
	const char *name = NULL;

	if (k->perf_event.event.type < sizeof(configs) / sizeof(configs[0]) && config <= UINT32_MAX)
		name = names_of(configs[k->perf_event.event.type], (uint32_t)config);
	if (name)
		info_set_string(L, "event_config", name);
	else
		info_set_u64(L, "event_config", config);
}

/* By perf_event.type. */
static const struct {
	const char *name_field;
	const struct info_field *fields;
	bool is_probe, is_return;
} perf_events[] = {
	[BPF_PERF_EVENT_UPROBE] = {"file", perf_uprobe, true, false},
	[BPF_PERF_EVENT_URETPROBE] = {"file", perf_uprobe, true, true},
	[BPF_PERF_EVENT_KPROBE] = {"func", perf_kprobe, true, false},
	[BPF_PERF_EVENT_KRETPROBE] = {"func", perf_kprobe, true, true},
	[BPF_PERF_EVENT_TRACEPOINT] = {"tracepoint", perf_tracepoint, false, false},
	[BPF_PERF_EVENT_EVENT] = {NULL, perf_event, false, false},
};

static void set_perf_event(lua_State *L, const struct link_info *info)
{
	const struct abi_link_info *k = &info->kernel;
	uint32_t type = k->perf_event.type;

	if (type >= sizeof(perf_events) / sizeof(perf_events[0]) || !perf_events[type].fields)
		return;
	info_set(L, perf_events[type].fields, k, info->known);
	if (perf_events[type].name_field && info->name[0])
		info_set_string(L, perf_events[type].name_field, info->name);
	if (perf_events[type].is_probe)
		set_return(L, perf_events[type].is_return);
	if (type == BPF_PERF_EVENT_EVENT)
		set_event_config(L, k);
}

/* What each type tells, besides what all do. */
static const struct kind {
	const struct info_field *fields;
	const char *name_field; /* what its name is called */
	void (*set_more)(lua_State *L, const struct link_info *info);
	const char *arrays[LINK_INFO_ARRAYS]; /* what the numbers of each of "funcs" are called */
} kinds[] = {
	[BPF_LINK_TYPE_RAW_TRACEPOINT] = {raw_tracepoint, "tp_name", NULL, {NULL}},
	[BPF_LINK_TYPE_TRACING] = {tracing, NULL, set_tracing, {NULL}},
	[BPF_LINK_TYPE_CGROUP] = {cgroup, NULL, NULL, {NULL}},
	[BPF_LINK_TYPE_ITER] = {NULL, "target_name", set_iter, {NULL}},
	[BPF_LINK_TYPE_NETNS] = {netns, NULL, NULL, {NULL}},
	[BPF_LINK_TYPE_XDP] = {xdp, NULL, set_xdp, {NULL}},
	[BPF_LINK_TYPE_PERF_EVENT] = {NULL, NULL, set_perf_event, {NULL}},
	[BPF_LINK_TYPE_KPROBE_MULTI] = {kprobe_multi, NULL, set_kprobe_multi, {"addr", "cookie"}},
	[BPF_LINK_TYPE_STRUCT_OPS] = {struct_ops, NULL, NULL, {NULL}},
	[BPF_LINK_TYPE_NETFILTER] = {netfilter, NULL, NULL, {NULL}},
	[BPF_LINK_TYPE_TCX] = {tcx, NULL, set_tcx, {NULL}},
	[BPF_LINK_TYPE_UPROBE_MULTI] = {uprobe_multi, "path", set_uprobe_multi,
		{"offset", "ref_ctr_offset", "cookie"}},
	[BPF_LINK_TYPE_NETKIT] = {tcx, NULL, set_tcx, {NULL}},
	[BPF_LINK_TYPE_SOCKMAP] = {sockmap, NULL, NULL, {NULL}},
};

static void set_details(lua_State *L, const struct link_info *info)
{
	const struct kind *kind = &kinds[0];

	if (info->kernel.type < sizeof(kinds) / sizeof(kinds[0]))
		kind = &kinds[info->kernel.type];
	if (kind->fields)
		info_set(L, kind->fields, &info->kernel, info->known);
	if (kind->name_field && info->name[0])
		info_set_string(L, kind->name_field, info->name);
	if (kind->set_more)
		kind->set_more(L, info);
}

static bool is_zero(const uint64_t *numbers, uint32_t count)
{
	while (count > 0 && !numbers[count - 1])
		count--;
	return count == 0;
}

/* Pushes the functions of the kernel that the addresses of a kprobe_multi link are in; or nil. */
static struct kernel_name *push_functions(
	lua_State *L, const struct link_info *info, const uint64_t *addresses, uint32_t count)
{
	struct kernel_name *functions;
	struct error ignored;
	uint32_t i;

	if (info->kernel.type != BPF_LINK_TYPE_KPROBE_MULTI || !addresses[0]) {
		lua_pushnil(L);
		return NULL;
	}
	functions = lua_newuserdata(L, (size_t)count * sizeof(*functions));
	for (i = 0; i < count; i++) {
		functions[i].address = addresses[i];
		functions[i].index = i;
	}
	return kernel_names_find(functions, count, &ignored) < 0 ? NULL : functions;
}

/* Names one of the array on top. */
static void set_function(lua_State *L, const struct kernel_name *function)
{
	if (!function->name[0])
		return;
	lua_rawgeti(L, -1, (int)function->index + 1);
	info_set_string(L, "func", function->name);
	if (function->module[0])
		info_set_string(L, "module", function->module);
	lua_pop(L, 1);
}

/* The field "funcs" of a link of many probes: an array of {addr=, cookie=} and the like. */
static int set_arrays(lua_State *L, int fd, struct link_info *info, struct error *err)
{
	uint32_t count = link_info_count(info), i;
	const char *names[LINK_INFO_ARRAYS];
	struct kernel_name *functions;
	uint64_t *numbers;
	int array;

	if (!count)
		return 0;
	memcpy(names, kinds[info->kernel.type].arrays, sizeof(names));
	numbers = lua_newuserdata(L, (size_t)count * LINK_INFO_ARRAYS * sizeof(*numbers));
	if (link_info_read_arrays(fd, info, numbers, err) < 0)
		return -1;
	/* Cookies came later than the rest: all 0, they may not be told. */
	for (array = 0; array < LINK_INFO_ARRAYS && names[array]; array++) {
		if (strcmp(names[array], "cookie") == 0 &&
			is_zero(numbers + (size_t)count * array, count))
			names[array] = NULL;
	}
	functions = push_functions(L, info, numbers, count);
	lua_createtable(L, (int)count, 0);
	for (i = 0; i < count; i++) {
		lua_createtable(L, 0, LINK_INFO_ARRAYS);
		for (array = 0; array < LINK_INFO_ARRAYS && names[array]; array++)
			info_set_u64(L, names[array], numbers[(size_t)count * array + i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	for (i = 0; functions && i < count; i++)
		set_function(L, &functions[i]);
	lua_setfield(L, -4, "funcs");
	lua_pop(L, 2);
	return 0;
}

int link_push_info(lua_State *L, int fd, struct error *err)
{
	struct link_info info;

	if (link_info_read(fd, &info, err) < 0)
		return -1;
	lua_createtable(L, 0, 8);
	info_set(L, common, &info.kernel, info.known);
	set_details(L, &info);
	return set_arrays(L, fd, &info, err);
}
