/* SPDX-License-Identifier: MIT */
/*
 * Walking a map while others write it.
 *
 * Hash maps go by batches: the kernel copies whole buckets under their lock, so every entry that
 * is there throughout comes exactly once. Arrays go by batches too; nothing ever moves there.
 *
 * Where the kernel has no batches, and in an lpm_trie, whose batches follow next_key inside the
 * kernel, a walk goes from key to key, and begins again at the first when the key it stands on
 * is deleted. So keys seen are remembered in the order they came (`order`, a Lua table that
 * holds seen[key] = true as well). When next_key answers a key seen before, the walk has begun
 * again; it then steps back to the youngest key before the one it stood on, and from there to
 * the one before, until one still exists and leads on. Each step back forgets one key of the
 * order and none of the seen, so the walk ends, misses nothing and repeats nothing.
 */
#include "map.h"

#include <errno.h>
#include <string.h>

#include "../engine/sys.h"
#include "rooms.h"

enum {
	BATCH_BYTES = 1 << 20, /* what the buffers of a batch take at most, if two entries fit */
	BATCH_MOST = 4096,
	BATCH_LEAST = 2,
	BATCH_LIMIT = 1 << 22, /* no bucket is larger: the batch does not grow beyond */
};

/* Upvalues of the iterator. UP_SEEN holds what was seen as keys, and the order as an array; behind
 * its end is the key that was forgotten last. */
enum { UP_STATE = 1, UP_MAP, UP_BUFFER, UP_SEEN };

enum mode { MODE_BATCH, MODE_STEP, MODE_END };

struct walk {
	uint8_t mode;
	bool busy; /* a step is running, or one has thrown */
	bool started; /* the cursor is valid */
	bool dedupe; /* deletions make next_key begin again */
	bool buckets; /* batches are made of whole buckets */
	bool back; /* the youngest key of the order is there for the second time */
	uint32_t room; /* entries that fit the buffer */
	uint32_t count, next; /* entries in it, and the next to hand out */
	uint32_t order; /* length of the array part of the seen table */
	uint64_t budget; /* steps left before giving up */
};

/* How next_key and the batches of a type behave. */
static const struct type_walk {
	uint32_t type;
	bool batch, buckets, moves;
} type_walks[] = {
	{BPF_MAP_TYPE_HASH, true, true, true},
	{BPF_MAP_TYPE_PERCPU_HASH, true, true, true},
	{BPF_MAP_TYPE_LRU_HASH, true, true, true},
	{BPF_MAP_TYPE_LRU_PERCPU_HASH, true, true, true},
	{BPF_MAP_TYPE_HASH_OF_MAPS, true, true, true},
	{BPF_MAP_TYPE_LPM_TRIE, true, false, true},
	{BPF_MAP_TYPE_ARRAY, true, false, false},
	{BPF_MAP_TYPE_PERCPU_ARRAY, true, false, false},
	{BPF_MAP_TYPE_ARRAY_OF_MAPS, true, false, false},
	{BPF_MAP_TYPE_PROG_ARRAY, false, false, false},
	{BPF_MAP_TYPE_CGROUP_ARRAY, false, false, false},
	{BPF_MAP_TYPE_DEVMAP, false, false, false},
	{BPF_MAP_TYPE_CPUMAP, false, false, false},
	{BPF_MAP_TYPE_XSKMAP, false, false, false},
	{BPF_MAP_TYPE_SOCKMAP, false, false, false},
	{BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, false, false, false},
	{BPF_MAP_TYPE_DEVMAP_HASH, false, false, true},
	{BPF_MAP_TYPE_SOCKHASH, false, false, true},
};

static struct type_walk walk_of(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(type_walks) / sizeof(type_walks[0]); i++) {
		if (type_walks[i].type == type)
			return type_walks[i];
	}
	return (struct type_walk){type, false, false, true};
}

/* The kernel's batch cursor is a bucket number or a key. */
static size_t cursor_size(const struct map *m)
{
	return m->key_size < sizeof(uint32_t) ? sizeof(uint32_t) : m->key_size;
}

/* The buffer holds two cursors (where the next batch begins, where the last one did), then the
 * keys, then the values. A walk by steps uses the first cursor and one entry. */
struct buffer {
	unsigned char *cursor, *next_cursor, *keys, *values;
};

