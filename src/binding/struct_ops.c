/* SPDX-License-Identifier: MIT */
#include "struct_ops.h"

#include <errno.h>
#include <string.h>

#include "../engine/struct_ops.h"
#include "btf_handle.h"
#include "btf_object.h"
#include "codec.h"
#include "failure.h"
#include "options.h"
#include "relocate.h"
#include "rooms.h"
#include "type.h"

/* Finds the struct of that name and leaves on the stack what holds its BTF. */
static int find(
	lua_State *L, int handles, const char *name, struct struct_ops *ops, struct error *err)
{
	struct core_target *kernel = relocate_push_kernel(L, handles, err);

	if (!kernel)
		return error_prefix(err, "find struct \"%.80s\"", name);
	if (struct_ops_find(kernel, name, ops, err) == 0)
		return 0;
	if (!handle_reclaimed(L, -err->code))
		return -1;
	return struct_ops_find(kernel, name, ops, err);
}

/* Pushes the type of the value, or nil where it has no layout. */
static void push_type(lua_State *L, const struct struct_ops *ops)
{
	struct error ignored;

	if (type_push_built(L, ops->btf, ops->value_id, &ignored) < 0)
		lua_pushnil(L);
}

int struct_ops_describe(
	lua_State *L, int spec, int handles, struct abi_map_create *attr, struct error *err)
{
	int top = lua_gettop(L);
	const struct btf_handle *module;
	struct struct_ops ops;
	const char *name = options_string(L, spec, "struct");

	luaL_argcheck(
		L, name, spec, "field 'struct': a map of type struct_ops needs the name of one");
	if (find(L, handles, name, &ops, err) < 0)
		goto failed;
	attr->key_size = sizeof(uint32_t);
	attr->value_size = ops.value_size;
	attr->max_entries = 1;
	attr->btf_vmlinux_value_type_id = ops.value_id;
	if (ops.module) {
		module = btf_handle_open_module(L, handles, ops.module, err);
		if (!module)
			goto failed;
		attr->value_type_btf_obj_fd = module->handle.fd;
		attr->map_flags |= BPF_F_VTYPE_BTF_OBJ_FD;
	}
	lua_createtable(L, 0, 1);
	push_type(L, &ops);
	lua_setfield(L, -2, "value");
	lua_replace(L, top + 1);
	lua_settop(L, top + 1);
	return 0;
failed:
	lua_settop(L, top);
	return -1;
}

/*
 * core.find_struct_ops(name, handles) -> BTF, id | nil, message, errno
 * The struct of that name, by which the running kernel knows functions that programs may take the
 * place of. `handles`: a table, as of core.new_map(). ESRCH: there is none.
 */
static int find_struct_ops(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	struct btf_object *types;
	struct struct_ops ops;
	struct error err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	types = btf_object_new(L, "vmlinux");
	if (find(L, 2, name, &ops, &err) < 0)
		return failure_push(L, &err);
	types->btf = btf_retain(ops.btf);
	lua_settop(L, 3);
	lua_pushinteger(L, (lua_Integer)ops.type_id);
	return 2;
}

/* Puts the programs of the table at `programs`, which are {member = Program}, into the value. */
static int set_programs(lua_State *L, int programs, const struct struct_ops *ops,
	unsigned char *value, struct error *err)
{
	const struct handle *program;
	int ret = 0;

	lua_pushnil(L);
	while (ret == 0 && lua_next(L, programs)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_argerror(L, programs, "names of members expected");
		program = handle_test(L, -1, &program_class);
		if (!program)
			luaL_argerror(L, programs, "Programs expected");
		if (program->fd < 0)
			ret = error_set(err, EBADF, "member \"%.80s\": the program is closed",
				lua_tostring(L, -2));
		else
			ret = struct_ops_set_program(
				ops, lua_tostring(L, -2), program->fd, value, err);
		lua_pop(L, 1);
	}
	return ret;
}

/*
 * core.struct_ops_value(name, types, id, bytes, programs, handles) -> bytes | nil, message, errno
 * What a map is to be given for the struct of that name: `bytes` are a value of the type `id` of
 * the BTF `types`, whose members are put where the kernel has them; `programs` are {member =
 * Program}. It is good for as long as the programs are open. EOPNOTSUPP: the kernel lacks a member, or
 * has another type for it.
 */
static int struct_ops_value(lua_State *L)
{
	enum { NAME = 1, TYPES, ID, BYTES, PROGRAMS, HANDLES };
	const char *name = luaL_checkstring(L, NAME);
	const struct btf_object *types = btf_object_check(L, TYPES);
	uint32_t id = (uint32_t)compat_check_unsigned(L, ID, UINT32_MAX), size;
	size_t length;
	const char *bytes = luaL_checklstring(L, BYTES, &length);
	struct scratch scratch;
	struct struct_ops ops;
	unsigned char *value;
	struct error err;

	luaL_checktype(L, PROGRAMS, LUA_TTABLE);
	luaL_checktype(L, HANDLES, LUA_TTABLE);
	lua_settop(L, HANDLES);
	luaL_argcheck(L, types->btf, TYPES, "the types are closed");
	luaL_argcheck(L, btf_size(types->btf, id, &size) && size <= length, BYTES,
		"fewer bytes than the type has");
	if (find(L, HANDLES, name, &ops, &err) < 0)
		return failure_push(L, &err);
	value = scratch_get(L, &scratch, ops.value_size);
	memset(value, 0, ops.value_size);
	if (!types->btf)
		return failure_errno(L, EBADF, "fill struct \"%s\": its types are closed", name);
	if (struct_ops_convert(&ops, types->btf, id, (const unsigned char *)bytes, value, &err) <
			0 ||
		set_programs(L, PROGRAMS, &ops, value, &err) < 0)
		return failure_push(L, &err);
	lua_pushlstring(L, (const char *)value, ops.value_size);
	return 1;
}

void struct_ops_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"find_struct_ops", find_struct_ops},
		{"struct_ops_value", struct_ops_value},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
