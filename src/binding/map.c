/* SPDX-License-Identifier: MIT */
/* The methods of a map that deal with one element, and what a map says about itself. */
#include "map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engine/names.h"
#include "../engine/probe.h"
#include "../engine/sys.h"
#include "failure.h"
#include "map_new.h"
#include "memory.h"
#include "options.h"
#include "pin.h"
#include "rooms.h"

struct map *map_self_open(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);

	if (m->handle.fd >= 0)
		return m;
	handle_closed(L, &map_class);
	return NULL;
}

const char *map_push_name(lua_State *L, int map)
{
	const char *name;

	compat_getuservalue(L, map);
	lua_getfield(L, -1, "name");
	lua_remove(L, -2);
	name = lua_tostring(L, -1);
	return name ? name : "";
}

/* Errnos that mean something particular here, by what was attempted. */
static const struct hint {
	const char *what;
	int code;
	const char *text;
	uint32_t type; /* of map; 0: any */
} hints[] = {
	{"put into", EINVAL,
		"the struct lacks what it needs, which the kernel's log, as of dmesg, may tell",
		BPF_MAP_TYPE_STRUCT_OPS},
	{"put into", EEXIST, "a struct of that name is registered already",
		BPF_MAP_TYPE_STRUCT_OPS},
	{"put into", E2BIG, "the map is full, or the index is beyond its end", 0},
	{"push to", E2BIG, "the map is full", 0},
	/* Without preallocation, elements come from a stock that is refilled in the background. */
	{"put into", ENOMEM, "the kernel had none at hand, and may have some a moment later", 0},
	{"put into", EPERM, "the map is frozen or was opened read-only", 0},
	{"delete from", EPERM, "the map is frozen or was opened read-only", 0},
	{"delete from", EINVAL, "elements of an array cannot be deleted", 0},
	{"get from", EPERM, "the map was opened write-only", 0},
	{"get from", ENOSPC, "only maps of sockets with value_size = 8 can be read", 0},
	{"iterate", ENOSPC, "only maps of sockets with value_size = 8 can be read", 0},
	{"get and delete from", 524, "hash maps can since Linux 5.14, arrays cannot", 0},
	{"drain", EINVAL, "elements of an array cannot be deleted", 0},
	{"drain", EPERM, "the map is frozen or was opened read-only or write-only", 0},
	{"access one CPU's value of", EINVAL, "needs Linux 7.0", 0},
	{"put a value for all CPUs into", EINVAL, "needs Linux 7.0", 0},
	{"freeze", EPERM, "it is frozen already, or was opened read-only", 0},
	/* Linux before 5.16 says so also of a frozen one. */
	{"freeze", EBUSY,
		"it is frozen already, or mapped writable: close its memory(), or the collection "
		"whose variables are in use",
		0},
	{"map the memory of", EOPNOTSUPP,
		"only arrays made with BPF_F_MMAPABLE (flags = 1024, since Linux 5.5) can be "
		"mapped",
		0},
	{"map the memory of", 524, "values with spin locks, timers and the like cannot be mapped",
		0},
	/* The kernel has no VM_SHARED left then, which bpf_map_mmap() asks for. */
	{"map the memory of", EINVAL, "the map was opened read-only, which the kernel does not map",
		0},
	{"map the memory of", EACCES, "the map was opened write-only", 0},
};

static const char *find_hint(const char *what, int code, uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (hints[i].code == code && strcmp(hints[i].what, what) == 0 &&
			(!hints[i].type || hints[i].type == type))
			return hints[i].text;
	}
	return NULL;
}

int map_failure(lua_State *L, int map, int code, const char *what)
{
	const struct map *m = lua_touserdata(L, map);
	const char *name = map_push_name(L, map);
	struct error err;
	const char *hint;

	error_errno(&err, code, "%s map \"%s\"", what, name);
	/* Old kernels ask for capabilities before they look at the map. */
	hint = err.code == EPERM && probe_lacking(0) ? NULL : find_hint(what, err.code, m->type);
	if (hint)
		error_append(&err, ": %s", hint);
	else
		probe_explain_privilege(&err, 0);
	return failure_push(L, &err);
}

