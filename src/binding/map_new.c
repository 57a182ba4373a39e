/* SPDX-License-Identifier: MIT */
#include "map_new.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engine/btf_upload.h"
#include "../engine/cpu.h"
#include "../engine/map_btf.h"
#include "../engine/names.h"
#include "../engine/probe.h"
#include "../engine/sys.h"
#include "btf_handle.h"
#include "btf_object.h"
#include "failure.h"
#include "map.h"
#include "open.h"
#include "options.h"
#include "pin.h"
#include "rooms.h"
#include "struct_ops.h"
#include "token.h"
#include "type.h"

/* Stack indices in core.new_map(). */
enum { SPEC = 1, HANDLES, TOKEN };

enum { KERNEL_ENOTSUPP = 524 }; /* which no header of user space has */

/* The fields of a map spec. What the Lua face makes of the map once it is there (contents, pinning,
 * freeze) is listed too, so that one spec serves both. */
static const char *const spec_fields[] = {"name", "type", "key_size", "value_size", "max_entries",
	"flags", "inner_map", "pinning", "numa_node", "map_extra", "contents", "key", "value",
	"btf", "freeze", "int64", "mmapable", "struct", "members", "autocreate", NULL};

static const struct type_traits {
	uint32_t type;
	bool per_cpu;
	uint8_t value_kind;
} traits[] = {
	{BPF_MAP_TYPE_PERCPU_HASH, true, MAP_VALUE_PLAIN},
	{BPF_MAP_TYPE_PERCPU_ARRAY, true, MAP_VALUE_PLAIN},
	{BPF_MAP_TYPE_LRU_PERCPU_HASH, true, MAP_VALUE_PLAIN},
	{BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, true, MAP_VALUE_PLAIN},
	{BPF_MAP_TYPE_ARRAY_OF_MAPS, false, MAP_VALUE_MAP},
	{BPF_MAP_TYPE_HASH_OF_MAPS, false, MAP_VALUE_MAP},
	{BPF_MAP_TYPE_PROG_ARRAY, false, MAP_VALUE_PROGRAM},
};

static struct type_traits traits_of(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(traits) / sizeof(traits[0]); i++) {
		if (traits[i].type == type)
			return traits[i];
	}
	return (struct type_traits){type, false, MAP_VALUE_PLAIN};
}

/* To read their list takes an fd for a moment. */
static int count_cpus(lua_State *L, struct cpu_set *possible, struct error *err)
{
	int ret = cpu_possible(possible, err);

	if (ret < 0 && handle_reclaimed(L, -err->code))
		ret = cpu_possible(possible, err);
	return ret;
}

/* Learns what the type says about values; fails only when the CPUs cannot be counted. */
static int set_traits(lua_State *L, struct map *m, struct error *err)
{
	struct type_traits t = traits_of(m->type);
	struct cpu_set possible;

	m->value_kind = t.value_kind;
	if (t.per_cpu) {
		if (count_cpus(L, &possible, err) < 0)
			return -1;
		m->cpus = possible.count;
	}
	m->value_span = map_value_span(m);
	return 0;
}

/* Pushes a closed map and, above it, its table of odds and ends. */
static struct map *new_closed(lua_State *L, const char *name)
{
	struct map *m = handle_new(L, &map_class, sizeof(*m));

	lua_createtable(L, 2, 2);
	lua_pushstring(L, name);
	lua_setfield(L, -2, "name");
	lua_pushvalue(L, -1);
	compat_setuservalue(L, -3);
	return m;
}

/* Whether get() and put() can take the short way. Their integers are 64 bits wide on this side, so
 * the low bytes have to come first. */
static void set_quick(struct map *m)
{
	m->quick = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && m->key.kind == CODEC_UINT &&
		   m->value.kind == CODEC_UINT && m->value_kind == MAP_VALUE_PLAIN && !m->cpus;
	m->int64 = m->value.int64;
	if (m->quick) {
		m->key_max = UINT64_MAX >> (64 - m->key.size * 8);
		m->value_max = UINT64_MAX >> (64 - m->value.size * 8);
	}
}

