/* SPDX-License-Identifier: MIT */
/*
 * Many elements in few system calls. Where the kernel has no batches for a map type (before
 * Linux 5.6, or queues) the same is done one by one; either way, what was done before a failure
 * is told.
 */
#include "map.h"

#include <errno.h>
#include <string.h>

#include "../engine/sys.h"
#include "rooms.h"

enum { BATCH_BYTES = 1 << 20, BATCH_MOST = 4096, BATCH_LIMIT = 1 << 22 };

static uint32_t batch_room(const struct map *m, size_t wanted)
{
	uint64_t room = BATCH_BYTES / (m->key_size + m->value_span + 1);

	/* An fd waits for no other element: the code that encodes the next may close it. */
	if (m->value_kind != MAP_VALUE_PLAIN)
		return 1;

	if (room > BATCH_MOST)
		room = BATCH_MOST;
	if (room > wanted)
		room = wanted;
	return room ? (uint32_t)room : 1;
}

/* Errnos that mean "no batches here": an old kernel, or a map type without. */
static bool no_batches(int ret)
{
	return ret == -EINVAL || ret == -524 || ret == -EOPNOTSUPP;
}

/* After nil, message, errno have been pushed: adds how many elements were done. */
static int partial(lua_State *L, int pushed, size_t done)
{
	lua_pushinteger(L, (lua_Integer)done);
	return pushed + 1;
}

/* Pushes a value of the map at 1: 1; 0 when the map or program it names is gone; 3 with nil,
 * message, errno when that cannot be opened. */
static int push_present(lua_State *L, const struct map *m, const void *value)
{
	int pushed = map_push_value(L, m, 1, value);

	return pushed == 3 && lua_tointeger(L, -1) == ENOENT ? 0 : pushed;
}

/* m:get_batch(keys) -> values, found | nil, message, errno, found
 * The values under an array of keys: values[i] is that of keys[i], or nil when there is none. The
 * kernel has no call for chosen keys, so this is a get for each. */
int map_get_batch(lua_State *L)
{
	struct map *m = map_self_open(L);
	struct scratch key_scratch, value_scratch;
	size_t i, n, found = 0;
	const void *key;
	void *value;
	int ret;

	if (!m)
		return 3;
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	n = lua_rawlen(L, 2);
	lua_pushvalue(L, 2);
	lua_createtable(L, (int)n, 0);
	value = memset(scratch_get(L, &value_scratch, m->value_span), 0, m->value_span);
	lua_settop(L, 5);
	for (i = 1; i <= n; i++) {
		/* In the argument's own slot, so that an error points at the argument. */
		lua_rawgeti(L, 3, (int)i);
		lua_replace(L, 2);
		map_prepare_key(L, m, 1, 2);
		key = map_encode_key(L, m, 2, &key_scratch);
		if (m->handle.fd < 0)
			return partial(L, handle_closed(L, &map_class), found);
		ret = sys_map_lookup(m->handle.fd, key, value, 0);
		if (ret < 0 && ret != -ENOENT)
			return partial(L, map_failure(L, 1, ret, "get from"), found);
		ret = ret < 0 ? 0 : push_present(L, m, value);
		if (ret > 1)
			return partial(L, ret, found);
		if (ret) {
			lua_rawseti(L, 4, (int)i);
			found++;
		}
		lua_settop(L, 5);
	}
	lua_pushvalue(L, 4);
	lua_pushinteger(L, (lua_Integer)found);
	return 2;
}

/* The elements of one call, encoded in chunks into memory that the Lua stack holds. */
struct chunk {
	unsigned char *keys, *values;
	uint32_t room, count;
};

static struct chunk chunk_new(lua_State *L, const struct map *m, size_t wanted)
{
	struct chunk c = {.room = batch_room(m, wanted)};
	size_t keys = ((size_t)c.room * m->key_size + 7) / 8 * 8;

	c.keys = lua_newuserdata(L, keys + (size_t)c.room * m->value_span);
	c.values = c.keys + keys;
	return c;
}

/* Encodes the key on top of the stack, and pops it. It is put into the slot of the argument that
 * it came from, at `arg`, so that an error points there. */
static void chunk_key(lua_State *L, struct map *m, struct chunk *c, int arg)
{
	struct scratch scratch;
	int top = lua_gettop(L) - 1;

	lua_replace(L, arg);
	map_prepare_key(L, m, 1, arg);
	memcpy(c->keys + (size_t)c->count * m->key_size, map_encode_key(L, m, arg, &scratch),
		m->key_size);
	lua_settop(L, top);
}

