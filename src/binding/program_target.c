/* SPDX-License-Identifier: MIT */
#include "program_target.h"

#include <errno.h>

#include "../engine/attach_target.h"
#include "btf_handle.h"
#include "program.h"
#include "relocate.h"
#include "rooms.h"

void program_target_check(lua_State *L, int spec)
{
	lua_getfield(L, spec, "attach_target");
	if (!lua_isnil(L, -1) && !handle_test(L, -1, &program_class))
		luaL_argerror(L, spec, "field 'attach_target': Program expected");
	lua_pop(L, 1);
}

/* The target is a function of the program on top of the stack. */
static int find_in_program(
	lua_State *L, const char *name, struct prog_load *load, struct error *err)
{
	const struct program *program = lua_touserdata(L, -1);
	struct attach_target target;

	if (program->handle.fd < 0)
		return error_set(err, EBADF, "the program that is its target is closed");
	if (attach_target_find_in_program(program->handle.fd, name, &target, err) < 0)
		return -1;
	load->attach_btf_id = target.btf_id;
	load->attach_fd = (uint32_t)program->handle.fd;
	return 0;
}

static int find_in_kernel(
	lua_State *L, int handles, const char *name, struct prog_load *load, struct error *err)
{
	struct core_target *kernel = relocate_push_kernel(L, handles, err);
	const struct btf_handle *module;
	struct attach_target target;

	if (!kernel)
		return error_prefix(err, "find its target");
	if (attach_target_find(kernel, load->type, load->attach_type, name, &target, err) < 0)
		return -1;
	load->attach_btf_id = target.btf_id;
	if (load->type == BPF_PROG_TYPE_STRUCT_OPS)
		load->attach_type = target.member;
	if (!target.module)
		return 0;
	module = btf_handle_open_module(L, handles, target.module, err);
	if (!module)
		return -1;
	load->attach_fd = (uint32_t)module->handle.fd;
	return 0;
}

int program_target_find(
	lua_State *L, int spec, int handles, struct prog_load *load, struct error *err)
{
	int top = lua_gettop(L), ret;
	const char *name;

	luaL_checkstack(L, LUA_MINSTACK, "find the target of a program");
	lua_getfield(L, spec, "attach_to");
	name = lua_tostring(L, -1);
	lua_getfield(L, spec, "attach_target");
	if (lua_isuserdata(L, -1))
		ret = find_in_program(L, name, load, err);
	else if (load->type == BPF_PROG_TYPE_EXT)
		ret = error_set(err, EINVAL,
			"it replaces a function of another program: set attach_target of its spec "
			"to that Program");
	else if (attach_target_needed(load->type, load->attach_type))
		ret = find_in_kernel(L, handles, name, load, err);
	else
		ret = 0;
	lua_settop(L, top);
	return ret;
}
