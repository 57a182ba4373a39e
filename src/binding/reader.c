/* SPDX-License-Identifier: MIT */
/*
 * Readers as userdata. A reader owns its rings, their mappings and an epoll fd over them, and by
 * default its maps. C reads without waiting, and waits without reading; lua/ebpf/reader.lua
 * puts the two together.
 */
#include "reader.h"

#include <errno.h>

#include "failure.h"
#include "rooms.h"
#include "samples.h"

/* Methods serve both classes: the first upvalue tells which one's. */
static const struct handle_class *class_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

struct reader_object *reader_self(lua_State *L)
{
	struct reader_object *r = handle_check(L, 1, class_of(L));

	if (reader_is_open(r))
		return r;
	handle_closed(L, class_of(L));
	return NULL;
}

struct reader_object *reader_push(lua_State *L, const struct handle_class *class, uint32_t rings)
{
	struct reader_object *r;

	r = handle_new(L, class, sizeof(*r) + rings * sizeof(r->rings[0]));
	r->reader = READER_CLOSED;
	return r;
}

void reader_shut(lua_State *L, int index)
{
	struct reader_object *r = lua_touserdata(L, index);

	if (!reader_is_open(r))
		return;
	r->handle.fd = -1;
	reader_close(&r->reader);
	samples_close_maps(L, index);
}

/*
 * r:close() -> true
 * Closes the reader, unread samples are discarded; its maps too, unless it was made with own =
 * false. For perf buffers: from then on bpf_perf_event_output() answers -ENOENT. Closing twice is
 * harmless.
 */
int reader_close_method(lua_State *L)
{
	handle_check(L, 1, class_of(L));
	reader_shut(L, 1);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * r:poll([timeout]) -> true | false | nil, message, errno
 * Waits until there is something to read, at most `timeout` seconds (fractions are fine; nil:
 * for ever). true at once when samples are unread, also fewer than a waiter is woken for; true
 * too after flush(). false when the time is over. Goes on after signals, unless one set a debug
 * hook, as Ctrl-C in the `lua` command does: then it returns false, so that the hook gets to run.
 */
int reader_poll(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	double seconds = luaL_optnumber(L, 2, -1);
	lua_Hook hook = lua_gethook(L);
	struct error err;
	int64_t deadline;
	int ret;

	if (!r)
		return 3;
	luaL_argcheck(L, lua_isnoneornil(L, 2) || seconds >= 0, 2, "seconds expected");
	deadline = lua_isnoneornil(L, 2) ? POLLER_FOREVER : poller_deadline(seconds);
	do {
		ret = reader_has_data(&r->reader, &err);
		if (ret < 0)
			return failure_push(L, &err);
		if (ret > 0)
			break;
		ret = poller_wait(&r->reader.poller, deadline);
		if (ret == -EINTR && lua_gethook(L) != hook)
			ret = POLLER_TIMEOUT;
	} while (ret == POLLER_READY || ret == -EINTR);
	if (ret < 0)
		return failure_errno(L, ret, "wait for samples");
	lua_pushboolean(L, ret != POLLER_TIMEOUT);
	return 1;
}

/*
 * r:dirty() -> boolean | nil, message, errno
 * Whether something can be read now (for luasocket's select, which asks before it waits).
 */
int reader_dirty(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	struct error err;
	int ret;

	if (!r)
		return 3;
	ret = reader_has_data(&r->reader, &err);
	if (ret < 0)
		return failure_push(L, &err);
	lua_pushboolean(L, ret);
	return 1;
}

/*
 * r:timeout() -> 0 | nil
 * 0 when something can be read now, so that nobody should wait first (for cqueues).
 */
int reader_timeout(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	struct error err;

	if (!r)
		return 3;
	if (reader_has_data(&r->reader, &err) != 0)
		lua_pushinteger(L, 0);
	else
		lua_pushnil(L);
	return 1;
}

/*
 * r:fd(), r:pollfd(), r:getfd() -> integer | nil, message, errno
 * An epoll fd that gets readable when samples come; any event loop can watch it. It tells of news
 * only: read all there is (until nil) before waiting on it.
 */
int reader_fd(lua_State *L)
{
	struct reader_object *r = reader_self(L);

	if (!r)
		return 3;
	lua_pushinteger(L, r->handle.fd);
	return 1;
}

/* r:events() -> "r"; what to wait for on the fd (for cqueues). */
int reader_events(lua_State *L)
{
	if (!reader_self(L))
		return 3;
	lua_pushliteral(L, "r");
	return 1;
}

/*
 * r:flush() -> true | nil, message, errno
 * Wakes whoever waits for this reader, or is the next to wait, as if samples had come. For
 * reading what is there before wakeup_events, watermark or the window of order_by are reached.
 */
int reader_flush(lua_State *L)
{
	struct reader_object *r = reader_self(L);
	int ret;

	if (!r)
		return 3;
	ret = reader_wake(&r->reader);
	if (ret < 0)
		return failure_errno(L, ret, "flush %s", class_of(L)->what);
	lua_pushboolean(L, 1);
	return 1;
}

int reader_tostring(lua_State *L)
{
	const struct reader_object *r = handle_check(L, 1, class_of(L));

	if (reader_is_open(r))
		lua_pushfstring(L, "%s #%d", class_of(L)->what, r->handle.fd);
	else
		lua_pushfstring(L, "%s (closed)", class_of(L)->what);
	return 1;
}
