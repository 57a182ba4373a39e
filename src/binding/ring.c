/* SPDX-License-Identifier: MIT */
/* The ring reader as userdata: see reader.h for what it shares with the perf reader. */
#include <errno.h>

#include "../engine/abi.h"
#include "../engine/names.h"
#include "../engine/ring_reader.h"
#include "failure.h"
#include "map.h"
#include "options.h"
#include "reader.h"
#include "rooms.h"
#include "samples.h"

enum { RINGS_MAX = 1024 };

static void check_map(lua_State *L, int index, const char *where)
{
	const struct map *map = handle_test(L, index, &map_class);
	const char *name;

	if (!map)
		luaL_argerror(L, 1,
			lua_pushfstring(
				L, "ebpf.map%s expected, got %s", where, luaL_typename(L, index)));
	if (map->type == BPF_MAP_TYPE_RINGBUF)
		return;
	name = names_of(&names_map_types, map->type);
	luaL_argerror(L, 1,
		lua_pushfstring(
			L, "ringbuf expected, got %s", name ? name : "another type of map"));
}

/* Pushes an array of the maps at argument 1, one or an array of them; returns how many. */
static uint32_t push_maps(lua_State *L)
{
	uint32_t i, count;

	if (!lua_istable(L, 1)) {
		check_map(L, 1, "");
		lua_createtable(L, 1, 0);
		lua_pushvalue(L, 1);
		lua_rawseti(L, -2, 1);
		return 1;
	}
	luaL_argcheck(L, lua_rawlen(L, 1) >= 1 && lua_rawlen(L, 1) <= RINGS_MAX, 1,
		"array of 1 to 1024 maps expected");
	count = (uint32_t)lua_rawlen(L, 1);
	lua_createtable(L, (int)count, 0);
	for (i = 1; i <= count; i++) {
		lua_rawgeti(L, 1, (int)i);
		check_map(L, -1, " in the array");
		lua_rawseti(L, -2, (int)i);
	}
	return count;
}

/* Opens the maps in the array at `maps`; what is closed meanwhile is -EBADF. */
static int open_reader(
	lua_State *L, struct reader_object *r, int maps, uint32_t count, struct error *err)
{
	const struct handle *map;
	uint32_t i;
	int ret;

	ret = ring_reader_open(&r->reader, r->rings, err);
	for (i = 1; ret == 0 && i <= count; i++) {
		lua_rawgeti(L, maps, (int)i);
		map = lua_touserdata(L, -1);
		lua_pop(L, 1);
		ret = map->fd < 0 ? error_set(err, EBADF, "map is closed")
				  : ring_reader_add(&r->reader, map->fd, err);
	}
	if (ret < 0)
		reader_close(&r->reader);
	return ret;
}

/*
 * core.new_ring_reader(map_or_maps [, options]) -> reader | nil, message, errno
 * Reads one or many BPF ring buffers, into which programs write by bpf_ringbuf_output(), or by
 * bpf_ringbuf_reserve() and bpf_ringbuf_submit().
 *   type, int64  what samples are decoded to; strings
 *   own          false: the maps stay the caller's, and open when the reader closes; true
 * There is one consumer: where a ring buffer is read is in the map, so a later reader goes on where
 * this one stopped. Raises on maps of another type. Errnos: EACCES for a map that was opened for
 * reading only, those of mmap(2). A map with BPF_F_RB_OVERWRITE is read from a copy, which takes as
 * much memory again.
 */
static int new_ring_reader(lua_State *L)
{
	static const char *const names[] = {"type", "int64", "own", NULL};
	struct reader_object *r;
	struct error err;
	uint32_t count;

	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	options_check(L, 2, "ring reader", names);
	count = push_maps(L);
	r = reader_push(L, &ring_class, count);
	r->stop = ring_reader_stop;
	r->codec = samples_configure(L, 2, 3);
	if (open_reader(L, r, 3, count, &err) < 0 &&
		(!handle_reclaimed(L, -err.code) || open_reader(L, r, 3, count, &err) < 0)) {
		if (err.code != EBADF)
			error_prefix(&err, "create ring reader");
		return failure_push(L, &err);
	}
	r->handle.fd = r->reader.poller.fd;
	return 1;
}

/* Pushes a number for each ring: the total, and an array of them by the number of the map. */
static int push_each(lua_State *L, struct reader_object *r, uint64_t (*number)(const struct ring *))
{
	uint64_t one, total = 0;
	uint32_t i;

	lua_createtable(L, (int)r->reader.count, 0);
	for (i = 0; i < r->reader.count; i++) {
		one = number(&r->rings[i]);
		total += one;
		compat_push_u64(L, one, INT64_NUMBER);
		lua_rawseti(L, -2, (int)i + 1);
	}
	compat_push_u64(L, total, INT64_NUMBER);
	lua_insert(L, -2);
	return 2;
}

/*
 * r:available_bytes() -> total, {bytes, ...} | nil, message, errno
 * How much of each ring buffer is taken by records that were not read: in all, and by the number
 * of the map. Records have 8 bytes of header and are rounded up to 8.
 */
static int ring_available_bytes(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	struct error err;

	if (!r)
		return 3;
	if (reader_here(&r->reader, &err) < 0)
		return failure_push(L, &err);
	return push_each(L, r, ring_buf_unread);
}

static uint64_t discarded(const struct ring *ring)
{
	return ring->buf.discarded;
}

/*
 * r:discarded_samples() -> total, {count, ...} | nil, message, errno
 * How many records this reader has met that programs had reserved and then discarded.
 */
static int ring_discarded_samples(lua_State *L)
{
	struct reader_object *r = reader_self(L);

	return r ? push_each(L, r, discarded) : 3;
}

static uint64_t overwritten(const struct ring *ring)
{
	return ring->buf.overwritten;
}

/*
 * r:overwritten_bytes() -> total, {bytes, ...} | nil, message, errno
 * How much of each ring buffer that was made with BPF_F_RB_OVERWRITE programs have overwritten
 * before this reader got there, as far as it knows: it notices when it reads. With headers, as
 * available_bytes() counts. 0 of others, which overwrite nothing.
 */
static int ring_overwritten_bytes(lua_State *L)
{
	struct reader_object *r = reader_self(L);

	return r ? push_each(L, r, overwritten) : 3;
}

static uint64_t size_of(const struct ring *ring)
{
	return ring->size;
}

/* r:buffer_size() -> total, {bytes, ...} | nil, message, errno; the sizes of the ring buffers. */
static int ring_buffer_size(lua_State *L)
{
	struct reader_object *r = reader_self(L);

	return r ? push_each(L, r, size_of) : 3;
}

static const luaL_Reg methods[] = {
	READER_METHODS,
	{"available_bytes", ring_available_bytes},
	{"discarded_samples", ring_discarded_samples},
	{"overwritten_bytes", ring_overwritten_bytes},
	{"buffer_size", ring_buffer_size},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", reader_tostring},
	{NULL, NULL},
};

const struct handle_class ring_class = {
	.name = "ebpf.ring_reader",
	.what = "ring reader",
	.methods = methods,
	.metamethods = metamethods,
	.close = reader_close_method,
};

void ring_register(lua_State *L)
{
	handle_register(L, &ring_class);
	lua_pushcfunction(L, new_ring_reader);
	lua_setfield(L, -2, "new_ring_reader");
}
