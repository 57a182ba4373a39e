/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../engine/sys.h"
#include "failure.h"
#include "map.h"
#include "rooms.h"

const char memory_class[] = "ebpf.memory";

void *memory_self(lua_State *L, const char *class, size_t size)
{
	void *self = memory_test(L, 1, class, size);

	if (!self)
		luaL_argerror(L, 1,
			lua_pushfstring(L, "%s expected, got %s", class, luaL_typename(L, 1)));
	return self;
}

static struct memory *check_memory(lua_State *L)
{
	return memory_self(L, memory_class, sizeof(struct memory));
}

int memory_closed(lua_State *L, const char *what)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s is closed", what);
	lua_pushinteger(L, EBADF);
	return 3;
}

static bool is_aligned(uint64_t offset, size_t size)
{
	return offset % size == 0;
}

void memory_load(const struct memory *memory, uint64_t offset, void *out, size_t size)
{
	const unsigned char *at = memory->start + offset;
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	if (size == sizeof(u64) && is_aligned(offset, size)) {
		u64 = __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
		memcpy(out, &u64, sizeof(u64));
	} else if (size == sizeof(u32) && is_aligned(offset, size)) {
		u32 = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED);
		memcpy(out, &u32, sizeof(u32));
	} else if (size == sizeof(u16) && is_aligned(offset, size)) {
		u16 = __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED);
		memcpy(out, &u16, sizeof(u16));
	} else {
		memcpy(out, at, size);
	}
}

void memory_store(struct memory *memory, uint64_t offset, const void *bytes, size_t size)
{
	unsigned char *at = memory->start + offset;
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	if (size == sizeof(u64) && is_aligned(offset, size)) {
		memcpy(&u64, bytes, sizeof(u64));
		__atomic_store_n((uint64_t *)(void *)at, u64, __ATOMIC_RELAXED);
	} else if (size == sizeof(u32) && is_aligned(offset, size)) {
		memcpy(&u32, bytes, sizeof(u32));
		__atomic_store_n((uint32_t *)(void *)at, u32, __ATOMIC_RELAXED);
	} else if (size == sizeof(u16) && is_aligned(offset, size)) {
		memcpy(&u16, bytes, sizeof(u16));
		__atomic_store_n((uint16_t *)(void *)at, u16, __ATOMIC_RELAXED);
	} else {
		memcpy(at, bytes, size);
	}
}

void memory_unmap(struct memory *memory)
{
	unsigned char *start = memory->start;

	memory->start = NULL;
	if (start)
		sys_unmap(start, memory->size);
}

/* Maps the array `m`, writable where the kernel lets it be: not when the map is frozen (EPERM), nor
 * when programs may only read it (EACCES). */
static int map_array(const struct map *m, struct memory *memory)
{
	uint64_t page = sys_page_size(), stride = ((uint64_t)m->value_size + 7) / 8 * 8, size;
	void *start;
	int ret;

	/* As bpf_map_area_alloc() rounds it. */
	if (__builtin_mul_overflow(stride, (uint64_t)m->max_entries, &size) ||
		size > UINT32_MAX * page)
		return -E2BIG;
	size = (size + page - 1) / page * page;
	ret = sys_map_shared(m->handle.fd, size, true, &start);
	memory->read_only = ret == -EPERM || ret == -EACCES;
	if (memory->read_only)
		ret = sys_map_shared(m->handle.fd, size, false, &start);
	if (ret < 0)
		return ret;
	memory->start = start;
	memory->size = size;
	memory->count = m->max_entries;
	memory->stride = (uint32_t)stride;
	return 0;
}

/* Maps an arena at the address that it was made with, or where there is room. Its pages come to be
 * when they are touched. */
static int map_arena(const struct map *m, struct memory *memory)
{
	struct abi_map_info info = {0};
	uint64_t page = sys_page_size();
	void *start;
	int ret = sys_obj_info(m->handle.fd, &info, sizeof(info));

	if (ret < 0)
		return ret;
	ret = sys_map_at(m->handle.fd, m->max_entries * page, info.map_extra, &start);
	if (ret < 0)
		return ret;
	memory->start = start;
	memory->size = m->max_entries * page;
	memory->count = m->max_entries;
	memory->stride = (uint32_t)page;
	memory->value = codec_default((uint32_t)page);
	memory->value.slot = MEMORY_VALUE_CODEC;
	return 0;
}

/* Pushes a closed memory with the type of the values of the map at 1. */
static struct memory *new_closed(lua_State *L, const struct map *m)
{
	struct memory *memory = compat_newuserdata(L, sizeof(*memory));
	int table;