/* The flags at `arg`, the last argument, if it is there; whatever is missing before it is nil. */
static uint64_t last_flags(
	lua_State *L, const struct map *m, int arg, enum map_flags_allowed allowed)
{
	int top = lua_gettop(L);

	if (top == arg - 1)
		return BPF_ANY;
	lua_settop(L, arg);
	return map_check_flags(L, m, arg, allowed);
}

/* Old kernels take an unknown flag for an invalid argument. */
static int element_failure(lua_State *L, int code, const char *what, uint64_t flags)
{
	if (code == -EINVAL && flags & BPF_F_CPU)
		what = "access one CPU's value of";
	else if (code == -EINVAL && flags & BPF_F_ALL_CPUS)
		what = "put a value for all CPUs into";
	return map_failure(L, 1, code, what);
}

typedef int (*lookup_function)(int fd, const void *key, void *value, uint64_t flags);

/* Gives `value` what call() finds under the key, argument 2: 1 when it is there; 0 when there is
 * none, nil pushed; 3 after a failure has been pushed. */
static int lookup(lua_State *L, const struct map *m, lookup_function call, const char *what,
	uint64_t flags, struct scratch *scratch, void **value)
{
	struct scratch key_scratch;
	const void *key;
	int ret;

	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	map_prepare_key(L, m, 1, 2);
	key = map_encode_key(L, m, 2, &key_scratch);
	*value = scratch_get(L, scratch, m->value_span);
	/* For valgrind, which sees the common lookup write only. */
	if (m->cpus || !m->key_size || call != sys_map_lookup)
		memset(*value, 0, m->value_span);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = call(m->handle.fd, key, *value, flags);
	if (ret >= 0)
		return 1;
	if (ret != -ENOENT)
		return element_failure(L, ret, what, flags);
	lua_pushnil(L);
	return 0;
}

/* The results of a method that answers one value, or what lookup() has pushed. */
static int found(lua_State *L, const struct map *m, int ret, const void *value)
{
	if (ret == 0)
		return 1;
	return ret == 1 ? map_push_value(L, m, 1, value) : ret;
}

/* The body of get() and its like. */
static int look_up_value(lua_State *L, const struct map *m, lookup_function call, const char *what,
	enum map_flags_allowed allowed)
{
	uint64_t flags = last_flags(L, m, 3, allowed);
	struct scratch scratch;
	void *value;
	int ret;

	ret = lookup(L, m, call, what, flags, &scratch, &value);
	if (ret == 1 && map_is_single(flags)) {
		codec_push(L, &m->value, 1, value, m->value_size);
		return 1;
	}
	return found(L, m, ret, value);
}

/*
 * The short way of get() and put(), for integers and no flags: as little as possible next to the
 * system call. Returns 0 when the call is out of the ordinary, and the long way has to be taken.
 */
static bool quick_integer(lua_State *L, int arg, uint64_t max, uint64_t *value)
{
	return compat_natural(L, arg, value) && *value <= max;
}

static int get_quickly(lua_State *L, const struct map *m)
{
	uint64_t key, value = 0;
	int ret;

	if (!m->quick || m->handle.fd < 0 || lua_gettop(L) != 2 ||
		!quick_integer(L, 2, m->key_max, &key))
		return 0;
	ret = sys_map_lookup(m->handle.fd, &key, &value, BPF_ANY);
	if (ret >= 0 && m->value_size < sizeof(value))
		lua_pushinteger(L, (lua_Integer)value);
	else if (ret >= 0)
		compat_push_u64(L, value, (enum int64_mode)m->int64);
	else if (ret == -ENOENT)
		lua_pushnil(L);
	else
		return map_failure(L, 1, ret, "get from");
	return 1;
}

