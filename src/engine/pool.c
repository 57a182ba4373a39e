/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 16, FIRST_ROOM = 8 };

void *pool_grow(void *array, uint32_t *room, uint32_t count, uint32_t more, uint32_t size)
{
	uint64_t need = (uint64_t)count + more;
	uint64_t grown = *room ? *room : FIRST_ROOM;

	if (array && need <= *room)
		return array;
	while (grown < need)
		grown *= 2;
	if (grown > UINT32_MAX || grown * size > SIZE_MAX / 2)
		return NULL;
	array = realloc(array, (size_t)grown * size);
	if (array)
		*room = (uint32_t)grown;
	return array;
}

void pool_free(struct pool *pool)
{
	free(pool->bytes);
	free(pool->offsets);
	free(pool->slots);
	memset(pool, 0, sizeof(*pool));
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	while (*s)
		h = (h ^ (unsigned char)*s++) * 16777619U;
	return h;
}

/* The slot that holds `name`, or the free one where it belongs. */
static uint32_t find_slot(const struct pool *pool, const char *name)
{
	uint32_t mask = pool->slot_count - 1;
	uint32_t i = hash(name) & mask;

	while (pool->slots[i] && strcmp(pool_get(pool, pool->slots[i] - 1), name) != 0)
		i = (i + 1) & mask;
	return i;
}

bool pool_find(const struct pool *pool, const char *name, uint32_t *number)
{
	uint32_t slot;

	if (!pool->count)
		return false;
	slot = pool->slots[find_slot(pool, name)];
	*number = slot - 1;
	return slot != 0;
}

/* Keeps the hash table at most half full. */
static int grow_slots(struct pool *pool)
{
	uint32_t count = pool->slot_count ? pool->slot_count * 2 : FIRST_SLOTS;
	uint32_t *slots;
	uint32_t i;

	if ((uint64_t)pool->count * 2 < pool->slot_count)
		return 0;
	if (count < pool->slot_count)
		return -1;
	slots = calloc(count, sizeof(*slots));
	if (!slots)
		return -1;
	free(pool->slots);
	pool->slots = slots;
	pool->slot_count = count;
	for (i = 0; i < pool->count; i++)
		slots[find_slot(pool, pool_get(pool, i))] = i + 1;
	return 0;
}

static int make_room(struct pool *pool, uint32_t size)
{
	void *grown;

	grown = pool_grow(pool->bytes, &pool->room, pool->size, size, 1);
	if (!grown)
		return -1;
	pool->bytes = grown;
	grown = pool_grow(
		pool->offsets, &pool->offset_room, pool->count, 1, sizeof(*pool->offsets));
	if (!grown)
		return -1;
	pool->offsets = grown;
	return grow_slots(pool);
}

int pool_add(struct pool *pool, const char *name, uint32_t *number, struct error *err)
{
	size_t length = strlen(name);

	if (length > POOL_NAME_MAX)
		return error_set(err, ENAMETOOLONG, "the name \"%.40s...\" is too long", name);
	if (pool_find(pool, name, number))
		return 0;
	if (make_room(pool, (uint32_t)length + 1) < 0)
		return error_errno(err, ENOMEM, "keep the name \"%.40s\"", name);
	memcpy(pool->bytes + pool->size, name, length + 1);
	pool->offsets[pool->count] = pool->size;
	pool->size += (uint32_t)length + 1;
	pool->slots[find_slot(pool, name)] = pool->count + 1;
	*number = pool->count++;
	return 0;
}
