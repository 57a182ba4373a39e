/* SPDX-License-Identifier: MIT */
/*
 * Reading samples. Pushing one allocates, and within an allocation Lua may collect garbage and
 * run any finalizer: it may throw, close the reader, or read from it. So a sample is first copied
 * out of the ring, then pushed, and counts as read only after that: a sample is neither lost
 * when memory runs out, nor delivered twice, nor read from where a mapping used to be.
 */
#include "perf.h"

#include <errno.h>

#include "failure.h"
#include "rooms.h"

enum { SMALL_SAMPLE = 1024 };

static bool is_plain(const struct codec *codec)
{
	return codec->kind == CODEC_BYTES && codec->size == 0;
}

/* Pushes the sample as a string; false when it or the reader is gone by then. */
static bool push_string(lua_State *L, struct perf *p, struct perf_ring *ring,
	const struct perf_sample *sample, const unsigned char *bytes)
{
	lua_pushlstring(L, (const char *)bytes, sample->size);
	if (p->handle.fd >= 0 && perf_ring_is_next(ring, sample)) {
		perf_reader_advance(&p->reader, ring, sample);
		return true;
	}
	lua_pop(L, 1);
	return false;
}

/* Pushes the sample as its type says. Decoding may raise, again and again for the same sample,
 * so it counts as read before. */
static int push_typed(lua_State *L, struct perf *p, int owner, struct perf_ring *ring,
	const struct perf_sample *sample, const unsigned char *bytes, struct error *err)
{
	uint32_t size = sample->size;

	perf_reader_advance(&p->reader, ring, sample);
	if (size < p->codec.size)
		return error_set(err, EMSGSIZE,
			"sample of %u bytes is too short for its type of %u", (unsigned int)size,
			(unsigned int)p->codec.size);
	if (p->codec.size)
		size = p->codec.size; /* leaves the padding out */
	codec_push(L, &p->codec, owner, bytes, size);
	return 1;
}

/* Pushes the next sample: 1; 0 when there is none, -1 on failure. `owner` is the index of `p`; `own` is
 * memory for it, or NULL. */
static int push_sample(lua_State *L, struct perf *p, int owner, unsigned char *own, uint32_t *cpu,
	struct error *err)
{
	unsigned char small[SMALL_SAMPLE];
	struct perf_sample sample;
	struct perf_ring *ring;
	unsigned char *bytes;
	int ret;

	while (p->handle.fd >= 0) {
		ret = perf_reader_next(&p->reader, &ring, &sample, err);
		if (ret <= 0)
			return ret;
		/* Decoding a struct allocates under way, so that a finalizer may read another
		 * sample into `large`. Nothing is needed of what lies behind the struct. */
		if (p->codec.kind == CODEC_LAYOUT && sample.size > p->codec.size)
			sample.size = p->codec.size;
		bytes = p->large;
		if (own)
			bytes = own;
		else if (sample.size <= sizeof(small))
			bytes = small;
		perf_ring_copy(ring, &sample, bytes);
		*cpu = ring->cpu;
		if (!is_plain(&p->codec))
			return push_typed(L, p, owner, ring, &sample, bytes, err);
		if (push_string(L, p, ring, &sample, bytes))
			return 1;
	}
	return 0;
}

/* The same, for a struct too large for the C stack in memory of its own. */
static int push_next(lua_State *L, struct perf *p, int owner, uint32_t *cpu, struct error *err)
{
	unsigned char *own;
	int ret;

	if (p->codec.kind != CODEC_LAYOUT || p->codec.size <= SMALL_SAMPLE)
		return push_sample(L, p, owner, NULL, cpu, err);
	own = lua_newuserdata(L, p->codec.size);
	ret = push_sample(L, p, owner, own, cpu, err);
	if (ret > 0)
		lua_replace(L, -2);
	else
		lua_pop(L, 1);
	return ret;
}

/*
 * r:read() -> sample, cpu | nil | nil, message, errno
 * The next sample and the number of the CPU it comes from, or nil when there is none now; never
 * waits. Without a type the sample is a string as long as the kernel says, which includes the 0
 * to 7 bytes of padding that make size + 4 a multiple of 8. Fails with EBADMSG when a buffer's
 * memory makes no sense, and with EBUSY when an overwritable reader is not paused. A custom type
 * that raises, or a sample too short for its type (EMSGSIZE), costs that sample only.
 */
