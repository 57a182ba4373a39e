/* SPDX-License-Identifier: MIT */
/* The perf reader as userdata: see reader.h for what it shares with the ring reader. */
#include <errno.h>

#include "../engine/abi.h"
#include "../engine/layout_path.h"
#include "../engine/names.h"
#include "../engine/perf_reader.h"
#include "failure.h"
#include "map.h"
#include "options.h"
#include "reader.h"
#include "rooms.h"
#include "samples.h"

enum { DEFAULT_BUFFER = 64 * 1024, BUFFER_MAX = 1 << 30, WINDOW_MAX = 3600 };
#define DEFAULT_WINDOW 0.1

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

/* Reads the options that say in which order samples come; raises on nonsense. */
static void check_order(
	lua_State *L, int arg, const struct reader_object *r, struct reader_order *order)
{
	const char *path = options_string(L, arg, "order_by");
	lua_Number window = DEFAULT_WINDOW;
	struct layout_node node;
	struct error err;

	lua_getfield(L, arg, "window");
	luaL_argcheck(L, lua_isnil(L, -1) || path, arg, "field 'window': goes with 'order_by'");
	if (!lua_isnil(L, -1)) {
		window = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
		luaL_argcheck(L, window >= 0 && window <= WINDOW_MAX, arg,
			"field 'window': seconds expected, an hour at most");
	}
	*order = (struct reader_order){.window = (int64_t)(window * 1e9)};
	if (path) {
		luaL_argcheck(L, r->codec.kind == CODEC_LAYOUT, arg,
			"field 'order_by': samples have no struct type");
		if (layout_find(r->codec.layout, path, &node, &err) < 0)
			luaL_argerror(L, arg, lua_pushfstring(L, "field 'order_by': %s", err.text));
		luaL_argcheck(L, node.kind <= LAYOUT_INT && !node.bits, arg,
			"field 'order_by': an integer expected");
		order->offset = node.offset;
		order->size = node.size;
		order->is_signed = node.kind == LAYOUT_INT;
	}
	lua_pop(L, 2);
}

static int open_reader(struct reader_object *r, int map_fd, const struct cpu_set *cpus,
	const struct perf_ring_config *config, const struct reader_order *order, struct error *err)
{
	int ret = perf_reader_open(&r->reader, map_fd, cpus, config, r->rings, err);

	if (ret == 0 && order->size)
		ret = reader_set_order(&r->reader, order, err);
	if (ret < 0)
		reader_close(&r->reader);
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
 *   order_by        a time in the samples' type: merges the CPUs' samples by it. While one CPU has sent
 *                   nothing, those of the others are held back, as something older may yet come
 *   window          so many seconds at most; 0.1. What comes later than that comes out of order
 *   type, int64     what samples are decoded to; strings
 *   own             false: the map stays the caller's, and open when the reader closes; true
 * The buffers are mapped where they are read: after a fork either process may read on, not both.
 * Raises on a map of another type and on unknown or contradictory options. The usual errnos are
 * those of perf_event_open(2), mmap(2) and BPF_MAP_UPDATE_ELEM.
 */
static int new_perf_reader(lua_State *L)
{
	static const char *const names[] = {"per_cpu_buffer", "watermark", "wakeup_events",
		"overwritable", "order_by", "window", "type", "int64", "own", NULL};
	struct perf_ring_config config;
	struct reader_order order;
	struct reader_object *r;
	struct cpu_set cpus;
	struct error err;
	struct handle *map;

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
	lua_createtable(L, 1, 0);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, 1);
	r = reader_push(L, &perf_class, cpus.count);
	r->stop = perf_reader_pause;
	r->codec = samples_configure(L, 2, 3);
	check_order(L, 2, r, &order);
	luaL_argcheck(L, !order.size || !config.overwritable, 2,
		"give 'order_by' or 'overwritable', not both");
	if (map->fd < 0)
		return handle_closed(L, &map_class);
	if (open_reader(r, map->fd, &cpus, &config, &order, &err) < 0 &&
		(!handle_reclaimed(L, -err.code) || map->fd < 0 ||
			open_reader(r, map->fd, &cpus, &config, &order, &err) < 0))
		return open_failure(L, &err);
	r->handle.fd = r->reader.poller.fd;
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
	struct reader_object *r = reader_self(L);
	uint64_t lost, total = 0;
	uint32_t i;

	if (!r)
		return 3;
	lua_createtable(L, (int)r->reader.count, 1);
	for (i = 0; i < r->reader.count; i++) {
		lost = perf_ring_lost(&r->rings[i]);
		total += lost;
		compat_push_u64(L, lost, INT64_NUMBER);
		lua_rawseti(L, -2, (int)r->rings[i].source);
	}
	compat_push_u64(L, total, INT64_NUMBER);
	lua_insert(L, -2);
	return 2;
}

/* r:buffer_size() -> integer; bytes of buffer each CPU has, after rounding. */
static int perf_buffer_size(lua_State *L)
{
	struct reader_object *r = reader_self(L);

	if (!r)
		return 3;
	lua_pushinteger(L, (lua_Integer)r->rings[0].size);
	return 1;
}

static int toggle(lua_State *L, int (*apply)(struct reader *, struct error *))
{
	struct reader_object *r = reader_self(L);
	struct error err;

	if (!r)
		return 3;
	if (apply(&r->reader, &err) < 0)
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

static const luaL_Reg methods[] = {
	READER_METHODS,
	{"lost_samples", perf_lost_samples},
	{"buffer_size", perf_buffer_size},
	{"pause", perf_pause},
	{"resume", perf_resume},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", reader_tostring},
	{NULL, NULL},
};

const struct handle_class perf_class = {
	.name = "ebpf.perf_reader",
	.what = "perf reader",
	.methods = methods,
	.metamethods = metamethods,
	.close = reader_close_method,
};

void perf_register(lua_State *L)
{
	handle_register(L, &perf_class);
	lua_pushcfunction(L, new_perf_reader);
	lua_setfield(L, -2, "new_perf_reader");
}
