/* SPDX-License-Identifier: MIT */
/* luaopen_ebpf_core, the only symbol this library exports. */
#include "failure.h"
#include "options.h"
#include "rooms.h"

/* What the Lua face puts together; see lua/ebpf/init.lua. */
static void (*const rooms[])(lua_State *L) = {
	argument_register,
	insns_register,
	object_spec_register,
	struct_ops_register,
	type_register,
	host_register,
	map_register,
	memory_register,
	variable_register,
	program_register,
	perf_register,
	exe_register,
	ring_register,
	user_ring_register,
	ksyms_register,
	link_register,
	btf_register,
	btf_handle_register,
	relocate_register,
	extern_set_register,
	features_register,
	system_register,
	token_register,
	NULL,
};

/* core.map_type{type=}, core.program_type{type=} -> the type by its name, or by its number where it
 * has no name here; nil when the field is nil. Raises on unknown names. */
static int push_type(lua_State *L, const struct names_table *table)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "type");
	if (!lua_isnil(L, -1))
		options_push_name(L, table, options_name(L, 1, "type", table, 0));
	return 1;
}

static int map_type(lua_State *L)
{
	return push_type(L, &names_map_types);
}

static int program_type(lua_State *L)
{
	return push_type(L, &names_prog_types);
}

__attribute__((visibility("default"))) int luaopen_ebpf_core(lua_State *L);

int luaopen_ebpf_core(lua_State *L)
{
	size_t i;

	compat_open(L);
	lua_newtable(L);
	lua_newtable(L); /* the method tables by class */
	lua_setfield(L, -2, "methods");
	failure_push_errnos(L);
	lua_setfield(L, -2, "errno");
	lua_pushboolean(L, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
	lua_setfield(L, -2, "little_endian");
	lua_pushcfunction(L, map_type);
	lua_setfield(L, -2, "map_type");
	lua_pushcfunction(L, program_type);
	lua_setfield(L, -2, "program_type");
	for (i = 0; rooms[i]; i++)
		rooms[i](L);
	return 1;
}