static struct buffer buffer_parts(const struct map *m, void *memory, uint32_t room)
{
	size_t cursor = (cursor_size(m) + 7) / 8 * 8;
	size_t keys = ((size_t)room * m->key_size + 7) / 8 * 8;
	unsigned char *p = memory;

	return (struct buffer){p, p + cursor, p + 2 * cursor, p + 2 * cursor + keys};
}

static size_t buffer_size(const struct map *m, uint32_t room)
{
	size_t cursor = (cursor_size(m) + 7) / 8 * 8;
	size_t keys = ((size_t)room * m->key_size + 7) / 8 * 8;

	return 2 * cursor + keys + (size_t)room * m->value_span;
}

/* Pushes the memory of a buffer; zeroed, for valgrind knows nothing of batches. */
static void *new_buffer(lua_State *L, const struct map *m, uint32_t room)
{
	size_t size = buffer_size(m, room);

	return memset(lua_newuserdata(L, size), 0, size);
}

static uint32_t first_room(const struct map *m)
{
	uint64_t room = BATCH_BYTES / (m->key_size + m->value_span + 1);

	if (room > BATCH_MOST)
		room = BATCH_MOST;
	if (room > m->max_entries)
		room = m->max_entries;
	return room < BATCH_LEAST ? BATCH_LEAST : (uint32_t)room;
}

/* A bucket did not fit: doubles the buffer, keeping the cursor. */
static void grow(lua_State *L, const struct map *m, struct walk *w)
{
	struct buffer from, to;
	uint32_t room = w->room;

	if (room >= BATCH_LIMIT)
		luaL_error(L, "iterate map: a bucket has more than %d entries", BATCH_LIMIT);
	to = buffer_parts(m, new_buffer(L, m, room * 2), room * 2);
	from = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), room);
	memcpy(to.cursor, from.cursor, cursor_size(m));
	lua_replace(L, lua_upvalueindex(UP_BUFFER));
	w->room = room * 2;
}

static int raise_failure(lua_State *L, int code)
{
	lua_pushvalue(L, lua_upvalueindex(UP_MAP));
	map_failure(L, lua_gettop(L), code, "iterate");
	lua_pop(L, 1);
	return lua_error(L);
}

static void check_open(lua_State *L, const struct map *m)
{
	if (m->handle.fd >= 0)
		return;
	lua_pushliteral(L, "iterate: map is closed");
	lua_error(L);
}

/* Whether the key was seen; remembers it if not. */
static bool seen_before(lua_State *L, const struct map *m, struct walk *w, const void *key)
{
	bool seen;

	lua_pushlstring(L, key, m->key_size);
	lua_pushvalue(L, -1);
	lua_rawget(L, lua_upvalueindex(UP_SEEN));
	seen = !lua_isnil(L, -1);
	lua_pop(L, 1);
	if (seen) {
		lua_pop(L, 1);
		return true;
	}
	lua_pushvalue(L, -1);
	lua_pushboolean(L, 1);
	lua_rawset(L, lua_upvalueindex(UP_SEEN));
	lua_rawseti(L, lua_upvalueindex(UP_SEEN), (int)++w->order);
	w->back = false;
	return false;
}

/* Puts the walk on the youngest key of the order. */
static void stand_on_youngest(lua_State *L, const struct map *m, struct walk *w, void *cursor)
{
	w->started = w->order > 0;
	if (!w->started)
		return;
	lua_rawgeti(L, lua_upvalueindex(UP_SEEN), (int)w->order);
	memcpy(cursor, lua_tostring(L, -1), m->key_size);
	lua_pop(L, 1);
}

/* Whether the key found is the one that was forgotten last: it was deleted, and is back. */
static bool is_back(lua_State *L, const struct map *m, const struct walk *w, struct buffer b)
{
	const char *forgotten;
	bool same;

	lua_rawgeti(L, lua_upvalueindex(UP_SEEN), (int)w->order + 1);
	forgotten = lua_tostring(L, -1);
	same = forgotten && memcmp(forgotten, b.keys, m->key_size) == 0;
	lua_pop(L, 1);
	return same;
}

static void clear_order(lua_State *L, uint32_t i)
{
	lua_pushnil(L);
	lua_rawseti(L, lua_upvalueindex(UP_SEEN), (int)i);
}

/*
 * The walk has begun again behind our back: forgets the key it stood on. Once all are forgotten,
 * it goes on over the keys it has seen. A key that was deleted and put again is taken back into
 * the order, once: else all before it would be forgotten for nothing.
 */