static int put_quickly(lua_State *L, const struct map *m, uint64_t flags, const char *what)
{
	uint64_t key, value;
	int ret;

	if (!m->quick || m->handle.fd < 0 || lua_gettop(L) != 3 ||
		!quick_integer(L, 2, m->key_max, &key) ||
		!quick_integer(L, 3, m->value_max, &value))
		return 0;
	ret = sys_map_update(m->handle.fd, &key, &value, flags);
	if (ret < 0)
		return map_failure(L, 1, ret, what);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * m:get(key [, "lock" | {cpu = n}]) -> value | nil | nil, message, errno
 * The value under a key; nil alone when there is none. Per-CPU maps give an array with one value
 * per possible CPU, or the value of CPU n alone (Linux 7.0; counted from 0, as the kernel does);
 * maps of maps and program arrays give a Map or Program of its own.
 */
static int map_get(lua_State *L)
{
	const struct map *m = handle_check(L, 1, &map_class);
	int ret = get_quickly(L, m);

	return ret ? ret : look_up_value(L, m, sys_map_lookup, "get from", MAP_FLAGS_CPU);
}

/* m:get_bytes(key) -> string | nil | nil, message, errno
 * The value as the kernel has it; of a per-CPU map all slots, each padded to 8 bytes. */
static int map_get_bytes(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);
	struct scratch scratch;
	void *value;
	int ret;

	lua_settop(L, 2);
	ret = lookup(L, m, sys_map_lookup, "get from", BPF_ANY, &scratch, &value);
	if (ret == 1)
		lua_pushlstring(L, value, m->value_span);
	return ret ? ret : 1;
}

/* m:get_and_delete(key) -> value | nil | nil, message, errno
 * In one step; hash maps since Linux 5.14, queues and stacks since 4.20. */
static int map_get_and_delete(lua_State *L)
{
	const struct map *m = handle_check(L, 1, &map_class);

	return look_up_value(
		L, m, sys_map_lookup_and_delete, "get and delete from", MAP_FLAGS_LOCK);
}

/* m:get_integer_sum(key) -> integer | false | nil | nil, message, errno
 * The slots of a per-CPU integer added up; false, without a system call, where the values are
 * none. get_sum() of the Lua face also adds tables. */
static int map_get_integer_sum(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);
	struct scratch scratch;
	void *value;
	int ret;

	lua_settop(L, 2);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	luaL_argcheck(L, m->cpus, 1, "per-CPU map expected");
	if (m->value.kind != CODEC_UINT && m->value.kind != CODEC_INT) {
		lua_pushboolean(L, 0);
		return 1;
	}
	ret = lookup(L, m, sys_map_lookup, "get from", BPF_ANY, &scratch, &value);
	if (ret == 1)
		return map_push_sum(L, m, value);
	return ret ? ret : 1;
}

/* Writes an element of the map at stack index 1, both parts encoded. Encoding may have run Lua code
 * that closed it. */
static int write_element(lua_State *L, const struct map *m, const void *key, const void *value,
	uint64_t flags, const char *what)
{
	int ret;

	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = sys_map_update(m->handle.fd, key, value, flags);
	if (ret < 0)
		return element_failure(L, ret, what, flags);
	lua_pushboolean(L, 1);
	return 1;
}

/* Hashes of Linux 7.0 to 7.3 at least forget BPF_NOEXIST and BPF_EXIST beside a CPU's flag, as
 * check_flags() of the kernel compares them as a whole: such calls are not offered. */
static int put_value(lua_State *L, const struct map *m, uint64_t flags, const char *what)
{
	struct scratch key_scratch, value_scratch;
	const void *key;
	void *value;

	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	flags |= last_flags(L, m, 4, flags == BPF_ANY ? MAP_FLAGS_CPUS : MAP_FLAGS_LOCK);
	map_prepare_key(L, m, 1, 2);
	if (map_is_single(flags)) {
		map_prepare_single(L, m, 1, 3);
		key = map_encode_key(L, m, 2, &key_scratch);
		value = map_encode_single(L, m, 3, &value_scratch);
	} else {
		map_prepare_value(L, m, 1, 3);
		key = map_encode_key(L, m, 2, &key_scratch);
		value = map_encode_value(L, m, 3, &value_scratch);
	}
	return write_element(L, m, key, value, flags, what);
}