/* Reads the types of keys and values from the options at `options` (0: none), which name them as
 * `key`, `value` and `int64`. The map's table is on top of the stack, and is popped. */
static void read_codecs(lua_State *L, struct map *m, int options)
{
	int table = lua_gettop(L);
	enum int64_mode int64 = INT64_EXACT;

	if (!options) {
		m->key = codec_default(m->key_size);
		m->value = codec_default(m->value_size);
		lua_pop(L, 1);
		return;
	}
	lua_getfield(L, options, "int64");
	int64 = codec_parse_int64(L, -1);
	lua_getfield(L, options, "key");
	m->key = codec_parse(L, -1, m->key_size, int64, table, MAP_KEY_CODEC, "key");
	lua_getfield(L, options, "value");
	m->value = codec_parse(L, -1, m->value_size, int64, table, MAP_VALUE_CODEC, "value");
	lua_settop(L, table - 1);
}

/* The kernel takes letters, digits, '_' and '.' (bpf_obj_name_cpy). */
static bool fits_name(char c)
{
	return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* Pushes the name in a spec, or "", and returns it; raises when the kernel would not take it. */
static const char *push_name(lua_State *L, int spec)
{
	const char *name = options_string(L, spec, "name");
	char wrong[8];
	size_t i, size;

	if (!name) {
		lua_pushliteral(L, "");
		return lua_tostring(L, -1);
	}
	name = lua_tolstring(L, -1, &size);
	for (i = 0; i < size && fits_name(name[i]); i++)
		;
	if (i == size)
		return name;
	snprintf(wrong, sizeof(wrong), name[i] > ' ' && name[i] <= '~' ? "%c" : "\\%03d",
		(unsigned char)name[i]);
	luaL_argerror(L, spec,
		lua_pushfstring(L,
			"name \"%s\" has the invalid character '%s' (see ebpf.sanitize_name)", name,
			wrong));
	return NULL;
}

static uint32_t field_u32(lua_State *L, int spec, const char *name)
{
	return (uint32_t)options_unsigned(L, spec, name, UINT32_MAX, 0);
}

/* Sizes that follow from the type are filled in, as everybody's objects leave them out. */
static int fill_in(lua_State *L, int spec, struct map *m, struct error *err)
{
	struct cpu_set possible;

	if (m->value_kind == MAP_VALUE_MAP) {
		if (!m->value_size)
			m->value_size = sizeof(uint32_t);
		luaL_argcheck(L, m->value_size == sizeof(uint32_t), spec,
			"the value_size of a map of maps must be 4, or left out");
	}
	if (m->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY && m->type != BPF_MAP_TYPE_CPUMAP)
		return 0;
	if (count_cpus(L, &possible, err) < 0)
		return -1;
	if (m->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
		m->key_size = m->key_size ? m->key_size : sizeof(uint32_t);
		m->value_size = m->value_size ? m->value_size : sizeof(uint32_t);
	}
	if (!m->max_entries || m->max_entries > possible.last + 1)
		m->max_entries = possible.last + 1;
	return 0;
}

/* The numbers of a spec, and the codecs; the map's table is on top of the stack and popped. */
static int read_spec(
	lua_State *L, int spec, struct map *m, struct abi_map_create *attr, struct error *err)
{
	uint32_t numa_node = field_u32(L, spec, "numa_node");

	m->type = options_name(L, spec, "type", &names_map_types, BPF_MAP_TYPE_UNSPEC);
	luaL_argcheck(L, m->type != BPF_MAP_TYPE_UNSPEC, spec, "field 'type' is missing");
	m->key_size = field_u32(L, spec, "key_size");
	m->value_size = field_u32(L, spec, "value_size");
	m->max_entries = field_u32(L, spec, "max_entries");
	m->flags = field_u32(L, spec, "flags");
	m->value_kind = traits_of(m->type).value_kind;
	if (fill_in(L, spec, m, err) < 0)
		return -1;
	read_codecs(L, m, spec);
	m->key_size = m->key.size;
	m->value_size = m->value.size;
	if (numa_node)
		m->flags |= BPF_F_NUMA_NODE;
	*attr = (struct abi_map_create){
		.map_type = m->type,
		.key_size = m->key_size,
		.value_size = m->value_size,
		.max_entries = m->max_entries,
		.map_flags = m->flags,
		.numa_node = numa_node,
		.map_extra = options_unsigned(L, spec, "map_extra", UINT64_MAX, 0),
	};
	return set_traits(L, m, err);
}

/* Reads the fields `types`, `key_type_id` and `value_type_id` of the spec's `btf`. Pushes an object
 * of our own for these types, since a finalizer may close that of the spec; it is closed when the
 * spec has none. Returns NULL with an error when they have been closed. */
static struct btf_object *push_types(lua_State *L, struct abi_map_create *attr, struct error *err)
{
	struct btf_object *held = btf_object_new(L, "");
	const struct btf_object *types;

	lua_getfield(L, SPEC, "btf");
	if (!lua_isnil(L, -1)) {
		luaL_argcheck(L, lua_istable(L, -1), SPEC, "field 'btf': table expected");
		attr->btf_key_type_id = field_u32(L, lua_gettop(L), "key_type_id");
		attr->btf_value_type_id = field_u32(L, lua_gettop(L), "value_type_id");
		lua_getfield(L, -1, "types");
		types = btf_object_test(L, -1);
		luaL_argcheck(L, types, SPEC, "field 'btf': its types are no BTF");
		lua_pop(L, 1);
		if (!types->btf) {
			error_set(err, EBADF, "the types of the spec are closed");
			return NULL;
		}
		held->btf = btf_retain(types->btf);
	}
	lua_pop(L, 1);
	return held;
}

/* Whether the kernel can be told of keys and values of these types. Values have to have one, keys
 * too, save that global variables and bloom filters have none. */
static bool takes_types(const struct btf *types, const struct abi_map_create *attr)
{
	uint32_t value = attr->btf_value_type_id;

	if (!types || types->base || !value || !map_btf_fits(attr->map_type))
		return false;
	return attr->btf_key_type_id || attr->map_type == BPF_MAP_TYPE_BLOOM_FILTER ||
	       btf_kind(btf_type(types, value)) == BTF_KIND_DATASEC;
}

/* Gives the map the types of its keys and values: the kernel knows then where spin locks and
 * timers are, and bpftool prints structs. Pushes what holds them. Returns -1 when the types are
 * closed, or file descriptors ran out. */
static int push_description(lua_State *L, struct abi_map_create *attr, struct error *err)
{
	const struct btf_object *held = push_types(L, attr, err);
	const struct btf_handle *btf = NULL;

	if (!held)
		return -1;
	if (takes_types(held->btf, attr)) {
		btf = btf_handle_open(L, HANDLES, held->btf, err);
		if (!btf)
			return -1;
	}
	if (btf && btf->handle.fd >= 0 &&
		btf_upload_keeps(held->btf, btf->lost, attr->btf_value_type_id))
		attr->btf_fd = (uint32_t)btf->handle.fd;
	else
		attr->btf_key_type_id = attr->btf_value_type_id = 0;
	return 0;
}

/* BPF_MAP_CREATE. Storages without types get some that say no more than the sizes; with struct_ops
 * there has to be some BTF of the caller's, too, which is not looked into. */
static int create_once(const struct abi_map_create *attr)
{
	struct abi_map_create described = *attr;
	bool is_struct = attr->map_type == BPF_MAP_TYPE_STRUCT_OPS;
	int btf, ret;

	if (map_is_unfreeable(attr))
		return -E2BIG;
	if (attr->map_token_fd)
		described.map_flags |= BPF_F_TOKEN_FD;
	if ((!map_is_storage(attr->map_type) && !is_struct) || attr->btf_fd)
		return sys_bpf_fd(BPF_MAP_CREATE, &described, sizeof(described));
	btf = map_btf_load(attr->value_size, attr->map_token_fd);
	if (btf < 0)
		return btf;
	described.btf_fd = (uint32_t)btf;
	described.btf_key_type_id = is_struct ? 0 : MAP_BTF_KEY;
	described.btf_value_type_id = is_struct ? 0 : MAP_BTF_VALUE;
	ret = sys_bpf_fd(BPF_MAP_CREATE, &described, sizeof(described));
	sys_close(btf);
	return ret;
}

/* The same once more without types where the kernel refuses them. */
static int create_described(const struct abi_map_create *attr)
{
	struct abi_map_create plain = *attr;
	int ret = create_once(attr);

	if ((ret != -EINVAL && ret != -KERNEL_ENOTSUPP) || !attr->btf_fd)
		return ret;
	plain.btf_fd = plain.btf_key_type_id = plain.btf_value_type_id = 0;
	return create_once(&plain);
}

/* The same with the token of the load, if there is one. */
static int create_by_token(lua_State *L, struct abi_map_create *attr)
{
	struct error closed;

	attr->map_token_fd = token_fd(L, HANDLES, &closed);
	return attr->map_token_fd < 0 ? -EBADF : create_described(attr);
}

/* Creates `m`; a kernel that refuses its types, optional flags, or names (before 4.15, dots before
 * 5.2), gets one more try without. */
static int create(lua_State *L, struct map *m, struct abi_map_create *attr, uint32_t optional_flags)
{
	int ret;

	attr->map_flags |= optional_flags;
	ret = create_by_token(L, attr);
	if (handle_reclaimed(L, ret))
		ret = create_by_token(L, attr);
	if (ret == -EINVAL && optional_flags) {
		attr->map_flags &= ~optional_flags;
		ret = create_described(attr);
	}
	if ((ret == -EINVAL || ret == -E2BIG) && attr->map_name[0]) {
		memset(attr->map_name, 0, sizeof(attr->map_name));
		ret = create_described(attr);
	}
	m->flags = attr->map_flags;
	m->handle.fd = ret < 0 ? -1 : ret;
	return ret;
}

static int new_map(lua_State *L, bool is_inner);

/* The template of a map of maps: pushes a map made from the field inner_map of the spec at 1, or
 * pushes a failure and returns 3. Nothing but its fd is needed, and only until the outer map is
 * there. The inner spec takes the place of the outer one, so that errors point at argument 1. */
static int push_inner(lua_State *L, struct map *m, bool is_inner, struct map **inner)
{
	int ret;

	*inner = NULL;
	if (m->value_kind != MAP_VALUE_MAP)
		return 1;
	/* The kernel says so too, but only after a spec that contains itself had been followed. */
	luaL_argcheck(L, !is_inner, 1, "field 'inner_map': it cannot be a map of maps itself");
	lua_getfield(L, 1, "inner_map");
	luaL_argcheck(L, lua_istable(L, -1), 1, "a map of maps requires inner_map, a map spec");
	lua_replace(L, 1);
	ret = new_map(L, true);
	if (ret == 1)
		*inner = lua_touserdata(L, -1);
	return ret;
}

/* A struct_ops map, whose userdata is at `map`, has types of the kernel's and none of an object's. */
static int describe_struct_ops(
	lua_State *L, int map, struct abi_map_create *attr, struct error *err)
{
	struct map *m = lua_touserdata(L, map);
	int options;

	if (m->type != BPF_MAP_TYPE_STRUCT_OPS)
		return 0;
	if (struct_ops_describe(L, SPEC, HANDLES, attr, err) < 0)
		return -1;
	options = lua_gettop(L);
	m->key_size = attr->key_size;
	m->value_size = attr->value_size;
	m->max_entries = attr->max_entries;
	compat_getuservalue(L, map);
	read_codecs(L, m, options);
	return set_traits(L, m, err);
}

/* Pushes a map made after the spec at 1, or nil, message, errno; returns how many values. */
static int new_map(lua_State *L, bool is_inner)
{
	struct abi_map_create attr;
	struct map *m, *inner;
	uint32_t optional_flags = 0;
	const char *name;
	struct error err;
	int ret, map;

	luaL_checkstack(L, LUA_MINSTACK, "no room for a map");
	options_check(L, 1, is_inner ? "inner map spec" : "map spec", spec_fields);
	name = push_name(L, 1);
	m = new_closed(L, name);
	map = lua_gettop(L) - 1;
	if (read_spec(L, 1, m, &attr, &err) < 0 || push_description(L, &attr, &err) < 0 ||
		describe_struct_ops(L, map, &attr, &err) < 0) {
		error_prefix(&err, "create map \"%s\"", name);
		return failure_push(L, &err);
	}
	set_quick(m);
	snprintf(attr.map_name, sizeof(attr.map_name), "%.15s", name);
	if (options_boolean(L, SPEC, "mmapable", false))
		optional_flags = BPF_F_MMAPABLE & ~attr.map_flags;
	ret = push_inner(L, m, is_inner, &inner);
	if (ret != 1)
		return ret;
	attr.inner_map_fd = inner ? (uint32_t)inner->handle.fd : 0;
	ret = create(L, m, &attr, optional_flags);
	if (inner) {
		sys_close(inner->handle.fd);
		inner->handle.fd = -1;
	}
	if (ret < 0)
		return map_create_failure(L, &attr, ret, name);
	lua_settop(L, map);
	return 1;
}

/*
 * core.new_map(spec [, handles [, token]]) -> Map | nil, message, errno
 * Creates a map after the fields of `spec` (see MapSpec), which stays as it is. Contents, pinning
 * and freezing are the Lua face's. `handles`, a table that begins empty, keeps the BTF of the
 * object in the kernel for its other maps and programs. EBADF: the Token is closed.
 */
static int core_new_map(lua_State *L)
{
	bool own_handles;
	int ret;

	lua_settop(L, TOKEN);
	luaL_checktype(L, SPEC, LUA_TTABLE);
	own_handles = btf_handle_table(L, HANDLES);
	token_keep(L, HANDLES);
	ret = new_map(L, false);
	if (own_handles)
		btf_handle_close_all(L, HANDLES);
	return ret;
}

/* Learns from the kernel what map `m`, already open, is. */
static int learn(lua_State *L, struct map *m, struct abi_map_info *info, struct error *err)
{
	int ret;

	memset(info, 0, sizeof(*info));
	ret = sys_obj_info(m->handle.fd, info, sizeof(*info));
	if (ret < 0) {
		error_errno(err, ret, "ask the kernel about it");
		return probe_explain_privilege(err, 0);
	}
	m->type = info->type;
	m->key_size = info->key_size;
	m->value_size = info->value_size;
	m->max_entries = info->max_entries;
	m->flags = info->map_flags;
	return set_traits(L, m, err);
}

/* Sets field `name` of the table on top, unless it is there, to the type `id`, if its values have
 * `size` bytes. */
static void set_kernel_type(
	lua_State *L, const struct btf *btf, const char *name, uint32_t id, uint32_t size)
{
	const struct type *type;
	struct error err;

	lua_getfield(L, -1, name);
	if (!lua_isnil(L, -1) || !id || type_push_built(L, btf, id, &err) < 0) {
		lua_pop(L, 1);
		return;
	}
	type = lua_touserdata(L, -1);
	if (type->layout.nodes[0].size == size && size)
		lua_setfield(L, -3, name);
	else
		lua_pop(L, 1);
	lua_pop(L, 1);
}

/* Pushes a table with the types of the options at `options` (0: none). */
static void copy_types(lua_State *L, int options)
{
	static const char *const fields[] = {"key", "value", "int64"};
	size_t i;

	lua_createtable(L, 0, 3);
	for (i = 0; options && i < sizeof(fields) / sizeof(fields[0]); i++) {
		lua_getfield(L, options, fields[i]);
		lua_setfield(L, -2, fields[i]);
	}
}

/*
 * Pushes options like those at `options` (0: none) with the types that the kernel has for the map
 * where none are given. Without CAP_SYS_ADMIN it does not tell them, and then there are none.
 */
static void push_kernel_types(
	lua_State *L, const struct map *m, int options, const struct abi_map_info *info)
{
	struct btf_object *object;
	struct error err = {.code = 0};

	copy_types(L, options);
	object = btf_object_new(L, "map");
	lua_insert(L, -2);
	if (btf_load_by_id(&object->btf, NULL, info->btf_id, &err) != 0 &&
		(!handle_reclaimed(L, -err.code) ||
			btf_load_by_id(&object->btf, NULL, info->btf_id, &err) != 0)) {
		lua_remove(L, -2);
		return;
	}
	set_kernel_type(L, object->btf, "key", info->btf_key_type_id, m->key_size);
	if (m->value_kind == MAP_VALUE_PLAIN)
		set_kernel_type(L, object->btf, "value", info->btf_value_type_id, m->value_size);
	btf_release(object->btf);
	object->btf = NULL;
	lua_remove(L, -2);
}

/* The same for a struct_ops map, whose value has a type of the kernel's own; one of a module's has none
 * here. */
static void push_struct_type(
	lua_State *L, const struct map *m, int options, const struct abi_map_info *info)
{
	const struct btf_object *kernel;
	struct error ignored;

	copy_types(L, options);
	kernel = btf_object_push_kernel(L, &ignored);
	lua_insert(L, -2);
	if (kernel)
		set_kernel_type(
			L, kernel->btf, "value", info->btf_vmlinux_value_type_id, m->value_size);
	lua_remove(L, -2);
}

/* Finishes a map that has just been opened; its userdata is on top of the stack. Reads the types
 * of keys and values from the options at `options`, or from the kernel. `what` has been attempted. */
static int adopt(lua_State *L, struct map *m, int options, const char *what)
{
	struct abi_map_info info;
	struct error err;
	int map;

	if (learn(L, m, &info, &err) < 0) {
		sys_close(m->handle.fd);
		m->handle.fd = -1;
		error_prefix(&err, "%s", what);
		return failure_push(L, &err);
	}
	map = lua_gettop(L);
	if (m->type == BPF_MAP_TYPE_STRUCT_OPS) {
		push_struct_type(L, m, options, &info);
		options = lua_gettop(L);
	} else if (info.btf_id) {
		push_kernel_types(L, m, options, &info);
		options = lua_gettop(L);
	}
	compat_getuservalue(L, map);
	lua_pushlstring(L, info.name, strnlen(info.name, sizeof(info.name)));
	lua_setfield(L, -2, "name");
	read_codecs(L, m, options);
	set_quick(m);
	lua_settop(L, map);
	return 1;
}

/* Checks the table of options at `arg`, if there is one; its index or 0, and the open flags. */
static int open_options(lua_State *L, int arg, uint32_t *flags)
{
	static const char *const fields[] = {
		"key", "value", "int64", "read_only", "write_only", NULL};

	*flags = 0;
	if (lua_isnoneornil(L, arg))
		return 0;
	options_check(L, arg, "open option", fields);
	if (options_boolean(L, arg, "read_only", false))
		*flags |= BPF_F_RDONLY;
	if (options_boolean(L, arg, "write_only", false))
		*flags |= BPF_F_WRONLY;
	return arg;
}

/*
 * core.load_pinned_map(path [, {key=, value=, int64=, read_only=, write_only=}])
 *   -> Map | nil, message, errno
 */
static int core_load_pinned_map(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct error err;
	uint32_t flags;
	struct map *m;
	int options;

	lua_settop(L, 2);
	options = open_options(L, 2, &flags);
	m = new_closed(L, path);
	lua_pop(L, 1);
	if (pin_open(L, 1, &m->handle, &map_class, flags, &err) < 0)
		return failure_push(L, &err);
	lua_pushfstring(L, "open pinned map \"%s\"", path);
	lua_insert(L, -2);
	return adopt(L, m, options, lua_tostring(L, -2));
}

static int push_by_id(lua_State *L, uint32_t id, uint32_t flags, int options)
{
	struct map *m = new_closed(L, "");
	char what[OPEN_WHAT];
	struct error err;

	lua_pop(L, 1);
	if (open_by_id(L, &m->handle, BPF_MAP_GET_FD_BY_ID, id, flags, what, &err) < 0)
		return failure_push(L, &err);
	return adopt(L, m, options, what);
}

int map_push_by_id(lua_State *L, uint32_t id)
{
	return push_by_id(L, id, 0, 0);
}

/* core.map_from_id(id [, {key=, value=, int64=, read_only=, write_only=}])
 *   -> Map | nil, message, errno */
static int core_map_from_id(lua_State *L)
{
	uint32_t id = (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX);
	uint32_t flags;
	int options;

	lua_settop(L, 2);
	options = open_options(L, 2, &flags);
	return push_by_id(L, id, flags, options);
}

/* core.map_from_fd(fd [, {key=, value=, int64=}]) -> Map | nil, message, errno
 * A Map with a descriptor of its own, which may do what `fd` may, and no more. */
static int core_map_from_fd(lua_State *L)
{
	static const char *const fields[] = {"key", "value", "int64", NULL};
	char what[OPEN_WHAT];
	struct error err;
	struct map *m;

	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		options_check(L, 2, "map_from_fd option", fields);
	m = new_closed(L, "");
	lua_pop(L, 1);
	if (open_by_fd(L, 1, &m->handle, what, &err) < 0)
		return failure_push(L, &err);
	return adopt(L, m, lua_isnil(L, 2) ? 0 : 2, what);
}

/* core.set_types(map, {key=, value=, int64=}) -> map
 * Gives a map that nobody uses yet these types of keys and values. */
static int core_set_types(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	compat_getuservalue(L, 1);
	read_codecs(L, m, 2);
	set_quick(m);
	lua_settop(L, 1);
	return 1;
}

/* m:clone() -> Map | nil, message, errno
 * A second handle of the same map, with the same types; closing one leaves the other open. */
int map_clone(lua_State *L)
{
	struct map *m = map_self_open(L);
	struct map *copy;
	int ret;

	if (!m)
		return 3;
	lua_settop(L, 1);
	copy = new_closed(L, map_push_name(L, 1));
	compat_getuservalue(L, 1);
	lua_rawgeti(L, -1, MAP_KEY_CODEC);
	lua_rawseti(L, -3, MAP_KEY_CODEC);
	lua_rawgeti(L, -1, MAP_VALUE_CODEC);
	lua_rawseti(L, -3, MAP_VALUE_CODEC);
	lua_pop(L, 2);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = sys_dup(m->handle.fd);
	if (handle_reclaimed(L, ret))
		ret = sys_dup(m->handle.fd);
	if (ret < 0)
		return map_failure(L, 1, ret, "clone");
	*copy = *m;
	copy->handle.fd = ret;
	return 1;
}

void map_new_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"new_map", core_new_map},
		{"load_pinned_map", core_load_pinned_map},
		{"map_from_id", core_map_from_id},
		{"map_from_fd", core_map_from_fd},
		{"set_types", core_set_types},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
