/* SPDX-License-Identifier: MIT */
/* A pool of strings, each kept once and known by a small number, counted from 0. */
#ifndef EBPF_POOL_H
#define EBPF_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* The longest name taken. The names of an object file may overlap in its string table, so
 * without a bound a small file could ask for a lot of memory. The kernel's own bound is 511. */
enum { POOL_NAME_MAX = 1023 };

struct pool {
	char *bytes; /* NUL-terminated strings, one after the other */
	uint32_t size, room;
	uint32_t *offsets; /* into the bytes, by number */
	uint32_t count, offset_room;
	uint32_t *slots; /* hash table of numbers + 1; 0: free */
	uint32_t slot_count; /* 0 or a power of two */
};

/* An all-zero pool is empty. Freeing leaves an empty pool again. */
void pool_free(struct pool *pool);

/* Finds the number of a string, adding the string when it is new. */
int pool_add(struct pool *pool, const char *name, uint32_t *number, struct error *err);

bool pool_find(const struct pool *pool, const char *name, uint32_t *number);

/* Valid until the next pool_add(). */
static inline const char *pool_get(const struct pool *pool, uint32_t number)
{
	return pool->bytes + pool->offsets[number];
}

/* Makes room in a growing array for `more` elements of `size` bytes behind the `count` it has.
 * Returns the array, moved or not, or NULL when memory runs out; the old one is then intact. */
void *pool_grow(void *array, uint32_t *room, uint32_t count, uint32_t more, uint32_t size);

#pragma GCC visibility pop

#endif
