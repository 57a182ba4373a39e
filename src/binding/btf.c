/* SPDX-License-Identifier: MIT */
/* BTF as Lua sees it: where it comes from, and looking for types. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/btf_dump.h"
#include "btf_object.h"
#include "btf_type_table.h"
#include "failure.h"
#include "rooms.h"

#define CLASS "ebpf.btf"

/* Its address is where the registry keeps the weak pointer to the kernel's BTF: a userdata, which
 * outlives all finalizers of the state. */
static const char kernel_key;

static void let_go(struct btf_object *object)
{
	struct btf *btf = object->btf;

	free(object->text);
	object->text = NULL;
	object->btf = NULL;
	btf_release(btf);
}

struct btf_object *btf_object_new(lua_State *L, const char *name)
{
	struct btf_object *object = compat_newuserdata(L, sizeof(*object));

	memset(object, 0, sizeof(*object));
	snprintf(object->name, sizeof(object->name), "%s", name);
	luaL_setmetatable(L, CLASS);
	return object;
}

struct btf_object *btf_object_check(lua_State *L, int arg)
{
	return luaL_checkudata(L, arg, CLASS);
}

struct btf_object *btf_object_test(lua_State *L, int index)
{
	return luaL_testudata(L, index, CLASS);
}

static struct btf **kernel_slot(lua_State *L)
{
	struct btf **slot;

	lua_pushlightuserdata(L, (void *)(uintptr_t)&kernel_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	slot = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return slot;
}

struct btf_object *btf_object_push_kernel(lua_State *L, struct error *err)
{
	struct btf_object *object = btf_object_new(L, "vmlinux");
	struct btf **slot = kernel_slot(L);

	if (*slot) {
		object->btf = btf_retain(*slot);
		return object;
	}
	if (btf_load_kernel(&object->btf, NULL, NULL, err) < 0 &&
		(!handle_reclaimed(L, -err->code) ||
			btf_load_kernel(&object->btf, NULL, NULL, err) < 0))
		return NULL;
	*slot = object->btf;
	object->btf->weak = slot;
	return object;
}

static int closed(lua_State *L)
{
	lua_pushnil(L);
	lua_pushliteral(L, "btf is closed");
	lua_pushinteger(L, EBADF);
	return 3;
}

/*
 * For the time of a method, pushes an object of its own for the BTF of the one at 1: a finalizer
 * that runs meanwhile may close that one. Returns NULL when it is closed already.
 */
static struct btf_object *hold(lua_State *L)
{
	const struct btf_object *object = btf_object_check(L, 1);
	struct btf_object *held = btf_object_new(L, "");

	if (!object->btf)
		return NULL;
	memcpy(held->name, object->name, sizeof(held->name));
	held->btf = btf_retain(object->btf);
	return held;
}

/* The base given as an optional argument. Raises when it is closed. */
static struct btf *optional_base(lua_State *L, int arg)
{
	struct btf_object *object;

