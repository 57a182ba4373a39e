/* SPDX-License-Identifier: MIT */
/* Keys and values of maps: from Lua arguments to what bpf(2) takes, and back. */
#include "map.h"

#include <stdio.h>
#include <string.h>

#include "../engine/abi.h"
#include "options.h"
#include "rooms.h"

/* Each CPU's slot of a per-CPU value is a multiple of this (bpf_percpu_hash_copy and friends). */
enum { CPU_STRIDE = 8 };

static uint64_t cpu_stride(const struct map *m)
{
	return ((uint64_t)m->value_size + CPU_STRIDE - 1) / CPU_STRIDE * CPU_STRIDE;
}

uint64_t map_value_span(const struct map *m)
{
	return m->cpus ? cpu_stride(m) * m->cpus : m->value_size;
}

/* The flags of one CPU: the table at `arg`. */
static uint64_t check_cpu(lua_State *L, const struct map *m, int arg)
{
	static const char *const fields[] = {"cpu", NULL};
	uint64_t cpu;

	options_check(L, arg, "flag", fields);
	lua_getfield(L, arg, "cpu");
	luaL_argcheck(L, !lua_isnil(L, -1), arg, "field 'cpu': missing");
	lua_pop(L, 1);
	luaL_argcheck(L, m->cpus, 1, "per-CPU map expected");
	cpu = options_unsigned(L, arg, "cpu", UINT32_MAX, 0);
	if (cpu >= m->cpus)
		luaL_argerror(L, arg,
			lua_pushfstring(L,
				"field 'cpu': there are %d possible CPUs, counted from 0",
				(int)m->cpus));
	return BPF_F_CPU | cpu << BPF_F_CPU_SHIFT;
}

uint64_t map_check_flags(lua_State *L, const struct map *m, int arg, enum map_flags_allowed allowed)
{
	static const char *const expected[] = {"flags must be nil or 'lock'",
		"flags must be nil, 'lock' or {cpu = n}",
		"flags must be nil, 'lock', {cpu = n} or 'all_cpus'"};
	const char *word = lua_type(L, arg) == LUA_TSTRING ? lua_tostring(L, arg) : "";

	if (lua_isnoneornil(L, arg))
		return BPF_ANY;
	if (strcmp(word, "lock") == 0)
		return BPF_F_LOCK;
	if (allowed >= MAP_FLAGS_CPU && lua_istable(L, arg))
		return check_cpu(L, m, arg);
	if (allowed < MAP_FLAGS_CPUS || strcmp(word, "all_cpus") != 0)
		luaL_argerror(L, arg, expected[m->cpus ? allowed : MAP_FLAGS_LOCK]);
	luaL_argcheck(L, m->cpus, 1, "per-CPU map expected");
	return BPF_F_ALL_CPUS;
}

bool map_is_single(uint64_t flags)
{
	return flags & (BPF_F_CPU | BPF_F_ALL_CPUS);
}

void map_prepare_single(lua_State *L, const struct map *m, int map, int arg)
{
	codec_prepare(L, arg, &m->value, map, "value");
}

/* Kernels that do not know the flags read a value for each CPU before they say so. */
void *map_encode_single(lua_State *L, const struct map *m, int arg, struct scratch *scratch)
{
	void *value = memset(scratch_get(L, scratch, m->value_span), 0, m->value_span);

	codec_encode(L, arg, &m->value, value, "value");
	return value;
}

void map_prepare_key(lua_State *L, const struct map *m, int map, int arg)
{
	if (m->key_size)
		codec_prepare(L, arg, &m->key, map, "key");
	else
		luaL_argcheck(
			L, lua_isnoneornil(L, arg), arg, "this map has no keys: nil expected");
}

const void *map_encode_key(lua_State *L, const struct map *m, int arg, struct scratch *scratch)
{
	void *key;

	if (!m->key_size)
		return NULL;
	key = scratch_get(L, scratch, m->key_size);
	codec_encode(L, arg, &m->key, key, "key");
	return key;
}

/* Replaces a table of values by a table of strings, through a custom codec or a C type. */
static void prepare_cpus(lua_State *L, const struct map *m, int map, int arg)
{
	size_t i, n = lua_rawlen(L, arg);
	int from, to;

	lua_pushvalue(L, arg);
	from = lua_gettop(L);
	lua_createtable(L, (int)m->cpus, 0);
	to = lua_gettop(L);
	for (i = 1; i <= n && i <= m->cpus; i++) {
		lua_rawgeti(L, from, (int)i);
		lua_replace(L, arg);
		codec_prepare(L, arg, &m->value, map, "value");
		lua_pushvalue(L, arg);
		lua_rawseti(L, to, (int)i);
	}
	lua_pushvalue(L, to);
	lua_replace(L, arg);
	lua_settop(L, from - 1);
}

