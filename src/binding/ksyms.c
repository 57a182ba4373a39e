/* SPDX-License-Identifier: MIT */
/* The functions of the running kernel as userdata. */
#include <string.h>

#include "../engine/ksym_table.h"
#include "failure.h"
#include "rooms.h"

#define KSYMS_CLASS "ebpf.kernel_symbols"

static int ksyms_gc(lua_State *L)
{
	ksym_table_free(luaL_checkudata(L, 1, KSYMS_CLASS));
	return 0;
}

/* core.read_kernel_symbols() -> KernelSymbols; nil, message, errno: EPERM, they are hidden. */
static int read_kernel_symbols(lua_State *L)
{
	struct ksym_table *table = compat_newuserdata(L, sizeof(*table));
	struct error err;

	memset(table, 0, sizeof(*table));
	luaL_setmetatable(L, KSYMS_CLASS);
	return ksym_table_read(table, &err) < 0 ? failure_push(L, &err) : 1;
}

/* symbols:find(address) -> the name of the function that the address is in, how far into it, and
 * the module, "" for the kernel itself; nil when it is below all. */
static int ksyms_find(lua_State *L)
{
	const struct ksym_table *table = luaL_checkudata(L, 1, KSYMS_CLASS);
	uint64_t address = compat_check_unsigned(L, 2, UINT64_MAX);
	const struct ksym *symbol = ksym_table_find(table, address);

	/* What is far above the last function is in none. */
	if (!symbol || address - symbol->address > UINT32_MAX)
		return 0;
	lua_pushstring(L, ksym_table_text(table, symbol->name));
	lua_pushinteger(L, (lua_Integer)(address - symbol->address));
	lua_pushstring(L, ksym_table_text(table, symbol->module));
	return 3;
}

static int ksyms_tostring(lua_State *L)
{
	const struct ksym_table *table = luaL_checkudata(L, 1, KSYMS_CLASS);

	lua_pushfstring(L, "%d functions of the kernel", (int)table->count);
	return 1;
}

void ksyms_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"read_kernel_symbols", read_kernel_symbols},
		{NULL, NULL},
	};
	static const luaL_Reg methods[] = {
		{"find", ksyms_find},
		{"__gc", ksyms_gc},
		{"__tostring", ksyms_tostring},
		{NULL, NULL},
	};

	if (luaL_newmetatable(L, KSYMS_CLASS)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