/* The same for the value that belongs to the last key. */
static void chunk_value(lua_State *L, struct map *m, struct chunk *c, int arg)
{
	struct scratch scratch;
	int top = lua_gettop(L) - 1;

	lua_replace(L, arg);
	map_prepare_value(L, m, 1, arg);
	memcpy(c->values + c->count * m->value_span, map_encode_value(L, m, arg, &scratch),
		m->value_span);
	lua_settop(L, top);
}

/* One call for the elements from `from` on; adds those done to *done. */
static int call_batch(
	const struct map *m, const struct chunk *c, enum bpf_cmd cmd, uint32_t from, uint32_t *done)
{
	struct abi_map_batch attr = {
		.keys = sys_ptr(c->keys + (size_t)from * m->key_size),
		.values =
			cmd == BPF_MAP_UPDATE_BATCH ? sys_ptr(c->values + from * m->value_span) : 0,
		.count = c->count - from,
		.map_fd = (uint32_t)m->handle.fd,
	};
	uint32_t wanted = attr.count;
	int ret = sys_bpf(cmd, &attr, sizeof(attr));

	/* A kernel that never began leaves the count as it was. */
	if (ret == 0)
		*done = wanted;
	else
		*done = attr.count < wanted ? attr.count : 0;
	return ret;
}

static int call_single(const struct map *m, const struct chunk *c, enum bpf_cmd cmd, uint32_t i)
{
	const void *key = c->keys + (size_t)i * m->key_size;

	if (cmd == BPF_MAP_DELETE_BATCH)
		return sys_map_delete(m->handle.fd, key);
	return sys_map_update(m->handle.fd, key, c->values + i * m->value_span, BPF_ANY);
}

/*
 * Puts or deletes the elements of a chunk, counting into *total; empties it. An element that a
 * batch stops at is tried by itself: a missing key does not stop deleting, and where there are
 * no batches everything goes this way.
 */
static int chunk_flush(const struct map *m, struct chunk *c, enum bpf_cmd cmd, size_t *total)
{
	bool batches = true;
	uint32_t i = 0, done;
	int ret = 0;

	while (i < c->count && ret >= 0) {
		done = 0;
		ret = batches ? call_batch(m, c, cmd, i, &done) : -EINVAL;
		i += done;
		*total += done;
		if (ret == 0)
			break;
		batches = batches && !no_batches(ret);
		ret = call_single(m, c, cmd, i);
		*total += ret >= 0;
		i++;
		if (ret == -ENOENT && cmd == BPF_MAP_DELETE_BATCH)
			ret = 0;
	}
	c->count = 0;
	return ret;
}

static int flush(lua_State *L, struct map *m, struct chunk *c, enum bpf_cmd cmd, size_t *total)
{
	int ret;

	if (m->handle.fd < 0)
		return partial(L, handle_closed(L, &map_class), *total);
	ret = chunk_flush(m, c, cmd, total);
	if (ret >= 0)
		return 0;
	return partial(L,
		map_failure(L, 1, ret, cmd == BPF_MAP_DELETE_BATCH ? "delete from" : "put into"),
		*total);
}

static int finish(lua_State *L, struct map *m, struct chunk *c, enum bpf_cmd cmd, size_t *total)
{
	int ret = flush(L, m, c, cmd, total);

	if (ret)
		return ret;
	lua_pushinteger(L, (lua_Integer)*total);
	return 1;
}

/* put_batch({[key] = value}) */
static int put_table(lua_State *L, struct map *m)
{
	struct chunk c;
	size_t total = 0;
	int ret;

	lua_settop(L, 3);
	lua_pushvalue(L, 2);
	c = chunk_new(L, m, BATCH_MOST);
	lua_pushnil(L);
	while (lua_next(L, 4)) {
		lua_pushvalue(L, -2);
		chunk_key(L, m, &c, 2);
		chunk_value(L, m, &c, 2);
		if (++c.count == c.room) {
			ret = flush(L, m, &c, BPF_MAP_UPDATE_BATCH, &total);
			if (ret)
				return ret;
		}
	}
	return finish(L, m, &c, BPF_MAP_UPDATE_BATCH, &total);
}

