/* SPDX-License-Identifier: MIT */
/* core.query_programs(): what programs are attached where. */
#include <errno.h>
#include <string.h>

#include "../engine/abi_net.h"
#include "../engine/attach_query.h"
#include "../engine/attach_tc.h"
#include "../engine/attach_xdp.h"
#include "../engine/sys_net.h"
#include "failure.h"
#include "info.h"
#include "link_net.h"
#include "options.h"
#include "rooms.h"

enum { FIRST_ROOM = 64, ATTEMPTS = 8 };

static void set_true(lua_State *L, const char *name, bool value)
{
	if (!value)
		return;
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, name);
}

/* Adds the table on top to the array below it. */
static void append(lua_State *L)
{
	lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
}

static const char *allowed(uint32_t flags)
{
	if (flags & BPF_F_ALLOW_MULTI)
		return "multi";
	return flags & BPF_F_ALLOW_OVERRIDE ? "override" : "none";
}

static void push_programs(lua_State *L, const struct attach_query_program *programs, uint32_t count)
{
	uint32_t i;

	lua_createtable(L, (int)count, 0);
	for (i = 0; i < count; i++) {
		lua_createtable(L, 0, 2);
		info_set_integer(L, "id", programs[i].id);
		if (programs[i].link_id)
			info_set_integer(L, "link_id", programs[i].link_id);
		set_true(L, "preorder", programs[i].flags & BPF_F_PREORDER);
		append(L);
	}
}

/* By BPF_PROG_QUERY. */
static int query(lua_State *L, const struct attach_query_target *target)
{
	struct attach_query_program *programs;
	struct attach_query result = {0};
	uint32_t room = FIRST_ROOM;
	struct error err;
	int ret, attempt = 0;

	do {
		programs = lua_newuserdata(L, room * sizeof(*programs));
		ret = attach_query(target, programs, room, &result, &err);
		if (ret > 0) {
			room = result.count + FIRST_ROOM;
			error_set(&err, EAGAIN, "query: the list of programs grows all the time");
		}
	} while (ret > 0 && ++attempt < ATTEMPTS);
	if (ret != 0)
		return failure_push(L, &err);
	lua_createtable(L, 0, 3);
	push_programs(L, programs, result.count);
	lua_setfield(L, -2, "programs");
	if (result.revision) {
		info_set_u64(L, "revision", result.revision);
	}
	if (target->kind == ATTACH_QUERY_CGROUP && !target->effective && result.count) {
		info_set_string(L, "allow", allowed(result.flags));
	}
	return 1;
}

static int find_interface(const struct link_net_place *place)
{
	return place->name ? sys_interface_index(place->name) : place->number;
}

static int refuse(lua_State *L, const struct link_net_place *place, int code)
{
	if (place->name)
		return failure_errno(L, code, "query interface \"%s\"", place->name);
	return failure_errno(L, code, "query interface %d", place->number);
}

/* {programs = {{id =, mode =}}}, by rtnetlink. */
static int query_xdp(lua_State *L, const struct link_net_place *place)
{
	struct attach_xdp_interface interface;
	int ret = find_interface(place);
	int mode;

	if (ret >= 0)
		ret = attach_xdp_ask(-1, (uint32_t)ret, &interface);
	if (ret < 0)
		return refuse(L, place, ret);
	lua_createtable(L, 0, 1);
	lua_newtable(L);
	for (mode = ATTACH_XDP_NATIVE; mode < ATTACH_XDP_MODES; mode++) {
		if (!interface.programs[mode])
			continue;
		lua_createtable(L, 0, 2);
		info_set_integer(L, "id", interface.programs[mode]);
		info_set_string(L, "mode", attach_xdp_mode_name((enum attach_xdp_mode)mode));
		append(L);
	}
	lua_setfield(L, -2, "programs");
	return 1;
}

/* The filters of a hook, in memory of Lua's. */
struct filters {
	struct attach_tc_filter *list;
	uint32_t room, count;
};

static bool add_filter(const struct attach_tc_filter *filter, void *context)
{
	struct filters *filters = context;

	if (filters->count < filters->room)
		filters->list[filters->count] = *filter;
	filters->count++;
	return true;
}

static void push_filter(lua_State *L, const struct attach_tc_filter *filter)
{
	lua_createtable(L, 0, 6);
	if (filter->prog_id)
		info_set_integer(L, "id", filter->prog_id);
	info_set_integer(L, "priority", filter->priority);
	info_set_integer(L, "handle", filter->handle);
	info_set_integer(L, "chain", filter->chain);
	info_set_string(L, "name", filter->name);
	lua_pushboolean(L, filter->direct_action);
	lua_setfield(L, -2, "direct_action");
}

/* {programs = {{id =, priority =, handle =, chain =, name =, direct_action =}}}, by rtnetlink. */
static int query_tc(lua_State *L, const struct link_net_place *place, uint32_t parent)
{
	struct filters filters = {NULL, FIRST_ROOM, 0};
	int index = find_interface(place);
	int ret = index, attempt = 0;
	uint32_t i;

	while (ret >= 0) {
		filters.list = lua_newuserdata(L, filters.room * sizeof(*filters.list));
		filters.count = 0;
		ret = attach_tc_list(-1, (uint32_t)index, parent, add_filter, &filters);
		if (ret == -EAGAIN && ++attempt < ATTEMPTS)
			ret = 0;
		else if (ret >= 0 && filters.count <= filters.room)
			break;
		if (filters.count > filters.room)
			filters.room = filters.count + FIRST_ROOM;
	}
	/* EINVAL: there is no clsact, so there are no filters. */
	if (ret < 0 && (ret != -EINVAL || index < 0))
		return refuse(L, place, ret);
	lua_createtable(L, 0, 1);
	lua_newtable(L);
	for (i = 0; ret >= 0 && i < filters.count; i++) {
		push_filter(L, &filters.list[i]);
		append(L);
	}
	lua_setfield(L, -2, "programs");
	return 1;
}

