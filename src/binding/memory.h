/* SPDX-License-Identifier: MIT */
/*
 * The contents of an array map in the memory of this process. The mapping outlives the map's
 * handle, and a forked child has it too. No fd belongs to it, so it is no struct handle; it is
 * known by its first member in the same way.
 */
#ifndef EBPF_MEMORY_H
#define EBPF_MEMORY_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* What the user value, a table, holds. */
enum { MEMORY_VALUE_CODEC = 1, MEMORY_NAME = 2 };

struct memory {
	const char *class; /* memory_class */
	unsigned char *start; /* NULL: closed */
	uint64_t size; /* in whole pages */
	uint32_t count; /* elements, */
	uint32_t stride; /* and the bytes from one to the next */
	bool read_only;
	struct codec value;
};

extern const char memory_class[];

/* The userdata of that class at `index`, or NULL; what begins with a class is at least that large. */
static inline void *memory_test(lua_State *L, int index, const char *class, size_t size)
{
	const char *const *found = lua_touserdata(L, index);

	return found && lua_rawlen(L, index) >= size && *found == class ? (void *)(uintptr_t)found
									: NULL;
}

/* The userdata of that class at argument 1; raises an error when it is something else. */
void *memory_self(lua_State *L, const char *class, size_t size);

/*
 * Copies out of and into an open memory. Numbers of 1, 2, 4 and 8 bytes that are aligned go in one
 * piece, so that nobody sees half of one. What others allocate may close the memory, so look at
 * `start` last.
 */
void memory_load(const struct memory *memory, uint64_t offset, void *out, size_t size);
void memory_store(struct memory *memory, uint64_t offset, const void *bytes, size_t size);

void memory_unmap(struct memory *memory);

/* nil, "<what> is closed", EBADF */
int memory_closed(lua_State *L, const char *what);

/* Makes the metatable of a class. */
void memory_register_class(
	lua_State *L, const char *class, const luaL_Reg *metamethods, const luaL_Reg *methods);

/* m:memory(), a method of the map. */
int map_memory(lua_State *L);

#pragma GCC visibility pop

#endif