int perf_read(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	struct error err;
	uint32_t cpu;
	int ret;

	if (!p)
		return 3;
	ret = push_next(L, p, 1, &cpu, &err);
	if (ret < 0)
		return failure_push(L, &err);
	if (ret == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, (lua_Integer)cpu);
	return 2;
}

/*
 * r:read_batch(max [, into]) -> samples, n | nil, message, errno
 * Up to `max` samples as an array, and how many there are. `into` is a table to use again: its
 * entries 1 to n are replaced and entry n + 1 is cleared. A failure after the first sample is
 * told by the next call.
 */
int perf_read_batch(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	struct error err;
	int max, ret = 0, n = 0;
	uint32_t cpu;

	if (!p)
		return 3;
	max = (int)compat_check_unsigned(L, 2, INT32_MAX - 1);
	lua_settop(L, 3);
	if (lua_isnil(L, 3)) {
		lua_newtable(L);
		lua_replace(L, 3);
	}
	luaL_checktype(L, 3, LUA_TTABLE);
	while (n < max && (ret = push_next(L, p, 1, &cpu, &err)) > 0)
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
	struct perf *p = lua_touserdata(L, lua_upvalueindex(1));
	struct error err;
	uint32_t cpu;
	int ret;

	ret = push_next(L, p, lua_upvalueindex(1), &cpu, &err);
	if (ret > 0) {
		lua_pushinteger(L, (lua_Integer)cpu);
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
 * for sample, cpu in r:available() do ... end
 * The samples that are there now, as read() gives them, in the fastest way there is. Never waits;
 * ends when nothing is left or the reader is closed. Raises where read() would fail.
 */
int perf_available(lua_State *L)
{
	if (!perf_self_open(L))
		return 3;
	luaL_argcheck(
		L, lua_isnone(L, 2), 2, "no fields can be chosen: samples have no struct type");
	lua_settop(L, 1);
	lua_pushcclosure(L, available_next, 1);
	return 1;
}

/* Closes the reader at upvalue 1, as its close() does. */
static void close_drained(lua_State *L)
{
	lua_getmetatable(L, lua_upvalueindex(1));
	lua_getfield(L, -1, "__gc");
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_call(L, 1, 0);
	lua_pop(L, 1);
}

/* The step of flush_and_close(): upvalue 1 is the reader, which nobody else knows. */
static int drain_next(lua_State *L)
{
	struct perf *p = lua_touserdata(L, lua_upvalueindex(1));
	struct error err;
	uint32_t cpu;
	int ret;

	ret = push_next(L, p, lua_upvalueindex(1), &cpu, &err);
	if (ret > 0) {
		lua_pushinteger(L, (lua_Integer)cpu);
		return 2;
	}
	close_drained(L);
	if (ret < 0) {
		lua_pushstring(L, err.text);
		return lua_error(L);
	}
	lua_pushnil(L);
	return 1;
}

/*
 * for sample, cpu in r:flush_and_close() do ... end
 * Stops the kernel from writing samples, closes the reader, and gives what was left in it. What
 * it owned is freed when the iterator ends or is collected, on Lua 5.4 also when the loop is left.
 * Returns nil, message, errno when output cannot be stopped; the reader is still open then.
 */
int perf_flush_and_close(lua_State *L)
{
	struct perf *p = perf_self_open(L), *rest;
	struct error err;

	if (!p)
		return 3;
	lua_settop(L, 1);
	rest = perf_push(L, p->reader.count);
	compat_getuservalue(L, 1);
	compat_setuservalue(L, 2);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, drain_next, 1);
	if (p->handle.fd < 0)
		return handle_closed(L, &perf_class);
	if (perf_reader_pause(&p->reader, &err) < 0)
		return failure_push(L, &err);
	perf_reader_move(&rest->reader, &p->reader, rest->rings);
	rest->handle.fd = p->handle.fd;
	rest->owns_map = p->owns_map;
	rest->codec = p->codec;
	p->handle.fd = -1;
	return compat_return_iterator(L, 2);
}