/* The option `map`, an open one. */
static bool check_map(lua_State *L, struct attach_query_target *target)
{
	const struct handle *map;

	lua_getfield(L, 1, "map");
	map = handle_test(L, -1, &map_class);
	if (!map)
		link_attach_field_error(L, "map", "Map expected");
	target->kind = ATTACH_QUERY_MAP;
	target->number = map->fd;
	return map->fd >= 0;
}

/* The options that name where hooks are looked for, by attach_query_kind. */
static const char *const places[] = {"cgroup", "interface", "netns", "map"};

static enum attach_query_kind check_kind(lua_State *L)
{
	int i, kind = -1, count = 0;

	for (i = 0; i < 4; i++) {
		lua_getfield(L, 1, places[i]);
		if (!lua_isnil(L, -1)) {
			kind = i;
			count++;
		}
		lua_pop(L, 1);
	}
	if (count != 1)
		luaL_argerror(L, 1, "one of cgroup, interface, netns and map expected");
	return (enum attach_query_kind)kind;
}

/* The attach type of that name, which such places must have: the kernel takes their numbers for
 * one another's. */
static uint32_t check_attach_type(lua_State *L, const char *name, enum attach_query_kind kind)
{
	static const struct {
		const char *prefix;
		enum attach_query_kind kind;
	} hooks[] = {
		{"cgroup_", ATTACH_QUERY_CGROUP},
		{"lsm_cgroup", ATTACH_QUERY_CGROUP},
		{"xdp", ATTACH_QUERY_INTERFACE},
		{"tcx_", ATTACH_QUERY_INTERFACE},
		{"netkit_", ATTACH_QUERY_INTERFACE},
		{"sk_lookup", ATTACH_QUERY_NETNS},
		{"flow_dissector", ATTACH_QUERY_NETNS},
		{"sk_skb_", ATTACH_QUERY_MAP},
		{"sk_msg_", ATTACH_QUERY_MAP},
	};
	uint32_t attach_type = options_name(L, 1, "attach_type", &names_attach_types, 0);
	size_t i;

	for (i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		if (hooks[i].kind == kind &&
			strncmp(name, hooks[i].prefix, strlen(hooks[i].prefix)) == 0)
			return attach_type;
	}
	link_attach_field_error(L, "attach_type",
		lua_pushfstring(L, "'%s' is none of the hooks of %s %s", name,
			kind == ATTACH_QUERY_INTERFACE ? "an" : "a", places[kind]));
	return 0;
}

static int query_interface(lua_State *L, const char *hook, struct attach_query_target *target)
{
	struct link_net_place place = link_net_interface(L);

	if (strcmp(hook, "tc_ingress") == 0)
		return query_tc(L, &place, ATTACH_TC_INGRESS);
	if (strcmp(hook, "tc_egress") == 0)
		return query_tc(L, &place, ATTACH_TC_EGRESS);
	if (strcmp(hook, "xdp") == 0)
		return query_xdp(L, &place);
	target->name = place.name;
	target->number = place.number;
	return query(L, target);
}

/*
 * core.query_programs{attach_type =, cgroup =, effective =} or interface =, netns =, map = in the
 * place of cgroup: what programs are attached there, in the order in which they run: a table
 *   programs = {{id =, link_id = (tcx, netkit, where it is by a link), preorder =}, ...}
 *   revision = of the list, for expected_revision (tcx, netkit; cgroups from Linux 6.17)
 *   allow = "multi", "override" or "none" (cgroups)
 * `attach_type` is a name as in attach_cgroup, "tcx_ingress", "netkit_peer", "sk_lookup" and so on;
 * of interfaces also "xdp": {id =, mode =}, and "tc_ingress", "tc_egress": {id =, priority =,
 * handle =, chain =, name =, direct_action =}. `effective`: what runs in the cgroup, whether
 * attached to it or to one above. Or nil, message, errno. BPF_PROG_QUERY, Linux 4.16; rtnetlink.
 */
static int query_programs(lua_State *L)
{
	static const char *const fields[] = {
		"attach_type", "cgroup", "interface", "netns", "map", "effective", NULL};
	struct attach_query_target target = {0};
	struct link_net_place place;
	const char *hook;

	options_check(L, 1, "query", fields);
	lua_settop(L, 1);
	target.kind = check_kind(L);
	target.effective = options_boolean(L, 1, "effective", false);
	hook = link_attach_string(L, "attach_type");
	if (target.kind != ATTACH_QUERY_INTERFACE ||
		(strcmp(hook, "tc_ingress") != 0 && strcmp(hook, "tc_egress") != 0))
		target.attach_type = check_attach_type(L, hook, target.kind);
	if (target.kind == ATTACH_QUERY_INTERFACE)
		return query_interface(L, hook, &target);
	if (target.kind == ATTACH_QUERY_MAP)
		return check_map(L, &target) ? query(L, &target) : handle_closed(L, &map_class);
	place = target.kind == ATTACH_QUERY_CGROUP
			? link_net_place(L, "cgroup", "path or fd of a cgroup expected")
			: link_net_place(L, "netns", "path or fd of a network namespace expected");
	target.name = place.name;
	target.number = place.number;
	return query(L, &target);
}

void link_query_register(lua_State *L)
{
	static const luaL_Reg functions[] = {{"query_programs", query_programs}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
