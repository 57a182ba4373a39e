/* SPDX-License-Identifier: MIT */
/*
 * The producer of a user ring buffer as userdata, and its reservations, which are userdata too: one
 * that is collected discards its record, as what is reserved for ever would stop the programs.
 */
#include "../engine/user_ring.h"

#include <errno.h>
#include <string.h>

#include "../engine/abi.h"
#include "../engine/names.h"
#include "failure.h"
#include "map.h"
#include "memory.h"
#include "options.h"
#include "rooms.h"
#include "samples.h"

/* Its user value is that of samples.h. */
struct producer {
	struct handle handle; /* the fd of ring.poller */
	struct codec codec;
	struct user_ring ring;
};

static const char reservation_class[] = "ebpf.reservation";

struct reservation {
	const char *class; /* reservation_class */
	struct producer *producer; /* kept by the user value, a table */
	uint64_t position;
	uint32_t size;
	bool is_pending;
};

static struct producer *self(lua_State *L)
{
	struct producer *p = handle_check(L, 1, &user_ring_class);

	if (p->handle.fd >= 0)
		return p;
	handle_closed(L, &user_ring_class);
	return NULL;
}

/*
 * u:close() -> true
 * Closes it, what is still reserved is discarded; its map too, unless it was made with own = false.
 */
static int producer_close(lua_State *L)
{
	struct producer *p = handle_check(L, 1, &user_ring_class);

	if (p->handle.fd >= 0) {
		p->handle.fd = -1;
		user_ring_close(&p->ring);
		samples_close_maps(L, 1);
	}
	lua_pushboolean(L, 1);
	return 1;
}

static int open_ring(struct producer *p, int map_fd, struct error *err)
{
	int ret = user_ring_open(&p->ring, map_fd, err);

	if (ret < 0)
		user_ring_close(&p->ring);
	return ret;
}

static void check_map(lua_State *L, int arg)
{
	const struct map *map = handle_check(L, arg, &map_class);
	const char *name = names_of(&names_map_types, map->type);

	if (map->type != BPF_MAP_TYPE_USER_RINGBUF)
		luaL_argerror(L, arg,
			lua_pushfstring(L, "user_ringbuf expected, got %s",
				name ? name : "another type of map"));
}

/*
 * core.new_user_ring(map [, options]) -> producer | nil, message, errno
 * Sends samples to programs, which drain the map, a user_ringbuf (Linux 6.1), by
 * bpf_user_ringbuf_drain(). There is one producer at a time.
 *   type  what samples are; strings of any length
 *   own   false: the map stays the caller's, and open when this closes; true
 * Raises on maps of another type. The usual errnos are those of mmap(2).
 */
static int new_user_ring(lua_State *L)
{
	static const char *const names[] = {"type", "int64", "own", NULL};
	struct producer *p;
	struct handle *map;
	struct error err;

	check_map(L, 1);
	map = lua_touserdata(L, 1);
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	options_check(L, 2, "user ring", names);
	lua_createtable(L, 1, 0);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, 1);
	p = handle_new(L, &user_ring_class, sizeof(*p));
	p->ring = USER_RING_CLOSED;
	p->codec = samples_configure(L, 2, 3);
	if (map->fd < 0)
		return handle_closed(L, &map_class);
	if (open_ring(p, map->fd, &err) < 0 && (!handle_reclaimed(L, -err.code) || map->fd < 0 ||
						       open_ring(p, map->fd, &err) < 0)) {
		error_prefix(&err, "create user ring");
		return failure_push(L, &err);
	}
	p->handle.fd = p->ring.poller.fd;
	return 1;
}

/* The deadline that the seconds at `arg` mean; nil: none. */
static int64_t check_deadline(lua_State *L, int arg)
{
	double seconds = luaL_optnumber(L, arg, 0);

	luaL_argcheck(L, seconds >= 0, arg, "seconds expected");
	return lua_isnoneornil(L, arg) ? POLLER_FOREVER : poller_deadline(seconds);
}

/* Reserves; while there is no room, waits until the deadline. Waiting ends too when a signal has
 * set a debug hook, as Ctrl-C in the `lua` command does. */
static int reserve_until(lua_State *L, struct producer *p, uint32_t size, int64_t deadline,
	uint64_t *position, struct error *err)
{
	lua_Hook hook = lua_gethook(L);
	int ret;

	while (user_ring_reserve(&p->ring, size, position, err) < 0) {
		if (err->code != ENOSPC)
			return -1;
		ret = user_ring_wait(&p->ring, deadline);
		if (ret == POLLER_TIMEOUT)
			return error_set(err, ETIMEDOUT, "user ring is still full: timed out");
		if (ret < 0 && (ret != -EINTR || lua_gethook(L) != hook))
			return error_errno(err, ret, "wait for room in the user ring");
	}
	return 0;
}

/* The bytes of a sample: the string at `arg` itself, or what its value is encoded to. */
static const void *encode(lua_State *L, const struct producer *p, int owner, int arg,
	struct scratch *scratch, uint32_t *size)
{
	const char *bytes;
	size_t length;
	void *out;