	memset(memory, 0, sizeof(*memory));
	memory->class = memory_class;
	luaL_getmetatable(L, memory_class);
	lua_setmetatable(L, -2);
	lua_createtable(L, 2, 0);
	table = lua_gettop(L);
	compat_getuservalue(L, 1);
	lua_rawgeti(L, -1, MAP_VALUE_CODEC);
	lua_rawseti(L, table, MEMORY_VALUE_CODEC);
	lua_getfield(L, -1, "name");
	lua_rawseti(L, table, MEMORY_NAME);
	lua_settop(L, table);
	compat_setuservalue(L, -2);
	memory->value = m->value;
	memory->value.slot = MEMORY_VALUE_CODEC;
	return memory;
}

/*
 * m:memory() -> Memory | nil, message, errno
 * The contents of an array made with BPF_F_MMAPABLE (Linux 5.5), in the memory of this process: to be
 * read and written without a system call, by the type of the map's values. It is read-only when
 * the map is frozen or made with BPF_F_RDONLY_PROG; while one lives that is not, the map cannot be
 * frozen. It stays when the map's handle is closed. EOPNOTSUPP: made without the flag; EINVAL, EACCES:
 * opened read-only or write-only.
 *
 * Of an arena (Linux 6.9) it is the pages, as strings; `bytes` and `write` take any place. It lies at the
 * same address in all processes: EEXIST when something else is there, EINVAL, EBUSY when it was made
 * without an address and lies elsewhere already. EOPNOTSUPP: made with BPF_F_SEGV_ON_FAULT, so that looking at
 * a page which is not there would end the process. Raises for other maps.
 */
int map_memory(lua_State *L)
{
	struct map *m = map_self_open(L);
	struct memory *memory;
	int ret;

	if (!m)
		return 3;
	luaL_argcheck(L, m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_ARENA, 1,
		"map of type 'array' or 'arena' expected");
	lua_settop(L, 1);
	if (!(m->flags & BPF_F_MMAPABLE) || m->flags & BPF_F_SEGV_ON_FAULT)
		return map_failure(L, 1, EOPNOTSUPP, "map the memory of");
	memory = new_closed(L, m);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	ret = m->type == BPF_MAP_TYPE_ARENA ? map_arena(m, memory) : map_array(m, memory);
	if (ret < 0)
		return map_failure(L, 1, ret, "map the memory of");
	return 1;
}

static const char *push_name(lua_State *L)
{
	const char *name;

	compat_getuservalue(L, 1);
	lua_rawgeti(L, -1, MEMORY_NAME);
	name = lua_tostring(L, -1);
	return name ? name : "";
}

/*
 * memory:get(index) -> value | nil | nil, message, errno
 * The element at an index from 0 on; nil alone behind the last. Of 1, 2, 4 and 8 bytes in one
 * piece; larger ones may be seen half written.
 */
static int memory_get(lua_State *L)
{
	const struct memory *memory = check_memory(L);
	uint64_t index = compat_check_unsigned(L, 2, UINT32_MAX);
	struct scratch scratch;
	void *value;

	lua_settop(L, 2);
	value = scratch_get(L, &scratch, memory->value.size);
	if (!memory->start)
		return memory_closed(L, "memory");
	if (index >= memory->count) {
		lua_pushnil(L);
		return 1;
	}
	memory_load(memory, index * memory->stride, value, memory->value.size);
	codec_push(L, &memory->value, 1, value, memory->value.size);
	return 1;
}

static int put_failure(lua_State *L, int code, const char *why)
{
	struct error err;

	error_errno(&err, code, "put into the memory of map \"%s\"", push_name(L));
	error_append(&err, ": %s", why);
	return failure_push(L, &err);
}

/*
 * memory:put(index, value) -> true | nil, message, errno
 * Sets the element at an index from 0 on. E2BIG: the index is behind the last; EPERM: read-only.
 */
