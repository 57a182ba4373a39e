/* SPDX-License-Identifier: MIT */
/* luaopen_ebpf_core, the only symbol this library exports. */
#include "failure.h"
#include "rooms.h"

/* What the Lua face puts together; see lua/ebpf/init.lua. */
static void (*const rooms[])(lua_State *L) = {
	insns_register,
	object_spec_register,
	host_register,
	map_register,
	program_register,
	perf_register,
	link_register,
	NULL,
};

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
	for (i = 0; rooms[i]; i++)
		rooms[i](L);
	return 1;
}
