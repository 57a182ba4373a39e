/* SPDX-License-Identifier: MIT */
/*
 * The perf reader as userdata. It owns its rings, their mappings and an epoll fd over them, and
 * by default the map. C reads without waiting, and waits without reading; lua/ebpf/reader.lua
 * puts the two together.
 */
#include "perf.h"

#include <errno.h>
#include <string.h>

#include "../engine/cpu.h"
#include "../engine/names.h"
#include "../engine/sys.h"
#include "failure.h"
#include "map.h"
#include "options.h"
#include "rooms.h"

enum { DEFAULT_BUFFER = 64 * 1024, BUFFER_MAX = 1 << 30 };

struct perf *perf_self_open(lua_State *L)
{
	struct perf *p = handle_check(L, 1, &perf_class);

	if (p->handle.fd >= 0)
		return p;
	handle_closed(L, &perf_class);
	return NULL;
}

/* Closes the map that was handed over with the reader. */
static void close_map(lua_State *L, int self)
{
	struct handle *map;
	int fd;

	compat_getuservalue(L, self);
	lua_rawgeti(L, -1, PERF_MAP);
	map = handle_test(L, -1, &map_class);
	if (map) {
		fd = map->fd;
		map->fd = -1;
		sys_close(fd);
	}
	lua_pop(L, 2);
}

/*
 * r:close() -> true
 * Closes the reader, unread samples are discarded; its map too, unless it was made with own =
 * false. From then on bpf_perf_event_output() answers -ENOENT. Closing twice is harmless.
 */
static int perf_close(lua_State *L)
{
	struct perf *p = handle_check(L, 1, &perf_class);

	if (p->handle.fd >= 0) {
		p->handle.fd = -1;
		perf_reader_close(&p->reader);
		if (p->owns_map)
			close_map(L, 1);
	}
	lua_pushboolean(L, 1);
	return 1;
}

struct perf *perf_push(lua_State *L, uint32_t rings)
{
	struct perf *p;

	p = handle_new(L, &perf_class, sizeof(*p) + rings * sizeof(p->rings[0]));
	p->reader = PERF_READER_CLOSED;
	return p;
}