static int memory_put(lua_State *L)
{
	struct memory *memory = check_memory(L);
	uint64_t index = compat_check_unsigned(L, 2, UINT32_MAX);
	struct scratch scratch;
	void *value;

	lua_settop(L, 3);
	if (!memory->start)
		return memory_closed(L, "memory");
	codec_prepare(L, 3, &memory->value, 1, "value");
	value = scratch_get(L, &scratch, memory->value.size);
	codec_encode(L, 3, &memory->value, value, "value");
	if (!memory->start)
		return memory_closed(L, "memory");
	if (memory->read_only)
		return put_failure(
			L, EPERM, "it is read-only, as the map is frozen or has BPF_F_RDONLY_PROG");
	if (index >= memory->count)
		return put_failure(L, E2BIG, "the index is behind the last element");
	memory_store(memory, index * memory->stride, value, memory->value.size);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * memory:bytes([offset [, size]]) -> string | nil, message, errno
 * The bytes behind an offset (0), as many as are said or as there are. Elements begin at multiples
 * of 8 bytes. Raises when they are not all within the memory.
 */
static int memory_bytes(lua_State *L)
{
	const struct memory *memory = check_memory(L);
	uint64_t offset = 0, size;
	struct scratch scratch;
	void *bytes;

	lua_settop(L, 3);
	if (!lua_isnil(L, 2))
		offset = compat_check_unsigned(L, 2, memory->size);
	size = memory->size - offset;
	if (!lua_isnil(L, 3))
		size = compat_check_unsigned(L, 3, size);
	/* Making the string may collect what closes the memory, so a copy is made before. */
	bytes = scratch_get(L, &scratch, size);
	if (!memory->start)
		return memory_closed(L, "memory");
	memcpy(bytes, memory->start + offset, size);
	lua_pushlstring(L, bytes, size);
	return 1;
}

/*
 * memory:write(offset, bytes) -> true | nil, message, errno
 * Puts a string behind an offset; of 1, 2, 4 and 8 bytes that are aligned in one piece. Raises when it is
 * not all within the memory. EPERM: read-only.
 */
static int memory_write(lua_State *L)
{
	struct memory *memory = check_memory(L);
	uint64_t offset = compat_check_unsigned(L, 2, memory->size);
	size_t size;
	const char *bytes = luaL_checklstring(L, 3, &size);

	if (!memory->start)
		return memory_closed(L, "memory");
	luaL_argcheck(L, size <= memory->size - offset, 3, "it ends behind the memory");
	if (memory->read_only)
		return put_failure(
			L, EPERM, "it is read-only, as the map is frozen or has BPF_F_RDONLY_PROG");
	memory_store(memory, offset, bytes, size);
	lua_pushboolean(L, 1);
	return 1;
}

/* memory:address() -> integer | nil, message, errno: where it lies in this process, as in all that map
 * an arena: what the pointers in one count from. A number or, on LuaJIT, cdata. */
static int memory_address(lua_State *L)
{
	const struct memory *memory = check_memory(L);

	if (!memory->start)
		return memory_closed(L, "memory");
	compat_push_u64(L, (uintptr_t)memory->start, INT64_EXACT);
	return 1;
}

/* memory:size() -> bytes, in whole pages | nil, message, errno */
static int memory_size(lua_State *L)
{
	const struct memory *memory = check_memory(L);

	if (!memory->start)
		return memory_closed(L, "memory");
	lua_pushinteger(L, (lua_Integer)memory->size);
	return 1;
}

/* memory:is_read_only() -> boolean | nil, message, errno */
static int memory_is_read_only(lua_State *L)
{
	const struct memory *memory = check_memory(L);

	if (!memory->start)
		return memory_closed(L, "memory");
	lua_pushboolean(L, memory->read_only);
	return 1;
}

/* memory:close() -> true: unmaps it from this process. Closing again is fine. */
static int memory_close(lua_State *L)
{
	memory_unmap(check_memory(L));
	lua_pushboolean(L, 1);
	return 1;
}

/* memory:is_closed() -> boolean */
static int memory_is_closed(lua_State *L)
{
	lua_pushboolean(L, !check_memory(L)->start);
	return 1;
}

/* tostring(memory) -> memory of "counters" (4096 bytes, read-only) */
static int memory_tostring(lua_State *L)
{
	const struct memory *memory = check_memory(L);
	const char *name = push_name(L);
	char text[64];

	snprintf(text, sizeof(text), "%" PRIu64 " bytes%s", memory->size,
		memory->read_only ? ", read-only" : "");
	lua_pushfstring(L, "memory of \"%s\" (%s)", name, memory->start ? text : "closed");
	return 1;
}

void memory_register_class(
	lua_State *L, const char *class, const luaL_Reg *metamethods, const luaL_Reg *methods)
{
	if (luaL_newmetatable(L, class)) {
		luaL_setfuncs(L, metamethods, 0);
		lua_pushstring(L, class);
		lua_setfield(L, -2, "__name");
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
}

void memory_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {
		{"__gc", memory_close},
		{"__close", memory_close},
		{"__tostring", memory_tostring},
		{NULL, NULL},
	};
	static const luaL_Reg methods[] = {
		{"get", memory_get},
		{"put", memory_put},
		{"bytes", memory_bytes},
		{"write", memory_write},
		{"address", memory_address},
		{"size", memory_size},
		{"is_read_only", memory_is_read_only},
		{"close", memory_close},
		{"is_closed", memory_is_closed},
		{NULL, NULL},
	};

	memory_register_class(L, memory_class, metamethods, methods);
}