/* put_batch(keys, values), delete_batch(keys) */
static int walk_arrays(lua_State *L, struct map *m, enum bpf_cmd cmd)
{
	bool with_value = cmd == BPF_MAP_UPDATE_BATCH;
	size_t i, n = lua_rawlen(L, 2), total = 0;
	struct chunk c;
	int ret;

	lua_settop(L, 3);
	luaL_argcheck(
		L, !with_value || lua_rawlen(L, 3) == n, 3, "as many values as keys expected");
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	c = chunk_new(L, m, n);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, 4, (int)i);
		chunk_key(L, m, &c, 2);
		if (with_value) {
			lua_rawgeti(L, 5, (int)i);
			chunk_value(L, m, &c, 3);
		}
		if (++c.count == c.room) {
			ret = flush(L, m, &c, cmd, &total);
			if (ret)
				return ret;
		}
	}
	return finish(L, m, &c, cmd, &total);
}

/*
 * m:put_batch({[key] = value, ...}) or m:put_batch(keys, values) -> n | nil, message, errno, n
 * Puts all of them; the second form, of two arrays, is for keys that are tables, and for order.
 * `n` says how many were put, also before a failure. A wrong element raises; the thousands of a
 * large table before it may have been put by then.
 */
int map_put_batch(lua_State *L)
{
	struct map *m = map_self_open(L);

	if (!m)
		return 3;
	luaL_argcheck(L, m->key_size, 1, "this map has no keys");
	luaL_checktype(L, 2, LUA_TTABLE);
	if (lua_isnoneornil(L, 3))
		return put_table(L, m);
	luaL_checktype(L, 3, LUA_TTABLE);
	return walk_arrays(L, m, BPF_MAP_UPDATE_BATCH);
}

/* m:delete_batch(keys) -> n | nil, message, errno, n
 * Deletes the keys of an array; missing ones are fine. `n` says how many there were. */
int map_delete_batch(lua_State *L)
{
	struct map *m = map_self_open(L);

	if (!m)
		return 3;
	luaL_argcheck(L, m->key_size, 1, "this map has no keys");
	luaL_checktype(L, 2, LUA_TTABLE);
	return walk_arrays(L, m, BPF_MAP_DELETE_BATCH);
}

/* Where drain() stands: its tables of keys and values are at stack indices 2 and 3. */
struct drain {
	unsigned char *cursor, *next_cursor;
	struct chunk chunk;
	bool started;
	size_t total;
};

/* Memory for `room` entries, on top of the stack at index 4. */
static void drain_room(lua_State *L, const struct map *m, struct drain *d, uint32_t room)
{
	size_t cursor = ((m->key_size < 4 ? 4 : m->key_size) + 7) / 8 * 8;
	size_t keys = ((size_t)room * m->key_size + 7) / 8 * 8;
	unsigned char *p;
	size_t size;

	size = 2 * cursor + keys + (size_t)room * m->value_span;
	p = memset(lua_newuserdata(L, size), 0, size); /* for valgrind knows nothing of batches */
	if (d->started)
		memcpy(p, d->cursor, cursor);
	lua_replace(L, 4);
	d->cursor = p;
	d->next_cursor = p + cursor;
	d->chunk.keys = p + 2 * cursor;
	d->chunk.values = d->chunk.keys + keys;
	d->chunk.room = room;
}

/* Appends the entry whose key and value are on top of the stack to the tables, and pops it. */
static void append_entry(lua_State *L, struct drain *d)
{
	d->total++;
	lua_rawseti(L, 3, (int)d->total);
	lua_rawseti(L, 2, (int)d->total);
}

/* By BPF_MAP_LOOKUP_AND_DELETE_BATCH: 0 at the end, or a negative errno. */
static int drain_batches(lua_State *L, struct map *m, struct drain *d)
{
	struct abi_map_batch attr;
	uint32_t i;
	int ret;

	do {
		if (m->handle.fd < 0)
			return -EBADF;
		attr = (struct abi_map_batch){
			.in_batch = d->started ? sys_ptr(d->cursor) : 0,
			.out_batch = sys_ptr(d->next_cursor),
			.keys = sys_ptr(d->chunk.keys),
			.values = sys_ptr(d->chunk.values),
			.count = d->chunk.room,
			.map_fd = (uint32_t)m->handle.fd,
		};
		ret = sys_bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH, &attr, sizeof(attr));
		if (ret == -ENOSPC && d->chunk.room < BATCH_LIMIT) {
			drain_room(L, m, d, d->chunk.room * 2);
			continue;
		}
		if (ret < 0 && ret != -ENOENT)
			return ret;
		if (ret == 0) {
			memcpy(d->cursor, d->next_cursor, m->key_size < 4 ? 4 : m->key_size);
			d->started = true;
		}
		for (i = 0; i < attr.count && i < d->chunk.room; i++) {
			map_push_key(L, m, 1, d->chunk.keys + (size_t)i * m->key_size);
			map_push_value(L, m, 1, d->chunk.values + i * m->value_span);
			append_entry(L, d);
		}
	} while (ret != -ENOENT);
	return 0;
}

