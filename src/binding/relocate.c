/* SPDX-License-Identifier: MIT */
#include "relocate.h"

#include <errno.h>
#include <string.h>

#include "btf_object.h"
#include "handle.h"
#include "rooms.h"

#define CLASS "ebpf.core_target"

/* What is given in the place of the kernel's BTF: the option, and where the table of handles has it. */
#define GIVEN "kernel_btf"

/* Where the table of handles has the running kernel. */
#define RUNNING "running_kernel"

/* close() and __gc */
static int close_target(lua_State *L)
{
	core_target_free(luaL_checkudata(L, 1, CLASS));
	return 0;
}

void relocate_check_options(lua_State *L, int options)
{
	lua_getfield(L, options, GIVEN);
	if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING && !btf_object_test(L, -1))
		luaL_argerror(L, options, "field 'kernel_btf': path, BTF or its bytes expected");
	lua_pop(L, 1);
}

static bool is_btf(const char *bytes, size_t size)
{
	return size > 2 && (memcmp(bytes, "\x9f\xeb", 2) == 0 || memcmp(bytes, "\xeb\x9f", 2) == 0);
}

static int open_bytes(struct core_target *target, const char *s, size_t size, struct error *err)
{
	if (!is_btf(s, size))
		return btf_load(&target->kernel, NULL, s, err);
	if (btf_parse(&target->kernel, NULL, s, size, err) < 0)
		return error_prefix(err, "parse BTF");
	return 0;
}

/* What stands on top of the stack is the option. */
static int open_given(lua_State *L, struct core_target *target, struct error *err)
{
	const struct btf_object *given = btf_object_test(L, -1);
	const char *s;
	size_t size;

	if (given) {
		if (!given->btf)
			return error_set(err, EBADF, "the BTF given as the kernel's is closed");
		target->kernel = btf_retain(given->btf);
		return 0;
	}
	s = lua_tolstring(L, -1, &size);
	if (open_bytes(target, s, size, err) < 0 &&
		(!handle_reclaimed(L, -err->code) || open_bytes(target, s, size, err) < 0))
		return error_prefix(err, "use other BTF than the kernel's");
	return 0;
}

static int open_running(lua_State *L, struct core_target *target, struct error *err)
{
	const struct btf_object *kernel = btf_object_push_kernel(L, err);

	if (kernel) {
		target->kernel = btf_retain(kernel->btf);
		target->has_modules = true;
	}
	lua_pop(L, 1);
	return kernel ? 0 : -1;
}

/* Pushes the target that the table of handles has under `key`, or a new one that is still to be
 * opened. */
static struct core_target *push_target(lua_State *L, int handles, const char *key)
{
	struct core_target *target;

	lua_getfield(L, handles, key);
	target = luaL_testudata(L, -1, CLASS);
	if (target && target->kernel)
		return target;
	lua_pop(L, 1);
	target = compat_newuserdata(L, sizeof(*target));
	memset(target, 0, sizeof(*target));
	luaL_setmetatable(L, CLASS);
	lua_pushvalue(L, -1);
	lua_setfield(L, handles, key);
	return target;
}

struct core_target *relocate_push_kernel(lua_State *L, int handles, struct error *err)
{
	struct core_target *target = push_target(L, handles, RUNNING);

	if (!target->kernel && open_running(L, target, err) < 0)
		return NULL;
	return target;
}

/* Pushes what the option has given, or else the running kernel. */
static struct core_target *push_chosen(lua_State *L, int options, int handles, struct error *err)
{
	struct core_target *target;

	lua_pushnil(L);
	if (!lua_isnil(L, options)) {
		lua_pop(L, 1);
		lua_getfield(L, options, GIVEN);
	}
	if (lua_isnil(L, -1)) {
		target = relocate_push_kernel(L, handles, err);
		if (!target)
			error_prefix(
				err, "apply its CO-RE relocations, without the option kernel_btf");
		return target;
	}
	target = push_target(L, handles, GIVEN);
	lua_insert(L, -2);
	return target->kernel || open_given(L, target, err) == 0 ? target : NULL;
}

int relocate(lua_State *L, int options, int handles, struct insns *list, struct error *err)
{
	struct core_target *target = NULL;
	int top = lua_gettop(L), ret = 0;

	/* Those for another machine are refused later. */
	if (!list->relo_count || list->foreign)
		return 0;
	luaL_checkstack(L, LUA_MINSTACK, "apply CO-RE relocations");
	if (core_relo_needs_target(list)) {
		target = push_chosen(L, options, handles, err);
		ret = target ? 0 : -1;
	}
	if (ret == 0)
		ret = core_relo_apply(list, target, err);
	if (ret < 0 && target && handle_reclaimed(L, -err->code))
		ret = core_relo_apply(list, target, err);
	lua_settop(L, top);
	return ret;
}

void relocate_register(lua_State *L)
{
	if (luaL_newmetatable(L, CLASS)) {
		lua_pushcfunction(L, close_target);
		lua_setfield(L, -2, "__gc");
		lua_newtable(L);
		lua_pushcfunction(L, close_target);
		lua_setfield(L, -2, "close");
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
}