static void check_map(lua_State *L, int arg)
{
	const struct map *map = handle_check(L, arg, &map_class);
	const char *name = names_of(&names_map_types, map->type);

	if (map->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return;
	luaL_argerror(L, arg,
		name ? lua_pushfstring(L, "perf_event_array expected, got %s", name)
		     : "perf_event_array expected, got another type of map");
}

/* Reads the options that say how a ring is made; raises on nonsense. */
static void check_config(lua_State *L, int arg, struct perf_ring_config *config)
{
	uint64_t buffer, watermark, wakeup;

	buffer = options_unsigned(L, arg, "per_cpu_buffer", BUFFER_MAX, DEFAULT_BUFFER);
	watermark = options_unsigned(L, arg, "watermark", UINT32_MAX, 0);
	wakeup = options_unsigned(L, arg, "wakeup_events", UINT32_MAX, 0);
	if (buffer == 0)
		luaL_argerror(L, arg, "field 'per_cpu_buffer': must be positive");
	if (watermark && wakeup)
		luaL_argerror(L, arg, "give 'watermark' or 'wakeup_events', not both");
	if (watermark >= buffer)
		luaL_argerror(L, arg, "field 'watermark': must be less than 'per_cpu_buffer'");
	*config = (struct perf_ring_config){
		.size = perf_ring_size(buffer),
		.watermark = watermark != 0,
		.wakeup = (uint32_t)(watermark ? watermark
				     : wakeup  ? wakeup
					       : 1),
		.overwritable = options_boolean(L, arg, "overwritable", false),
	};
}

/* The type of samples; a custom one is kept in the user value, whose table is on top. */
static struct codec check_codec(lua_State *L, int arg)
{
	int table = lua_gettop(L);
	enum int64_mode int64;
	struct codec codec;

	lua_getfield(L, arg, "int64");
	int64 = codec_parse_int64(L, -1);
	lua_getfield(L, arg, "type");
	codec = codec_parse(L, -1, 0, int64, table, PERF_CODEC, "sample");
	lua_pop(L, 2);
	return codec;
}

static int open_reader(struct perf *p, int map_fd, const struct cpu_set *cpus,
	const struct perf_ring_config *config, struct error *err)
{
	int ret = perf_reader_open(&p->reader, map_fd, cpus, config, p->rings, err);

	if (ret < 0)
		perf_reader_close(&p->reader);
	return ret;
}

static int open_failure(lua_State *L, struct error *err)
{
	error_prefix(err, "create perf reader");
	return failure_push(L, err);
}

/*
 * core.new_perf_reader(map [, options]) -> reader | nil, message, errno
 * Makes one perf buffer for each online CPU and puts it into `map`, a perf_event_array, at the
 * number of its CPU, so that bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, ...) fills it.
 *   per_cpu_buffer  bytes for each CPU, rounded up to a power of two of pages; 65536
 *   wakeup_events   a waiter is woken each time so many samples have come; 1
 *   watermark       or: each time so many bytes have come; less than per_cpu_buffer
 *   overwritable    true: new samples replace the oldest; read while paused, newest first
 *   type, int64     what samples are decoded to; strings
 *   own             false: the map stays the caller's, and open when the reader closes; true
 * The buffers are mapped where they are read: after a fork either process may read on, not both.
 * Raises on a map of another type and on unknown or contradictory options. The usual errnos are
 * those of perf_event_open(2), mmap(2) and BPF_MAP_UPDATE_ELEM.
 */
static int new_perf_reader(lua_State *L)
{
	static const char *const names[] = {"per_cpu_buffer", "watermark", "wakeup_events",
		"overwritable", "type", "int64", "own", NULL};
	struct perf_ring_config config;
	struct cpu_set cpus;
	struct error err;
	struct handle *map;
	struct perf *p;

	check_map(L, 1);
	map = lua_touserdata(L, 1);
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	options_check(L, 2, "perf reader", names);
	check_config(L, 2, &config);
	if (cpu_online(&cpus, &err) < 0)
		return open_failure(L, &err);
	p = perf_push(L, cpus.count);
	lua_newtable(L);
	p->codec = check_codec(L, 2);
	p->owns_map = options_boolean(L, 2, "own", true);
	if (p->owns_map) {
		lua_pushvalue(L, 1);
		lua_rawseti(L, -2, PERF_MAP);
	}
	compat_setuservalue(L, 3);
	if (map->fd < 0)
		return handle_closed(L, &map_class);
	if (open_reader(p, map->fd, &cpus, &config, &err) < 0 &&
		(!handle_reclaimed(L, -err.code) || map->fd < 0 ||
			open_reader(p, map->fd, &cpus, &config, &err) < 0))
		return open_failure(L, &err);
	p->handle.fd = p->reader.poller.fd;
	return 1;
}

/*
 * r:poll([timeout]) -> true | false | nil, message, errno
 * Waits until there is something to read, at most `timeout` seconds (fractions are fine; nil:
 * for ever). true at once when samples are unread, also fewer than a waiter is woken for; true
 * too after flush(). false when the time is over. Goes on after signals, unless one set a debug
 * hook, as Ctrl-C in the `lua` command does: then it returns false, so that the hook gets to run.
 */
static int perf_poll(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	double seconds = luaL_optnumber(L, 2, -1);
	lua_Hook hook = lua_gethook(L);
	struct error err;
	int64_t deadline;
	int ret;

	if (!p)
		return 3;
	luaL_argcheck(L, lua_isnoneornil(L, 2) || seconds >= 0, 2, "seconds expected");
	deadline = lua_isnoneornil(L, 2) ? POLLER_FOREVER : poller_deadline(seconds);
	do {
		ret = perf_reader_has_data(&p->reader, &err);
		if (ret < 0)
			return failure_push(L, &err);
		if (ret > 0)
			break;
		ret = poller_wait(&p->reader.poller, deadline);
		if (ret == -EINTR && lua_gethook(L) != hook)
			ret = POLLER_TIMEOUT;
	} while (ret == POLLER_READY || ret == -EINTR);
	if (ret < 0)
		return failure_errno(L, ret, "wait for perf samples");
	lua_pushboolean(L, ret != POLLER_TIMEOUT);
	return 1;
}

/*
 * r:dirty() -> boolean | nil, message, errno
 * Whether something can be read now (for luasocket's select, which asks before it waits).
 */
static int perf_dirty(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	struct error err;
	int ret;

	if (!p)
		return 3;
	ret = perf_reader_has_data(&p->reader, &err);
	if (ret < 0)
		return failure_push(L, &err);
	lua_pushboolean(L, ret);
	return 1;
}

/*
 * r:timeout() -> 0 | nil
 * 0 when something can be read now, so that nobody should wait first (for cqueues).
 */
static int perf_timeout(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	struct error err;

	if (!p)
		return 3;
	if (perf_reader_has_data(&p->reader, &err) != 0)
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
static int perf_fd(lua_State *L)
{
	struct perf *p = perf_self_open(L);

	if (!p)
		return 3;
	lua_pushinteger(L, p->handle.fd);
	return 1;
}

/* r:events() -> "r"; what to wait for on the fd (for cqueues). */
static int perf_events(lua_State *L)
{
	if (!perf_self_open(L))
		return 3;
	lua_pushliteral(L, "r");
	return 1;
}

/*
 * r:lost_samples() -> total, {[cpu] = count} | nil, message, errno
 * How many samples the kernel dropped because a buffer was full or paused. Since Linux 6.0 the
 * counts are those of the kernel, true at any time; before, they come from records between the
 * samples, and losses are known once a later sample of that CPU has been read.
 */
static int perf_lost_samples(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	uint64_t lost, total = 0;
	uint32_t i;

	if (!p)
		return 3;
	lua_createtable(L, (int)p->reader.count, 1);
	for (i = 0; i < p->reader.count; i++) {
		lost = perf_ring_lost(&p->rings[i]);
		total += lost;
		compat_push_u64(L, lost, INT64_NUMBER);
		lua_rawseti(L, -2, (int)p->rings[i].cpu);
	}
	compat_push_u64(L, total, INT64_NUMBER);
	lua_insert(L, -2);
	return 2;
}

/* r:buffer_size() -> integer; bytes of buffer each CPU has, after rounding. */
static int perf_buffer_size(lua_State *L)
{
	struct perf *p = perf_self_open(L);

	if (!p)
		return 3;
	lua_pushinteger(L, (lua_Integer)p->rings[0].size);
	return 1;
}

static int toggle(lua_State *L, int (*apply)(struct perf_reader *, struct error *))
{
	struct perf *p = perf_self_open(L);
	struct error err;

	if (!p)
		return 3;
	if (apply(&p->reader, &err) < 0)
		return failure_push(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * r:pause() -> true | nil, message, errno
 * Stops the kernel from writing samples; what it drops meanwhile is counted as lost. An
 * overwritable reader can be read while it is paused: what was written since the pause before, the
 * newest first.
 */
static int perf_pause(lua_State *L)
{
	return toggle(L, perf_reader_pause);
}

/* r:resume() -> true | nil, message, errno; undoes pause(). */
static int perf_resume(lua_State *L)
{
	return toggle(L, perf_reader_resume);
}

/*
 * r:flush() -> true | nil, message, errno
 * Wakes whoever waits for this reader, or is the next to wait, as if samples had come. For
 * reading what is there before wakeup_events or watermark are reached.
 */
static int perf_flush(lua_State *L)
{
	struct perf *p = perf_self_open(L);
	int ret;

	if (!p)
		return 3;
	ret = poller_flush(&p->reader.poller);
	if (ret < 0)
		return failure_errno(L, ret, "flush perf reader");
	lua_pushboolean(L, 1);
	return 1;
}

static int perf_tostring(lua_State *L)
{
	const struct perf *p = handle_check(L, 1, &perf_class);

	if (p->handle.fd < 0)
		lua_pushliteral(L, "perf reader (closed)");
	else
		lua_pushfstring(L, "perf reader #%d", p->handle.fd);
	return 1;
}

static const luaL_Reg methods[] = {
	{"read", perf_read},
	{"read_batch", perf_read_batch},
	{"available", perf_available},
	{"flush_and_close", perf_flush_and_close},
	{"poll", perf_poll},
	{"fd", perf_fd},
	{"pollfd", perf_fd},
	{"getfd", perf_fd},
	{"events", perf_events},
	{"timeout", perf_timeout},
	{"dirty", perf_dirty},
	{"lost_samples", perf_lost_samples},
	{"buffer_size", perf_buffer_size},
	{"pause", perf_pause},
	{"resume", perf_resume},
	{"flush", perf_flush},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", perf_tostring},
	{NULL, NULL},
};

const struct handle_class perf_class = {
	.name = "ebpf.perf_reader",
	.what = "perf reader",
	.methods = methods,
	.metamethods = metamethods,
	.close = perf_close,
};

void perf_register(lua_State *L)
{
	handle_register(L, &perf_class);
	lua_pushcfunction(L, new_perf_reader);
	lua_setfield(L, -2, "new_perf_reader");
}