	if (lua_isnoneornil(L, arg))
		return NULL;
	object = btf_object_check(L, arg);
	if (!object->btf)
		luaL_argerror(L, arg, "the base is closed");
	return object->btf;
}

/*
 * core.load_kernel_btf([module]): the types of the running kernel, or of a module.
 *
 * module  string: "nf_tables"; nil: the kernel itself
 *
 * Returns BTF; or nil, message, errno: ENOENT when the kernel has none (CONFIG_DEBUG_INFO_BTF) or
 * there is no such module, EACCES. From /sys/kernel/btf, mapped since Linux 6.16; without it, from
 * a vmlinux with debugging information where distributions put one. The kernel's own is read once
 * for all who have it open in a Lua state.
 */
static int load_kernel(lua_State *L)
{
	const char *module = luaL_optstring(L, 1, NULL);
	struct btf_object *kernel, *object;
	struct error err;

	kernel = btf_object_push_kernel(L, &err);
	if (!kernel)
		return failure_push(L, &err);
	if (!module || strcmp(module, "vmlinux") == 0)
		return 1;
	object = btf_object_new(L, module);
	if (btf_load_kernel(&object->btf, kernel->btf, module, &err) < 0 &&
		(!handle_reclaimed(L, -err.code) ||
			btf_load_kernel(&object->btf, kernel->btf, module, &err) < 0)) {
		let_go(kernel);
		return failure_push(L, &err);
	}
	let_go(kernel);
	return 1;
}

/*
 * core.parse_btf(bytes [, base]): BTF in either byte order.
 *
 * bytes  string: raw BTF, as in a section .BTF or in /sys/kernel/btf
 * base   BTF that split BTF continues: ids and strings go on where those of the base end
 *
 * Returns BTF; or nil, message, ENOEXEC when it is malformed. Everything is checked.
 */
static int parse(lua_State *L)
{
	size_t size;
	const char *bytes = luaL_checklstring(L, 1, &size);
	struct btf_object *object;
	struct error err;

	lua_settop(L, 2);
	object = btf_object_new(L, "bytes");
	if (btf_parse(&object->btf, optional_base(L, 2), bytes, size, &err) < 0) {
		error_prefix(&err, "parse BTF");
		return failure_push(L, &err);
	}
	return 1;
}

/*
 * core.load_btf(path [, base]): the same from a file: raw BTF, or ELF with a section .BTF, as
 * clang -g makes it.
 *
 * Returns as parse_btf() does; when the file cannot be read, nil, message and the errno of
 * open(2) or read(2).
 */
static int load(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct btf_object *object;
	struct error err;

	lua_settop(L, 2);
	object = btf_object_new(L, path);
	if (btf_load(&object->btf, optional_base(L, 2), path, &err) < 0 &&
		(!handle_reclaimed(L, -err.code) ||
			btf_load(&object->btf, optional_base(L, 2), path, &err) < 0))
		return failure_push(L, &err);
	return 1;
}

/* Opens by id into the object on top, with the kernel's BTF as base where that is needed. */
static int open_id(lua_State *L, struct btf_object *object, uint32_t id, struct error *err)
{
	struct btf_object *kernel;
	int ret = btf_load_by_id(&object->btf, NULL, id, err);

	if (ret <= 0)
		return ret;
	kernel = btf_object_push_kernel(L, err);
	if (kernel) {
		ret = btf_load_by_id(&object->btf, kernel->btf, id, err);
		let_go(kernel);
	} else {
		ret = -1;
	}
	lua_pop(L, 1);
	return ret;
}

/*
 * core.btf_from_id(id): BTF the kernel holds under that id, see btf_id in a map's or program's
 * info(): what came with an object, the kernel's own, or a module's.
 *
 * Returns BTF; or nil, message, errno: ENOENT when there is none of that id, EPERM without
 * CAP_SYS_ADMIN. BPF_BTF_GET_FD_BY_ID, Linux 4.18.
 */
static int from_id(lua_State *L)
{
	uint32_t id = (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX);
	struct btf_object *object;
	struct error err;
	char name[24];

	snprintf(name, sizeof(name), "id %u", id);
	object = btf_object_new(L, name);
	if (open_id(L, object, id, &err) < 0 &&
		(!handle_reclaimed(L, -err.code) || open_id(L, object, id, &err) < 0))
		return failure_push(L, &err);
	return 1;
}

/* The set of kinds that a name at `arg` means; raises when there is no kind of that name. */
static uint32_t check_kinds(lua_State *L, int arg)
{
	const char *name = luaL_checkstring(L, arg);
	uint32_t kind;

	for (kind = BTF_KIND_INT; btf_kind_name(kind); kind++) {
		if (strcmp(btf_kind_name(kind), name) == 0)
			return BTF_MASK(kind);
	}
	luaL_argerror(L, arg, lua_pushfstring(L, "unknown kind of type '%s'", name));
	return 0;
}

/* What can be meant by a name alone: not tags, and not what is only announced. */
static const uint32_t obvious_kinds =
	(uint32_t)BTF_ANY_KIND &
	~(BTF_MASK(BTF_KIND_FWD) | BTF_MASK(BTF_KIND_DECL_TAG) | BTF_MASK(BTF_KIND_TYPE_TAG));

static int push_ambiguous(
	lua_State *L, const struct btf_object *held, const char *name, uint32_t kinds)
{
	struct error err;
	uint32_t id = 0, count = 0;

	error_set(&err, ENOTUNIQ,
		"find \"%.80s\" in BTF \"%s\": several types have that name:", name, held->name);
	while ((id = btf_find(held->btf, name, kinds, id))) {
		if (++count <= 8)
			error_append(&err, "%s %s %u", count > 1 ? "," : "",
				btf_kind_name(btf_kind(btf_type(held->btf, id))), id);
	}
	if (count > 8)
		error_append(&err, " and %u more", count - 8);
	error_append(&err, ": tell the kind, or choose an id of find_all()");
	return failure_push(L, &err);
}

/*
 * btf:find(name [, kind]): the type of that name.
 *
 * name  string
 * kind  string as bpftool calls it: "struct", "union", "enum", "func", "typedef", ...; nil: any,
 *       but tags, and forward declarations only where there is nothing else
 *
 * Returns id, table as type(id) describes it; or nil, message, errno: ENOENT when there is none,
 * ENOTUNIQ when there are several, which the message lists.
 */
static int find(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);
	bool any = lua_isnoneornil(L, 3);
	uint32_t kinds = any ? obvious_kinds : check_kinds(L, 3);
	struct btf_object *held = hold(L);
	struct error err;
	uint32_t id;