static int update(lua_State *L, uint64_t flags, const char *what)
{
	const struct map *m = handle_check(L, 1, &map_class);
	int ret = put_quickly(L, m, flags, what);

	return ret ? ret : put_value(L, m, flags, what);
}

/* m:put(key, value [, "lock" | {cpu = n} | "all_cpus"]) -> true | nil, message, errno
 * Sets the value whether the key exists or not. A per-CPU map takes an array of at most as many
 * values as there are possible CPUs; missing ones are zero. From Linux 7.0 on it also takes one
 * value for CPU n, where those of the others stay as they are (zero, if the key is new), or for all. */
static int map_put(lua_State *L)
{
	return update(L, BPF_ANY, "put into");
}

/* m:create(key, value [, "lock"]) -> true | nil, message, EEXIST... */
static int map_create(lua_State *L)
{
	return update(L, BPF_NOEXIST, "create element of");
}

/* m:replace(key, value [, "lock"]) -> true | nil, message, ENOENT... */
static int map_replace(lua_State *L)
{
	return update(L, BPF_EXIST, "replace element of");
}

/* m:put_bytes(key, bytes) -> true | nil, message, errno
 * Sets the value to a string as get_bytes() gives it, whatever the type of the values. */
static int map_put_bytes(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);
	struct scratch key_scratch;
	const void *key;
	const char *bytes;
	char wrong[96];
	size_t size;

	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	bytes = luaL_checklstring(L, 3, &size);
	if (size != m->value_span) {
		snprintf(wrong, sizeof(wrong), "value has %zu bytes, %zu expected", size,
			(size_t)m->value_span);
		luaL_argerror(L, 3, wrong);
	}
	map_prepare_key(L, m, 1, 2);
	key = map_encode_key(L, m, 2, &key_scratch);
	return write_element(L, m, key, bytes, BPF_ANY, "put into");
}

static int delete (lua_State *L, bool strict)
{
	struct map *m = handle_check(L, 1, &map_class);
	struct scratch scratch;
	const void *key;
	int ret;

	lua_settop(L, 2);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	map_prepare_key(L, m, 1, 2);
	key = map_encode_key(L, m, 2, &scratch);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = sys_map_delete(m->handle.fd, key);
	if (ret < 0 && (strict || ret != -ENOENT))
		return map_failure(L, 1, ret, "delete from");
	lua_pushboolean(L, 1);
	return 1;
}

/* m:delete(key) -> true | nil, message, errno. A missing key is fine. */
static int map_delete(lua_State *L)
{
	return delete (L, false);
}

/* m:delete_strict(key) -> true | nil, message, errno. A missing key is ENOENT. */
static int map_delete_strict(lua_State *L)
{
	return delete (L, true);
}

/* Pushes what follows `key`: 1 with the key in `scratch`, 0 at the end with nil pushed, 3 after a
 * failure has been pushed. */
static int next_key(lua_State *L, const void *key, struct scratch *scratch, void **next)
{
	struct map *m = handle_check(L, 1, &map_class);
	int ret;

	*next = scratch_get(L, scratch, m->key_size);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = sys_map_next_key(m->handle.fd, key, *next);
	if (ret >= 0)
		return 1;
	if (ret != -ENOENT)
		return map_failure(L, 1, ret, "get the next key of");
	lua_pushnil(L);
	return 0;
}

/* m:next_key([key]) -> key | nil | nil, message, errno
 * The key behind `key` in the kernel's order, or the first key; nil at the end. When `key` was
 * deleted meanwhile, hash maps begin again: iterate() knows how to live with that. */
static int map_next_key(lua_State *L)
{
	const struct map *m = handle_check(L, 1, &map_class);
	struct scratch key_scratch, scratch;
	const void *key = NULL;
	void *next;
	int ret;

	lua_settop(L, 2);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	if (!lua_isnil(L, 2)) {
		map_prepare_key(L, m, 1, 2);
		key = map_encode_key(L, m, 2, &key_scratch);
	}
	ret = next_key(L, key, &scratch, &next);
	if (ret == 1)
		map_push_key(L, m, 1, next);
	return ret ? ret : 1;
}

/* m:next_key_bytes([key]) -> string | nil | nil, message, errno
 * The same with keys as strings of key_size bytes. */