/* At most as many as the map holds: a busy writer cannot keep this going. */
static int drain_queue(lua_State *L, struct map *m, struct drain *d)
{
	int ret;

	while (d->total < m->max_entries) {
		if (m->handle.fd < 0)
			return -EBADF;
		ret = sys_map_lookup_and_delete(m->handle.fd, NULL, d->chunk.values, 0);
		if (ret < 0)
			return ret == -ENOENT ? 0 : ret;
		map_push_value(L, m, 1, d->chunk.values);
		lua_rawseti(L, 2, (int)++d->total);
	}
	return 0;
}

/* Takes the entry under the key in the chunk: 0, also when it is gone or names what is gone. A
 * value is decoded before it is deleted: the map or program it names may live by it alone. */
static int drain_entry(lua_State *L, struct map *m, struct drain *d)
{
	int ret = sys_map_lookup(m->handle.fd, d->chunk.keys, d->chunk.values, 0);
	int pushed;

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	map_push_key(L, m, 1, d->chunk.keys);
	pushed = push_present(L, m, d->chunk.values);
	if (pushed > 1)
		return -(int)lua_tointeger(L, -1);
	ret = m->handle.fd < 0 ? -EBADF : sys_map_delete(m->handle.fd, d->chunk.keys);
	if (ret >= 0 && pushed)
		append_entry(L, d);
	lua_settop(L, 4);
	return ret == -ENOENT ? 0 : ret;
}

/* Goes from key to key: past empty slots of an array, and, where the one before is deleted, to
 * the first that is left. No more steps than twice the size of the map, for the sake of a busy
 * writer. */
static int drain_singly(lua_State *L, struct map *m, struct drain *d)
{
	uint64_t steps = (uint64_t)m->max_entries * 2;
	const void *key = NULL;
	int ret;

	while (steps--) {
		if (m->handle.fd < 0)
			return -EBADF;
		ret = sys_map_next_key(m->handle.fd, key, d->chunk.keys);
		if (ret == -ENOENT)
			return 0;
		if (ret >= 0)
			ret = drain_entry(L, m, d);
		if (ret < 0)
			return ret;
		key = d->chunk.keys;
	}
	return 0;
}

/*
 * m:drain() -> keys, values, n | nil, message, errno, keys, values, n
 * Takes everything out: two arrays, of keys and of their values. Of a queue or a stack: one array
 * of values, in the order pop() gives them, and n. What was taken before a failure is not lost;
 * what was taken before a custom decode raises is. It ends also while others go on inserting.
 */
int map_drain(lua_State *L)
{
	struct map *m = map_self_open(L);
	struct drain d = {0};
	int ret, results = 0;

	if (!m)
		return 3;
	lua_settop(L, 1);
	lua_newtable(L);
	lua_newtable(L);
	lua_pushnil(L);
	drain_room(L, m, &d, m->key_size ? batch_room(m, m->max_entries) : 1);
	if (!m->key_size)
		ret = drain_queue(L, m, &d);
	else if (m->value_kind == MAP_VALUE_PLAIN)
		ret = drain_batches(L, m, &d);
	else
		ret = -EINVAL;
	if (m->key_size && no_batches(ret) && !d.started)
		ret = drain_singly(L, m, &d);
	if (m->handle.fd < 0)
		results = handle_closed(L, &map_class);
	else if (ret < 0)
		results = map_failure(L, 1, ret, "drain");
	lua_pushvalue(L, 2);
	if (m->key_size)
		lua_pushvalue(L, 3);
	lua_pushinteger(L, (lua_Integer)d.total);
	return results + 2 + (m->key_size > 0);
}