	if (!held)
		return closed(L);
	id = btf_find(held->btf, name, kinds, 0);
	if (!id && any) {
		kinds = BTF_MASK(BTF_KIND_FWD);
		id = btf_find(held->btf, name, kinds, 0);
	}
	if (!id) {
		error_set(&err, ENOENT, "find \"%.80s\" in BTF \"%s\": no %s of that name", name,
			held->name, any ? "type" : lua_tostring(L, 3));
		let_go(held);
		return failure_push(L, &err);
	}
	if (btf_find(held->btf, name, kinds, id)) {
		int count = push_ambiguous(L, held, name, kinds);

		let_go(held);
		return count;
	}
	lua_pushinteger(L, (lua_Integer)id);
	btf_type_table_push(L, held->btf, id);
	let_go(held);
	return 2;
}

/*
 * btf:find_all(name [, kind]): the ids of all types of that name, ascending, as an array, which is
 * empty when there are none; nil: of all kinds.
 */
static int find_all(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);
	uint32_t kinds = lua_isnoneornil(L, 3) ? (uint32_t)BTF_ANY_KIND : check_kinds(L, 3);
	struct btf_object *held = hold(L);
	uint32_t id = 0;
	int count = 0;

	if (!held)
		return closed(L);
	lua_newtable(L);
	while ((id = btf_find(held->btf, name, kinds, id))) {
		lua_pushinteger(L, (lua_Integer)id);
		lua_rawseti(L, -2, ++count);
	}
	let_go(held);
	return 1;
}

/*
 * btf:type(id): a new table that describes a type; see ebpf.Type in lua/ebpf/btf.lua. 0 is void.
 *
 * Returns nil, message, ENOENT when there is no type of that id.
 */
static int type(lua_State *L)
{
	uint32_t id = (uint32_t)compat_check_unsigned(L, 2, UINT32_MAX);
	struct btf_object *held = hold(L);
	struct error err;

	if (!held)
		return closed(L);
	if (id >= held->btf->type_count) {
		error_set(&err, ENOENT, "BTF \"%s\" has no type %u: ids end at %u", held->name, id,
			held->btf->type_count - 1);
		let_go(held);
		return failure_push(L, &err);
	}
	btf_type_table_push(L, held->btf, id);
	let_go(held);
	return 1;
}

/* btf:size_of(id) -> bytes a value of the type takes, arrays and typedefs too; nil: it has no size
 * (void, functions, what is only announced). */