static int map_next_key_bytes(lua_State *L)
{
	struct map *m = map_self_open(L);
	struct scratch scratch;
	const char *key;
	char wrong[96];
	size_t size;
	void *next;
	int ret;

	if (!m)
		return 3;
	key = luaL_optlstring(L, 2, NULL, &size);
	if (key && size != m->key_size) {
		snprintf(wrong, sizeof(wrong), "key has %zu bytes, %zu expected", size,
			(size_t)m->key_size);
		luaL_argerror(L, 2, wrong);
	}
	ret = next_key(L, key, &scratch, &next);
	if (ret == 1)
		lua_pushlstring(L, next, m->key_size);
	return ret ? ret : 1;
}

/* m:push(value [, "exist"]) -> true | nil, message, errno
 * Adds to a queue, a stack or a bloom filter. "exist" drops the oldest element of a full one. */
static int map_push(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);
	struct scratch scratch;
	uint64_t flags = BPF_ANY;
	void *value;

	lua_settop(L, 3);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	luaL_argcheck(L, !m->key_size, 1, "queue, stack or bloom filter expected");
	if (!lua_isnil(L, 3)) {
		luaL_argcheck(L, strcmp(luaL_checkstring(L, 3), "exist") == 0, 3,
			"flags must be nil or 'exist'");
		flags = BPF_EXIST;
	}
	map_prepare_value(L, m, 1, 2);
	value = map_encode_value(L, m, 2, &scratch);
	return write_element(L, m, NULL, value, flags, "push to");
}

static int take(lua_State *L, lookup_function call, const char *what)
{
	struct map *m = handle_check(L, 1, &map_class);
	struct scratch scratch;
	void *value;
	int ret;

	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	luaL_argcheck(L, !m->key_size, 1, "queue or stack expected");
	lua_settop(L, 1);
	lua_pushnil(L);
	ret = lookup(L, m, call, what, BPF_ANY, &scratch, &value);
	return found(L, m, ret, value);
}

/* m:pop() -> value | nil | nil, message, errno: takes the next element of a queue or stack. */
static int map_pop(lua_State *L)
{
	return take(L, sys_map_lookup_and_delete, "pop from");
}

/* m:peek(value) -> true | false | nil, message, errno for a bloom filter: whether `value` may have
 * been pushed. */
static int bloom_peek(lua_State *L, struct map *m)
{
	struct scratch scratch;
	void *value;
	int ret;

	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	map_prepare_value(L, m, 1, 2);
	value = map_encode_value(L, m, 2, &scratch);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = sys_map_lookup(m->handle.fd, NULL, value, 0);
	if (ret < 0 && ret != -ENOENT)
		return map_failure(L, 1, ret, "peek into");
	lua_pushboolean(L, ret >= 0);
	return 1;
}

/* m:peek() -> value | nil | nil, message, errno: the next element of a queue or stack, left there. */
static int map_peek(lua_State *L)
{
	struct map *m = handle_check(L, 1, &map_class);

	lua_settop(L, 2);
	if (m->type == BPF_MAP_TYPE_BLOOM_FILTER)
		return bloom_peek(L, m);
	return take(L, sys_map_lookup, "peek into");
}

/* m:freeze() -> true | nil, message, errno
 * No system call writes the map any more; programs still may. Since Linux 5.2. */
static int map_freeze(lua_State *L)
{
	struct map *m = map_self_open(L);
	int ret;

	if (!m)
		return 3;
	ret = sys_map_freeze(m->handle.fd);
	if (ret < 0)
		return map_failure(L, 1, ret, "freeze");
	lua_pushboolean(L, 1);
	return 1;
}

/* m:pin(path) -> true | nil, message, errno. The map stays when nobody has it open. */
static int map_pin(lua_State *L)
{
	return pin_pin(L, &map_class);
}

/* m:unpin() -> true | nil, message, errno. True also when it is not pinned (any more). */
static int map_unpin(lua_State *L)
{
	return pin_unpin(L, &map_class);
}