	if (p->codec.kind == CODEC_BYTES && !p->codec.size) {
		luaL_checktype(L, arg, LUA_TSTRING);
		bytes = lua_tolstring(L, arg, &length);
		luaL_argcheck(L, length <= USER_RING_SAMPLE_MAX, arg,
			"sample: string of less than 16 MiB expected");
		*size = (uint32_t)length;
		return bytes;
	}
	codec_prepare(L, arg, &p->codec, owner, "sample");
	out = scratch_get(L, scratch, p->codec.size);
	codec_encode(L, arg, &p->codec, out, "sample");
	*size = p->codec.size;
	return out;
}

static int send_until(lua_State *L, bool waits, int64_t deadline)
{
	struct producer *p = lua_touserdata(L, 1);
	struct scratch scratch;
	struct error err;
	const void *bytes;
	uint64_t position;
	uint32_t size;
	int ret;

	bytes = encode(L, p, 1, 2, &scratch, &size);
	if (p->handle.fd < 0) /* by what encoding ran */
		return handle_closed(L, &user_ring_class);
	ret = waits ? reserve_until(L, p, size, deadline, &position, &err)
		    : user_ring_reserve(&p->ring, size, &position, &err);
	if (ret < 0)
		return failure_push(L, &err);
	memcpy(user_ring_bytes(&p->ring, position), bytes, size);
	user_ring_commit(&p->ring, position, false);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * u:send(value) -> true | nil, message, errno
 * Sends one sample. Never waits: ENOSPC when there is no room now, E2BIG when there never is. Raises
 * when the value does not fit the type.
 */
static int producer_send(lua_State *L)
{
	return self(L) ? send_until(L, false, 0) : 3;
}

/*
 * u:send_wait(value [, timeout]) -> true | nil, message, errno
 * The same, but waits for room, at most `timeout` seconds (nil: for ever): ETIMEDOUT after that.
 */
static int producer_send_wait(lua_State *L)
{
	int64_t deadline;

	if (!self(L))
		return 3;
	deadline = check_deadline(L, 3);
	return send_until(L, true, deadline);
}

/* The bytes to reserve: those of the type, else as many as the argument says. */
static uint32_t check_size(lua_State *L, const struct producer *p, int arg)
{
	uint64_t size;

	if (p->codec.size && lua_isnoneornil(L, arg))
		return p->codec.size;
	size = compat_check_unsigned(L, arg, USER_RING_SAMPLE_MAX);
	luaL_argcheck(L, !p->codec.size || size == p->codec.size, arg,
		"the type of the samples has another size");
	return (uint32_t)size;
}

static int reserve(lua_State *L, uint32_t size, bool waits, int64_t deadline)
{
	struct producer *p = lua_touserdata(L, 1);
	struct reservation *r;
	struct error err;
	int ret;

	r = compat_newuserdata(L, sizeof(*r));
	memset(r, 0, sizeof(*r));
	r->class = reservation_class;
	r->producer = p;
	r->size = size;
	luaL_setmetatable(L, reservation_class);
	lua_createtable(L, 1, 0);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, 1);
	compat_setuservalue(L, -2);
	if (p->handle.fd < 0) /* by a finalizer */
		return handle_closed(L, &user_ring_class);
	ret = waits ? reserve_until(L, p, size, deadline, &r->position, &err)
		    : user_ring_reserve(&p->ring, size, &r->position, &err);
	if (ret < 0)
		return failure_push(L, &err);
	r->is_pending = true;
	return 1;
}

/*
 * u:reserve([size]) -> reservation | nil, message, errno
 * Room for one sample, of `size` bytes where there is no type. Until it is submitted or discarded
 * the programs get nothing of what is sent after it. Fails as send() does.
 */
static int producer_reserve(lua_State *L)
{
	struct producer *p = self(L);

	return p ? reserve(L, check_size(L, p, 2), false, 0) : 3;
}

/* u:reserve_wait([timeout [, size]]) -> reservation | nil, message, errno; as send_wait() waits. */
static int producer_reserve_wait(lua_State *L)
{
	struct producer *p = self(L);
	int64_t deadline;

	if (!p)
		return 3;
	deadline = check_deadline(L, 2);
	return reserve(L, check_size(L, p, 3), true, deadline);
}

/*
 * u:poll([timeout]) -> true | false | nil, message, errno
 * Waits until programs have drained samples since the last time it was found full or polled, at most
 * `timeout` seconds (nil: for ever): false after that. The first time it is true at once.
 */
static int producer_poll(lua_State *L)
{
	struct producer *p = self(L);
	lua_Hook hook = lua_gethook(L);
	int64_t deadline;
	int ret;

	if (!p)
		return 3;
	deadline = check_deadline(L, 2);
	do {
		ret = user_ring_wait(&p->ring, deadline);
	} while (ret == -EINTR && lua_gethook(L) == hook);
	if (ret < 0 && ret != -EINTR)
		return failure_errno(L, ret, "wait for room in the user ring");
	lua_pushboolean(L, ret == POLLER_READY);
	return 1;
}

