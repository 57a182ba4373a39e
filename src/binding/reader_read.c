/* SPDX-License-Identifier: MIT */
/*
 * Reading samples. Pushing one allocates, and within an allocation Lua may collect garbage and
 * run any finalizer: it may throw, close the reader, or read from it. So bytes are used in the ring
 * only as long as nothing of that can happen, and else copied first; and a string counts as read
 * only once it is there: a sample is neither lost when memory runs out, nor delivered twice, nor
 * read from where a mapping used to be.
 */
#include "reader.h"

#include <errno.h>

#include "failure.h"
#include "rooms.h"

/* Whether the sample that was found can still be read: nobody closed the reader, or read on. */
static bool is_still_there(
	const struct reader_object *r, const struct ring *ring, const struct ring_sample *sample)
{
	return reader_is_open(r) && ring_is_next(ring, sample);
}

static void advance(struct reader_object *r, struct ring *ring, const struct ring_sample *sample)
{
	ring_advance(ring, sample);
	reader_settle(&r->reader, ring);
}

unsigned char *reader_copy(lua_State *L, const struct reader_object *r, const struct ring *ring,
	const struct ring_sample *sample, uint32_t size, unsigned char *small)
{
	unsigned char *out = small;

	if (size > READER_SMALL) {
		out = lua_newuserdata(L, size);
		if (!is_still_there(r, ring, sample))
			return NULL;
	}
	ring_copy(ring, sample, out, size);
	return out;
}

int reader_too_short(const struct reader_object *r, uint32_t size, struct error *err)
{
	return error_set(err, EMSGSIZE, "sample of %u bytes is too short for its type of %u",
		(unsigned int)size, (unsigned int)r->codec.size);
}

/* Pushes the sample as a string; false, and nothing, when it or the reader is gone by then. */
static bool push_string(lua_State *L, struct reader_object *r, struct ring *ring,
	const struct ring_sample *sample, uint32_t size)
{
	unsigned char small[READER_SMALL];
	const unsigned char *bytes = NULL;
	int top = lua_gettop(L);

	/* Short strings are hashed first and copied then: the memory must not change meanwhile. */
	if (COMPAT_COPIES_FIRST && size > COMPAT_SHORT_STRING)
		bytes = ring_bytes(ring, sample);
	if (!bytes)
		bytes = reader_copy(L, r, ring, sample, size, small);
	if (bytes) {
		lua_pushlstring(L, (const char *)bytes, size);
		if (is_still_there(r, ring, sample)) {
			if (size > READER_SMALL && lua_gettop(L) > top + 1)
				lua_replace(L, top + 1);
			advance(r, ring, sample);
			return true;
		}
	}
	lua_settop(L, top);
	return false;
}

/* Pushes the sample as its type says; 0, and nothing, when it is gone. Decoding may raise, again
 * and again for the same sample, so it counts as read before. */
static int push_typed(lua_State *L, struct reader_object *r, int owner, struct ring *ring,
	const struct ring_sample *sample, uint32_t size)
{
	unsigned char small[READER_SMALL];
	const unsigned char *bytes;
	int top = lua_gettop(L);

	bytes = reader_copy(L, r, ring, sample, size, small);
	if (!bytes) {
		lua_settop(L, top);
		return 0;
	}
	advance(r, ring, sample);
	codec_push(L, &r->codec, owner, bytes, size);
	if (bytes != small)
		lua_replace(L, top + 1);
	return 1;
}

/* Pushes the next sample: 1; 0 when there is none, -1 on failure. `owner` is the index of `r`. */
static int push_next(
	lua_State *L, struct reader_object *r, int owner, uint32_t *source, struct error *err)
{
	struct ring_sample sample;
	struct ring *ring;
	uint32_t size;
	int ret;

	while (reader_is_open(r)) {
		ret = reader_next(&r->reader, &ring, &sample, err);
		if (ret <= 0)
			return ret;
		*source = ring->source;
		size = sample.size;
		if (size < r->codec.size) {
			advance(r, ring, &sample);
			return reader_too_short(r, size, err);
		}
		if (r->codec.size)
			size = r->codec.size; /* leaves the padding out */
		if (r->codec.kind == CODEC_BYTES ? push_string(L, r, ring, &sample, size)
						 : push_typed(L, r, owner, ring, &sample, size))
			return 1;
	}
	return 0;
}

/*
 * r:read() -> sample, source | nil | nil, message, errno
 * The next sample and where it comes from: the number of its CPU, or that of its map in the array
 * that the ring reader was made of, 1 where there was no array. nil when there is none now; never
 * waits. Without a type the sample is a string; that of a perf buffer is as long as the kernel says,
 * which includes the 0 to 7 bytes of padding that make size + 4 a multiple of 8. Fails with EBADMSG
 * when a buffer's memory makes no sense, and with EBUSY when an overwritable reader is not paused. A
 * custom type that raises, or a sample too short for its type (EMSGSIZE), costs that sample only.
 */