static void step_back(lua_State *L, const struct map *m, struct walk *w, struct buffer b)
{
	if (w->order && is_back(L, m, w, b)) {
		w->order++;
		w->back = true;
	} else if (w->order) {
		clear_order(L, w->order + 1);
		if (w->back)
			clear_order(L, w->order);
		w->back = false;
		w->order--;
	}
	if (w->order)
		stand_on_youngest(L, m, w, b.cursor);
	else
		memcpy(b.cursor, b.keys, m->key_size);
	w->started = true;
}

/* Finds the next entry key by key: true with one in the buffer, false at the end. */
static bool fill_by_step(lua_State *L, const struct map *m, struct walk *w)
{
	struct buffer b = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), w->room);
	int ret;

	for (;;) {
		check_open(L, m);
		if (w->dedupe && w->budget-- == 0)
			luaL_error(L, "iterate map: keys vanish faster than they can be walked");
		ret = sys_map_next_key(m->handle.fd, w->started ? b.cursor : NULL, b.keys);
		if (ret == -ENOENT) {
			w->mode = MODE_END;
			return false;
		}
		if (ret < 0)
			raise_failure(L, ret);
		if (w->dedupe && seen_before(L, m, w, b.keys)) {
			step_back(L, m, w, b);
			continue;
		}
		memcpy(b.cursor, b.keys, m->key_size);
		w->started = true;
		ret = sys_map_lookup(m->handle.fd, b.keys, b.values, 0);
		if (ret == -ENOENT)
			continue; /* vanished meanwhile, or an empty slot */
		if (ret < 0)
			raise_failure(L, ret);
		w->count = 1;
		w->next = 0;
		return true;
	}
}

/* From batches to steps, for a kernel or a map that has no batches (any more). The batch cursor
 * of an array is its last key, and serves as it is. */
static void walk_by_steps(lua_State *L, const struct map *m, struct walk *w)
{
	struct buffer b = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), w->room);

	w->mode = MODE_STEP;
	if (w->dedupe)
		stand_on_youngest(L, m, w, b.cursor);
}

/* Drops entries of the batch that were seen before. True if there were any: then the kernel's
 * own walk has begun again, and cannot be followed further. */
static bool drop_seen(lua_State *L, const struct map *m, struct walk *w)
{
	struct buffer b = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), w->room);
	uint32_t i, kept = 0;

	for (i = 0; i < w->count; i++) {
		if (seen_before(L, m, w, b.keys + (size_t)i * m->key_size))
			continue;
		if (kept != i) {
			memcpy(b.keys + (size_t)kept * m->key_size,
				b.keys + (size_t)i * m->key_size, m->key_size);
			memcpy(b.values + kept * m->value_span, b.values + i * m->value_span,
				m->value_span);
		}
		kept++;
	}
	i = w->count;
	w->count = kept;
	return kept != i;
}

static int lookup_batch(lua_State *L, const struct map *m, struct walk *w)
{
	struct buffer b = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), w->room);
	struct abi_map_batch attr = {
		.in_batch = w->started ? sys_ptr(b.cursor) : 0,
		.out_batch = sys_ptr(b.next_cursor),
		.keys = sys_ptr(b.keys),
		.values = sys_ptr(b.values),
		.count = w->room,
		.map_fd = (uint32_t)m->handle.fd,
	};
	int ret = sys_bpf(BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr));

	w->next = 0;
	w->count = ret == 0 || ret == -ENOENT ? attr.count : 0;
	if (w->count > w->room)
		w->count = 0;
	if (ret == 0) {
		memcpy(b.cursor, b.next_cursor, cursor_size(m));
		w->started = true;
	}
	return ret;
}

/* Fetches the next batch: true with entries in the buffer, false when this did not yield any but
 * the walk may go on in its (maybe new) mode. */
static bool fill_by_batch(lua_State *L, const struct map *m, struct walk *w)
{
	int ret;

	check_open(L, m);
	ret = lookup_batch(L, m, w);
	if (ret == -ENOSPC) {
		grow(L, m, w);
		return false;
	}
	if (ret == -ENOENT)
		w->mode = MODE_END;
	else if (ret < 0 && w->buckets && w->started)
		raise_failure(L, ret);
	else if (ret < 0)
		walk_by_steps(L, m, w);
	if (w->dedupe && !w->buckets && drop_seen(L, m, w))
		walk_by_steps(L, m, w);
	return w->count > 0;
}