/*
 * u:fd(), u:pollfd(), u:getfd() -> integer | nil, message, errno
 * An epoll fd that gets readable when programs have drained samples: then try again what failed with
 * ENOSPC.
 */
static int producer_fd(lua_State *L)
{
	struct producer *p = self(L);

	if (!p)
		return 3;
	lua_pushinteger(L, p->handle.fd);
	return 1;
}

/* u:events() -> "r"; what to wait for on the fd (for cqueues). */
static int producer_events(lua_State *L)
{
	if (!self(L))
		return 3;
	lua_pushliteral(L, "r");
	return 1;
}

/* u:free_bytes() -> integer; a sample takes its size, rounded up to 8, and 8 more. */
static int producer_free_bytes(lua_State *L)
{
	struct producer *p = self(L);

	if (!p)
		return 3;
	compat_push_u64(L, user_ring_free(&p->ring), INT64_NUMBER);
	return 1;
}

/* u:buffer_size() -> integer */
static int producer_buffer_size(lua_State *L)
{
	struct producer *p = self(L);

	if (!p)
		return 3;
	compat_push_u64(L, p->ring.size, INT64_NUMBER);
	return 1;
}

static int producer_tostring(lua_State *L)
{
	const struct producer *p = handle_check(L, 1, &user_ring_class);

	if (p->handle.fd < 0)
		lua_pushliteral(L, "user ring (closed)");
	else
		lua_pushfstring(L, "user ring #%d", p->handle.fd);
	return 1;
}

static struct reservation *check_reservation(lua_State *L)
{
	return memory_self(L, reservation_class, sizeof(struct reservation));
}

/* Whether the record is still ours to write; else nil, message, errno are pushed. */
static bool is_held(lua_State *L, const struct reservation *r)
{
	const struct producer *p = r->producer;
	struct error err;

	if (p->handle.fd < 0) {
		handle_closed(L, &user_ring_class);
		return false;
	}
	if (r->is_pending && user_ring_holds(&p->ring, r->position, r->size))
		return true;
	error_set(&err, EBADF, "reservation has ended");
	failure_push(L, &err);
	return false;
}

/*
 * reservation:submit(value) -> true | nil, message, errno
 * Writes the sample, a string of exactly the size that was reserved where there is no type, and hands
 * it to the programs. Raises when the value does not fit; the reservation stays then.
 */
static int reservation_submit(lua_State *L)
{
	struct reservation *r = check_reservation(L);
	struct scratch scratch;
	const void *bytes;
	uint32_t size;

	if (!is_held(L, r))
		return 3;
	lua_settop(L, 2);
	compat_getuservalue(L, 1);
	lua_rawgeti(L, -1, 1);
	bytes = encode(L, r->producer, lua_gettop(L), 2, &scratch, &size);
	if (size != r->size)
		luaL_argerror(L, 2,
			lua_pushfstring(L, "sample has %d bytes, %d are reserved", (int)size,
				(int)r->size));
	if (!is_held(L, r)) /* by what encoding ran */
		return 3;
	memcpy(user_ring_bytes(&r->producer->ring, r->position), bytes, size);
	user_ring_commit(&r->producer->ring, r->position, false);
	r->is_pending = false;
	lua_pushboolean(L, 1);
	return 1;
}

/* reservation:discard() -> true; harmless when it has ended. So is what collecting does. */
static int reservation_discard(lua_State *L)
{
	struct reservation *r = check_reservation(L);
	struct producer *p = r->producer;

	if (r->is_pending && p->handle.fd >= 0 && user_ring_holds(&p->ring, r->position, r->size))
		user_ring_commit(&p->ring, r->position, true);
	r->is_pending = false;
	lua_pushboolean(L, 1);
	return 1;
}

static const luaL_Reg methods[] = {
	{"send", producer_send},
	{"send_wait", producer_send_wait},
	{"reserve", producer_reserve},
	{"reserve_wait", producer_reserve_wait},
	{"poll", producer_poll},
	{"fd", producer_fd},
	{"pollfd", producer_fd},
	{"getfd", producer_fd},
	{"events", producer_events},
	{"free_bytes", producer_free_bytes},
	{"buffer_size", producer_buffer_size},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", producer_tostring},
	{NULL, NULL},
};

const struct handle_class user_ring_class = {
	.name = "ebpf.user_ring",
	.what = "user ring",
	.methods = methods,
	.metamethods = metamethods,
	.close = producer_close,
};

void user_ring_register(lua_State *L)
{
	static const luaL_Reg reservation_metamethods[] = {
		{"__gc", reservation_discard},
		{"__close", reservation_discard},
		{NULL, NULL},
	};
	static const luaL_Reg reservation_methods[] = {
		{"submit", reservation_submit},
		{"discard", reservation_discard},
		{NULL, NULL},
	};

	handle_register(L, &user_ring_class);
	memory_register_class(L, reservation_class, reservation_metamethods, reservation_methods);
	lua_pushcfunction(L, new_user_ring);
	lua_setfield(L, -2, "new_user_ring");
}
