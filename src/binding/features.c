/* SPDX-License-Identifier: MIT */
/* What the running kernel can do: core.probe_*(name) -> true | false | nil, message, errno. */
#include "../engine/features.h"

#include <string.h>

#include "../engine/helpers.h"
#include "btf_object.h"
#include "failure.h"
#include "rooms.h"

/* The number of the name at `arg`; raises when there is none of that name. */
static uint32_t check_name(lua_State *L, int arg, const struct names_table *table)
{
	const char *name = luaL_checkstring(L, arg);
	uint32_t id;

	if (!names_find(table, name, &id))
		luaL_argerror(L, arg, lua_pushfstring(L, "unknown %s '%s'", table->what, name));
	return id;
}

static int answer(lua_State *L, int ret, const struct error *err)
{
	if (ret < 0)
		return failure_push(L, err);
	lua_pushboolean(L, ret);
	return 1;
}

/* Asks again with file descriptors that garbage held. */
static int probe(
	lua_State *L, const struct names_table *table, int (*ask)(uint32_t id, struct error *err))
{
	uint32_t id = check_name(L, 1, table);
	struct error err;
	int ret = ask(id, &err);

	if (ret < 0 && handle_reclaimed(L, -err.code))
		ret = ask(id, &err);
	return answer(L, ret, &err);
}

static int probe_map_type(lua_State *L)
{
	return probe(L, &names_map_types, features_map_type);
}

static int probe_map_flag(lua_State *L)
{
	return probe(L, &features_map_flags, features_map_flag);
}

static int probe_program_type(lua_State *L)
{
	return probe(L, &names_prog_types, features_prog_type);
}

static int probe_link_kind(lua_State *L)
{
	return probe(L, &features_link_kinds, features_link_kind);
}

static int probe_isa(lua_State *L)
{
	return probe(L, &features_isas, features_isa);
}

static int probe_btf_kind(lua_State *L)
{
	return probe(L, &features_btf_kinds, features_btf_kind);
}

static int probe_misc(lua_State *L)
{
	return probe(L, &features_misc, features_misc_feature);
}

/*
 * core.probe_target(type) -> btf_id, attach_type, what programs of that type are loaded for in
 * core.probe_helper(); nothing for types that need none; or nil, message, errno.
 */
static int probe_target(lua_State *L)
{
	uint32_t type = check_name(L, 1, &names_prog_types);
	struct features_target target;
	struct btf_object *kernel;
	struct error err;

	if (!features_needs_target(type))
		return 0;
	kernel = btf_object_push_kernel(L, &err);
	if (!kernel || features_find_target(type, kernel->btf, &target, &err) < 0)
		return failure_push(L, &err);
	lua_pushinteger(L, (lua_Integer)target.btf_id);
	lua_pushinteger(L, (lua_Integer)target.attach_type);
	return 2;
}

/* core.probe_helper(type, helper [, btf_id, attach_type]), the latter two as above. */
static int probe_helper(lua_State *L)
{
	uint32_t type = check_name(L, 1, &names_prog_types);
	uint32_t helper = check_name(L, 2, &helpers);
	bool has_target = !lua_isnoneornil(L, 3);
	struct features_target target = {0};
	struct error err;
	int ret;

	if (has_target) {
		target.btf_id = (uint32_t)compat_check_unsigned(L, 3, UINT32_MAX);
		target.attach_type = (uint32_t)compat_check_unsigned(L, 4, UINT32_MAX);
	}
	ret = features_helper(type, has_target ? &target : NULL, helper, &err);
	if (ret < 0 && handle_reclaimed(L, -err.code))
		ret = features_helper(type, has_target ? &target : NULL, helper, &err);
	return answer(L, ret, &err);
}

/* core.helper_is_loud(helper): whether asking for it leaves traces. */
static int helper_is_loud(lua_State *L)
{
	lua_pushboolean(L, features_helper_is_loud(check_name(L, 1, &helpers)));
	return 1;
}

static const struct {
	const char *name;
	const struct names_table *table;
} tables[] = {
	{"map_types", &names_map_types},
	{"map_flags", &features_map_flags},
	{"program_types", &names_prog_types},
	{"helpers", &helpers},
	{"link_kinds", &features_link_kinds},
	{"isas", &features_isas},
	{"btf_kinds", &features_btf_kinds},
	{"misc", &features_misc},
};

/* core.feature_names() -> {map_types = {...}, ...}: all that can be asked for. The first of some
 * tables stands for nothing. */
static int feature_names(lua_State *L)
{
	const struct names_table *table;
	uint32_t i;
	size_t t;
	int n;

	lua_createtable(L, 0, sizeof(tables) / sizeof(tables[0]));
	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		table = tables[t].table;
		lua_createtable(L, (int)table->count, 0);
		for (i = 0, n = 0; i < table->count; i++) {
			if (i == 0 && strstr(table->names[0], "unspec"))
				continue;
			lua_pushstring(L, table->names[i]);
			lua_rawseti(L, -2, ++n);
		}
		lua_setfield(L, -2, tables[t].name);
	}
	return 1;
}

void features_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"probe_map_type", probe_map_type},
		{"probe_map_flag", probe_map_flag},
		{"probe_program_type", probe_program_type},
		{"probe_link_kind", probe_link_kind},
		{"probe_isa", probe_isa},
		{"probe_btf_kind", probe_btf_kind},
		{"probe_misc", probe_misc},
		{"probe_target", probe_target},
		{"probe_helper", probe_helper},
		{"helper_is_loud", helper_is_loud},
		{"feature_names", feature_names},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