/* The walk has handed out all it had: true when there is more. */
static bool refill(lua_State *L, const struct map *m, struct walk *w)
{
	bool filled = false;

	while (!filled && w->mode != MODE_END)
		filled = w->mode == MODE_BATCH ? fill_by_batch(L, m, w) : fill_by_step(L, m, w);
	return filled;
}

/* Pushes the next key and value: 2, or 0 when the map or program that the value names is gone. */
static int push_entry(lua_State *L, const struct map *m, struct walk *w)
{
	struct buffer b = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), w->room);
	uint32_t i = w->next++;

	map_push_key(L, m, lua_upvalueindex(UP_MAP), b.keys + (size_t)i * m->key_size);
	if (map_push_value(L, m, lua_upvalueindex(UP_MAP), b.values + i * m->value_span) == 1)
		return 2;
	if (lua_tointeger(L, -1) != ENOENT) {
		lua_pop(L, 1);
		return lua_error(L);
	}
	lua_settop(L, 0);
	return 0;
}

static void begin_step(lua_State *L, const struct map *m, struct walk *w)
{
	lua_settop(L, 0);
	if (w->busy)
		luaL_error(L, "iterator called inside itself, or after it failed");
	check_open(L, m);
	w->busy = true;
}

/* The iterator: next key, next value, or nil. */
static int walk_next(lua_State *L)
{
	struct walk *w = lua_touserdata(L, lua_upvalueindex(UP_STATE));
	const struct map *m = lua_touserdata(L, lua_upvalueindex(UP_MAP));
	int pushed = 0;

	begin_step(L, m, w);
	while (!pushed && (w->next < w->count || refill(L, m, w)))
		pushed = push_entry(L, m, w);
	w->busy = false;
	if (!pushed)
		lua_pushnil(L);
	return pushed ? pushed : 1;
}

/* The same by whole batches, for lua/ebpf/luajit.lua: the number of entries, 0 at the end, and where
 * their keys and values lie until the next call. */
static int walk_next_batch(lua_State *L)
{
	struct walk *w = lua_touserdata(L, lua_upvalueindex(UP_STATE));
	const struct map *m = lua_touserdata(L, lua_upvalueindex(UP_MAP));
	struct buffer b;

	begin_step(L, m, w);
	lua_pushinteger(L, refill(L, m, w) ? (lua_Integer)w->count : 0);
	w->busy = false;
	b = buffer_parts(m, lua_touserdata(L, lua_upvalueindex(UP_BUFFER)), w->room);
	lua_pushlightuserdata(L, b.keys);
	lua_pushlightuserdata(L, b.values);
	return 3;
}

/* Pushes a walk over the map at stack index 1, by `next`. */
static int push_walk(lua_State *L, const struct map *m, lua_CFunction next)
{
	struct type_walk type = walk_of(m->type);
	struct walk *w;

	luaL_argcheck(L, m->key_size, 1, "this map has no keys to iterate over");
	lua_settop(L, 1);
	w = lua_newuserdata(L, sizeof(*w));
	memset(w, 0, sizeof(*w));
	w->mode = type.batch ? MODE_BATCH : MODE_STEP;
	w->dedupe = type.moves;
	w->buckets = type.buckets;
	w->room = type.batch ? first_room(m) : 1;
	w->budget = (uint64_t)m->max_entries * 8 + 1024;
	lua_pushvalue(L, 1);
	new_buffer(L, m, w->room);
	lua_newtable(L);
	lua_pushcclosure(L, next, UP_SEEN);
	return 1;
}

/*
 * m:iterate() -> iterator, for use in `for key, value in m:iterate() do`; also pairs(m) on
 * Lua 5.3 and later. Any number may run at once. Entries written or deleted meanwhile may or may
 * not come; all others come exactly once, and the loop ends. Only in an lpm_trie may some be missed
 * beside a writer, now and then: the kernel looks for the next key there without the trie's lock.
 * Raises when the kernel refuses, or when the map is closed under way.
 */
int map_iterate(lua_State *L)
{
	const struct map *m = map_self_open(L);

	return m ? push_walk(L, m, walk_next) : 3;
}

int map_walk_batches(lua_State *L)
{
	const struct map *m = map_self_open(L);

	return m ? push_walk(L, m, walk_next_batch) : 3;
}