void map_prepare_value(lua_State *L, const struct map *m, int map, int arg)
{
	char wrong[96];

	if (m->value_kind != MAP_VALUE_PLAIN)
		return;
	if (!m->cpus) {
		codec_prepare(L, arg, &m->value, map, "value");
		return;
	}
	luaL_argcheck(
		L, lua_istable(L, arg), arg, "table of values, one per possible CPU, expected");
	if (lua_rawlen(L, arg) > m->cpus) {
		snprintf(wrong, sizeof(wrong), "%zu values, but there are %u possible CPUs",
			(size_t)lua_rawlen(L, arg), m->cpus);
		luaL_argerror(L, arg, wrong);
	}
	if (m->value.kind == CODEC_CUSTOM || m->value.kind == CODEC_LAYOUT)
		prepare_cpus(L, m, map, arg);
}

static void encode_cpus(lua_State *L, const struct map *m, int arg, unsigned char *value)
{
	size_t i, n = lua_rawlen(L, arg);
	int table;

	memset(value, 0, m->value_span);
	lua_pushvalue(L, arg);
	table = lua_gettop(L);
	for (i = 0; i < n && i < m->cpus; i++) {
		/* In the argument's own slot, so that an error points at the argument. */
		lua_rawgeti(L, table, (int)i + 1);
		lua_replace(L, arg);
		codec_encode(L, arg, &m->value, value + i * cpu_stride(m), "value");
	}
	lua_pushvalue(L, table);
	lua_replace(L, arg);
	lua_settop(L, table - 1);
}

/* Maps of maps and program arrays are written fds. A plain number is refused: what is read are
 * ids, and to write one back as an fd would put in whatever has that number. */
static void encode_object(lua_State *L, const struct map *m, int arg, void *value)
{
	const struct handle_class *class =
		m->value_kind == MAP_VALUE_MAP ? &map_class : &program_class;
	const struct handle *h = handle_test(L, arg, class);
	char wrong[64] = "";
	uint32_t fd = 0;

	if (!h)
		snprintf(wrong, sizeof(wrong), "value: %s expected, got %s", class->what,
			luaL_typename(L, arg));
	else if (h->fd < 0)
		snprintf(wrong, sizeof(wrong), "value: the %s is closed", class->what);
	else
		fd = (uint32_t)h->fd;
	luaL_argcheck(L, fd, arg, wrong);
	memcpy(value, &fd, sizeof(fd));
}

void *map_encode_value(lua_State *L, const struct map *m, int arg, struct scratch *scratch)
{
	unsigned char *value;

	value = scratch_get(L, scratch, m->value_span);
	/* scratch_get() may leave memory on the stack; encode_cpus() cleans up above it. */
	if (m->value_kind != MAP_VALUE_PLAIN)
		encode_object(L, m, arg, value);
	else if (m->cpus)
		encode_cpus(L, m, arg, value);
	else
		codec_encode(L, arg, &m->value, value, "value");
	return value;
}

void map_push_key(lua_State *L, const struct map *m, int map, const void *key)
{
	codec_push(L, &m->key, map, key, m->key_size);
	/* nil would end a loop over the map, and the answer of next_key, as if there were no more. */
	if (lua_isnil(L, -1))
		luaL_error(L, "type of the key: decode returned nil");
}

int map_push_value(lua_State *L, const struct map *m, int map, const void *value)
{
	uint64_t stride;
	uint32_t i, id;

	if (m->value_kind != MAP_VALUE_PLAIN) {
		memcpy(&id, value, sizeof(id));
		return m->value_kind == MAP_VALUE_MAP ? map_push_by_id(L, id)
						      : program_push_by_id(L, id);
	}
	if (!m->cpus) {
		codec_push(L, &m->value, map, value, m->value_size);
		return 1;
	}
	stride = cpu_stride(m);
	lua_createtable(L, (int)m->cpus, 0);
	for (i = 0; i < m->cpus; i++) {
		codec_push(L, &m->value, map, (const char *)value + i * stride, m->value_size);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

int map_push_sum(lua_State *L, const struct map *m, const void *value)
{
	uint64_t sum = 0, stride = cpu_stride(m);
	uint32_t i;

	for (i = 0; i < m->cpus; i++)
		sum += codec_load(&m->value, (const char *)value + i * stride);
	/* The sum of 32-bit counters needs more than 32 bits, but never more than a number holds. */
	if (m->value.size < sizeof(sum))
		lua_pushinteger(L, (lua_Integer)sum);
	else if (m->value.kind == CODEC_INT)
		compat_push_i64(L, (int64_t)sum, (enum int64_mode)m->value.int64);
	else
		compat_push_u64(L, sum, (enum int64_mode)m->value.int64);
	return 1;
}