int reader_read(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	struct error err;
	uint32_t source;
	int ret;

	if (!r)
		return 3;
	ret = push_next(L, r, 1, &source, &err);
	if (ret < 0)
		return failure_push(L, &err);
	if (ret == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, (lua_Integer)source);
	return 2;
}

/*
 * r:read_batch(max [, into]) -> samples, n | nil, message, errno
 * Up to `max` samples as an array, and how many there are. `into` is a table to use again: its
 * entries 1 to n are replaced and entry n + 1 is cleared. A failure after the first sample is
 * told by the next call.
 */
int reader_read_batch(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	struct error err;
	int max, ret = 0, n = 0;
	uint32_t source;

	if (!r)
		return 3;
	max = (int)compat_check_unsigned(L, 2, INT32_MAX - 1);
	lua_settop(L, 3);
	if (lua_isnil(L, 3)) {
		lua_newtable(L);
		lua_replace(L, 3);
	}
	luaL_checktype(L, 3, LUA_TTABLE);
	while (n < max && (ret = push_next(L, r, 1, &source, &err)) > 0)
		lua_rawseti(L, 3, ++n);
	if (ret < 0 && n == 0)
		return failure_push(L, &err);
	lua_pushnil(L);
	lua_rawseti(L, 3, n + 1);
	lua_pushinteger(L, n);
	return 2;
}

/* The step of available(): upvalue 1 is the reader. */
static int available_next(lua_State *L)
{
	struct reader_object *r = lua_touserdata(L, lua_upvalueindex(1));
	struct error err;
	uint32_t source;
	int ret;

	ret = push_next(L, r, lua_upvalueindex(1), &source, &err);
	if (ret > 0) {
		lua_pushinteger(L, (lua_Integer)source);
		return 2;
	}
	if (ret < 0) {
		lua_pushstring(L, err.text);
		return lua_error(L);
	}
	lua_pushnil(L);
	return 1;
}

/*
 * for sample, source in r:available() do ... end
 * for a, b, source in r:available("a", "b") do ... end
 * The samples that are there now, as read() gives them, in the fastest way there is; or the fields
 * named, decoded in the ring itself. Never waits; ends when nothing is left or the reader is closed.
 * Raises where read() would fail, and on names of fields that the type of the samples does not have.
 */
int reader_available(lua_State *L)
{
	struct reader_object *r = reader_self(L);

	if (!r)
		return 3;
	if (lua_gettop(L) > 1)
		return reader_push_fields(L, r);
	lua_pushcclosure(L, available_next, 1);
	return 1;
}

/* The step of flush_and_close(): upvalue 1 is the reader, which nobody else knows. */
static int drain_next(lua_State *L)
{
	struct reader_object *r = lua_touserdata(L, lua_upvalueindex(1));
	struct error err;
	uint32_t source;
	int ret;

	ret = push_next(L, r, lua_upvalueindex(1), &source, &err);
	if (ret > 0) {
		lua_pushinteger(L, (lua_Integer)source);
		return 2;
	}
	reader_shut(L, lua_upvalueindex(1));
	if (ret < 0) {
		lua_pushstring(L, err.text);
		return lua_error(L);
	}
	lua_pushnil(L);
	return 1;
}

/*
 * for sample, source in r:flush_and_close() do ... end
 * Closes the reader, and gives what was left in it. The kernel writes no more samples into perf
 * buffers; what programs go on to write into a ring buffer stays there for the next who reads it.
 * What the reader owned is freed when the iterator ends or is collected, on Lua 5.4 also when the
 * loop is left. Returns nil, message, errno when output cannot be stopped; the reader is still open
 * then.
 */
int reader_flush_and_close(lua_State *L)
{
	struct reader_object *r = reader_self(L), *rest;
	const struct handle_class *class;
	struct error err;

	if (!r)
		return 3;
	lua_settop(L, 1);
	class = r->handle.class;
	rest = reader_push(L, class, r->reader.count);
	compat_getuservalue(L, 1);
	compat_setuservalue(L, 2);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, drain_next, 1);
	if (!reader_is_open(r))
		return handle_closed(L, class);
	if (r->stop(&r->reader, &err) < 0)
		return failure_push(L, &err);
	reader_move(&rest->reader, &r->reader, rest->rings);
	rest->handle.fd = r->handle.fd;
	rest->stop = r->stop;
	rest->codec = r->codec;
	r->handle.fd = -1;
	return compat_return_iterator(L, 2);
}
