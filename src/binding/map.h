/* SPDX-License-Identifier: MIT */
/* A BPF map as userdata, and what the rooms around it (iteration, batches) share. */
#ifndef EBPF_MAP_H
#define EBPF_MAP_H

#include "codec.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

/* What the user value, a table, holds besides "name" and what pin.h keeps there. */
enum { MAP_KEY_CODEC = 1, MAP_VALUE_CODEC = 2 };

/* What the four bytes of a value mean, if not plain data. */
enum map_value_kind {
	MAP_VALUE_PLAIN,
	MAP_VALUE_MAP, /* written as an fd, read as an id */
	MAP_VALUE_PROGRAM,
};

struct map {
	struct handle handle;
	bool quick; /* keys and values are plain integers that need no more than a copy */
	uint64_t key_max; /* of quick ones */
	uint64_t value_max;
	uint32_t key_size;
	uint32_t value_size;
	uint8_t int64; /* enum int64_mode; down to here, lua/ebpf/luajit.lua reads it */
	uint8_t value_kind; /* enum map_value_kind */
	uint32_t type;
	uint32_t max_entries;
	uint32_t flags;
	uint32_t cpus; /* slots of a per-CPU value, one per possible CPU; 0: not per CPU */
	uint64_t value_span; /* bytes the kernel copies for one value */
	struct codec key;
	struct codec value;
};

_Static_assert(offsetof(struct map, quick) == 16 && offsetof(struct map, key_max) == 24 &&
		       offsetof(struct map, value_max) == 32 &&
		       offsetof(struct map, key_size) == 40 &&
		       offsetof(struct map, value_size) == 44 && offsetof(struct map, int64) == 48,
	"lua/ebpf/luajit.lua declares the same");

/* The open map of method argument 1, or NULL after nil, message, EBADF have been pushed. */
struct map *map_self_open(lua_State *L);

/* The name, for messages; leaves it on the stack. */
const char *map_push_name(lua_State *L, int map);

/* nil, `<what> map "<name>": <why>`, errno. `code` may be negative. */
int map_failure(lua_State *L, int map, int code, const char *what);

/* In what follows, `map` is the stack index of the userdata of `m`. */

/* Encodes argument `arg` as a key. Preparing may run Lua code, so it comes first for all
 * arguments of a call. A map without keys (a queue) takes nil and gives NULL. */
void map_prepare_key(lua_State *L, const struct map *m, int map, int arg);
const void *map_encode_key(lua_State *L, const struct map *m, int arg, struct scratch *scratch);

/* The same for a value, of `value_span` bytes. */
void map_prepare_value(lua_State *L, const struct map *m, int map, int arg);
void *map_encode_value(lua_State *L, const struct map *m, int arg, struct scratch *scratch);

/* Decodes one key, one value. A value that is the id of a map or program is opened: returns 1
 * on success; 3 after nil, message, errno when that failed. */
void map_push_key(lua_State *L, const struct map *m, int map, const void *key);
int map_push_value(lua_State *L, const struct map *m, int map, const void *value);

/* Pushes the slots of a per-CPU integer value added up. */
int map_push_sum(lua_State *L, const struct map *m, const void *value);

/* The bytes the kernel copies for one value. */
uint64_t map_value_span(const struct map *m);

/* What the flags of a call may be besides nil and "lock". */
enum map_flags_allowed {
	MAP_FLAGS_LOCK,
	MAP_FLAGS_CPU, /* {cpu = n}, for per-CPU maps */
	MAP_FLAGS_CPUS, /* that, and "all_cpus" */
};

/* The flags at `arg`: 0, or some of BPF_F_LOCK, BPF_F_CPU with its CPU, BPF_F_ALL_CPUS. Raises on
 * anything else. */
uint64_t map_check_flags(
	lua_State *L, const struct map *m, int arg, enum map_flags_allowed allowed);

/* Whether with these flags a per-CPU map has one value instead of one for each CPU. */
bool map_is_single(uint64_t flags);

/* As the functions above without _single, for that one value. */
void map_prepare_single(lua_State *L, const struct map *m, int map, int arg);
void *map_encode_single(lua_State *L, const struct map *m, int arg, struct scratch *scratch);

/* Methods of the other rooms of the map. */
int map_iterate(lua_State *L);
int map_walk_batches(lua_State *L);
int map_get_batch(lua_State *L);
int map_put_batch(lua_State *L);
int map_delete_batch(lua_State *L);
int map_drain(lua_State *L);

/* m:info(), of map_info.c. */
int map_info(lua_State *L);

#pragma GCC visibility pop

#endif