static int size_of(lua_State *L)
{
	uint32_t id = (uint32_t)compat_check_unsigned(L, 2, UINT32_MAX), size;
	const struct btf_object *object = btf_object_check(L, 1);

	if (!object->btf)
		return closed(L);
	if (btf_size(object->btf, id, &size))
		lua_pushinteger(L, (lua_Integer)size);
	else
		lua_pushnil(L);
	return 1;
}

/*
 * btf:c_dump([name]): a C header that clang for BPF compiles to the same layout.
 *
 * name  string: only the types of that name, and what they need; nil: all types, of split BTF
 *       those that it adds, and what they need
 *
 * Returns a string, the kernel's fit to be a vmlinux.h; or nil, message, errno: ENOENT when no type
 * has that name, ENOEXEC when types contain themselves. Names used twice get a suffix (___2);
 * functions and variables are left out.
 */
static int c_dump(lua_State *L)
{
	const char *name = luaL_optstring(L, 2, NULL);
	struct btf_object *held = hold(L);
	const char *guard;
	struct error err;
	size_t size;

	if (!held)
		return closed(L);
	guard = strcmp(held->name, "vmlinux") == 0 && !name ? "__VMLINUX_H__" : NULL;
	if (btf_dump_c(held->btf, name, guard, &held->text, &size, &err) < 0) {
		error_prefix(&err, "dump BTF \"%s\" as C", held->name);
		let_go(held);
		return failure_push(L, &err);
	}
	lua_pushlstring(L, held->text, size);
	let_go(held);
	return 1;
}

/* btf:close() -> true: releases it; the memory is freed when nothing else has it open. */
static int close_object(lua_State *L)
{
	let_go(btf_object_check(L, 1));
	lua_pushboolean(L, 1);
	return 1;
}

static int is_closed(lua_State *L)
{
	lua_pushboolean(L, !btf_object_check(L, 1)->btf);
	return 1;
}

/* #btf: the highest id, 0 when it is closed. */
static int length(lua_State *L)
{
	const struct btf_object *object = btf_object_check(L, 1);

	lua_pushinteger(L, object->btf ? (lua_Integer)object->btf->type_count - 1 : 0);
	return 1;
}

/* btf "vmlinux" (126585 types) */
static int to_string(lua_State *L)
{
	const struct btf_object *object = btf_object_check(L, 1);
	char text[BTF_OBJECT_NAME + 48];

	if (object->btf)
		snprintf(text, sizeof(text), "btf \"%s\" (%u types)", object->name,
			object->btf->type_count - 1);
	else
		snprintf(text, sizeof(text), "btf \"%s\" (closed)", object->name);
	lua_pushstring(L, text);
	return 1;
}

/* The table of methods also goes to core.methods.btf. */
static void register_class(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"find", find},
		{"find_all", find_all},
		{"type", type},
		{"size_of", size_of},
		{"c_dump", c_dump},
		{"close", close_object},
		{"is_closed", is_closed},
		{NULL, NULL},
	};
	static const luaL_Reg metamethods[] = {
		{"__gc", close_object},
		{"__close", close_object},
		{"__len", length},
		{"__tostring", to_string},
		{NULL, NULL},
	};

	lua_getfield(L, -1, "methods");
	if (luaL_newmetatable(L, CLASS)) {
		luaL_setfuncs(L, metamethods, 0);
		lua_pushliteral(L, CLASS);
		lua_setfield(L, -2, "__name");
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_setfield(L, -2, "__index");
	}
	lua_getfield(L, -1, "__index");
	lua_setfield(L, -3, "btf");
	lua_pop(L, 2);
}

void btf_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"load_kernel_btf", load_kernel},
		{"parse_btf", parse},
		{"load_btf", load},
		{"btf_from_id", from_id},
		{NULL, NULL},
	};

	if (!kernel_slot(L)) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)&kernel_key);
		*(struct btf **)compat_newuserdata(L, sizeof(struct btf *)) = NULL;
		lua_rawset(L, LUA_REGISTRYINDEX);
	}
	register_class(L);
	luaL_setfuncs(L, functions, 0);
}