/* m:is_pinned() -> boolean, path or nil */
static int map_is_pinned(lua_State *L)
{
	return pin_is_pinned(L, &map_class);
}

static void set_abi_field(lua_State *L, const char *name, uint32_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, name);
}

/* m:abi() -> {type=, key_size=, value_size=, max_entries=, flags=}; also of a closed map. */
static int map_abi(lua_State *L)
{
	const struct map *m = handle_check(L, 1, &map_class);

	lua_createtable(L, 0, 5);
	options_push_name(L, &names_map_types, m->type);
	lua_setfield(L, -2, "type");
	set_abi_field(L, "key_size", m->key_size);
	set_abi_field(L, "value_size", m->value_size);
	set_abi_field(L, "max_entries", m->max_entries);
	set_abi_field(L, "flags", m->flags);
	return 1;
}

/* m:name() -> string: as in the spec; of a map opened by path or id, the kernel's (15 bytes). */
static int map_name(lua_State *L)
{
	handle_check(L, 1, &map_class);
	map_push_name(L, 1);
	return 1;
}

/* tostring(m) -> hash "events" #7 */
static int map_tostring(lua_State *L)
{
	const struct map *m = handle_check(L, 1, &map_class);
	const char *name = map_push_name(L, 1);
	const char *type = names_of(&names_map_types, m->type);
	char number[32];

	if (!type) {
		snprintf(number, sizeof(number), "map of type %u", m->type);
		type = number;
	}
	if (m->handle.fd < 0)
		lua_pushfstring(L, "%s \"%s\" (closed)", type, name);
	else
		lua_pushfstring(L, "%s \"%s\" #%d", type, name, m->handle.fd);
	return 1;
}

static const luaL_Reg methods[] = {
	{"get", map_get},
	{"get_bytes", map_get_bytes},
	{"get_and_delete", map_get_and_delete},
	{"get_integer_sum", map_get_integer_sum},
	{"put", map_put},
	{"put_bytes", map_put_bytes},
	{"create", map_create},
	{"replace", map_replace},
	{"delete", map_delete},
	{"delete_strict", map_delete_strict},
	{"next_key", map_next_key},
	{"next_key_bytes", map_next_key_bytes},
	{"iterate", map_iterate},
	{"get_batch", map_get_batch},
	{"put_batch", map_put_batch},
	{"delete_batch", map_delete_batch},
	{"drain", map_drain},
	{"push", map_push},
	{"pop", map_pop},
	{"peek", map_peek},
	{"freeze", map_freeze},
	{"memory", map_memory},
	{"pin", map_pin},
	{"unpin", map_unpin},
	{"is_pinned", map_is_pinned},
	{"clone", map_clone},
	{"info", map_info},
	{"abi", map_abi},
	{"name", map_name},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", map_tostring},
	{"__pairs", map_iterate},
	{NULL, NULL},
};

const struct handle_class map_class = {
	.name = "ebpf.map",
	.what = "map",
	.methods = methods,
	.metamethods = metamethods,
};

/* What lua/ebpf/luajit.lua needs: the system calls, to compile into its traces, and the methods it
 * replaces. */
static void push_calls(lua_State *L)
{
	static const struct {
		const char *name;
		void (*function)(void);
	} calls[] = {
		{"lookup", (void (*)(void))sys_map_lookup},
		{"update", (void (*)(void))sys_map_update},
	};
	size_t i;

	lua_newtable(L);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)calls[i].function);
		lua_setfield(L, -2, calls[i].name);
	}
	lua_pushcfunction(L, map_get);
	lua_setfield(L, -2, "get");
	lua_pushcfunction(L, map_put);
	lua_setfield(L, -2, "put");
	lua_pushcfunction(L, map_iterate);
	lua_setfield(L, -2, "iterate");
	lua_pushcfunction(L, map_walk_batches);
	lua_setfield(L, -2, "walk_batches");
}

void map_register(lua_State *L)
{
	handle_register(L, &map_class);
	push_calls(L);
	lua_setfield(L, -2, "calls");
	luaL_getmetatable(L, map_class.name);
	lua_setfield(L, -2, "map_metatable");
	map_new_register(L);
}
