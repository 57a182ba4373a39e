/* SPDX-License-Identifier: MIT */
/* The maps found so far: by name, and by where their definitions lie. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_build.h"

const struct elf_section *object_symbol_section(
	const struct object_build *b, const struct elf_symbol *symbol)
{
	if (!symbol->section || symbol->section >= b->elf.section_count)
		return NULL;
	return &b->elf.sections[symbol->section];
}

enum object_role object_symbol_role(const struct object_build *b, const struct elf_symbol *symbol)
{
	if (!object_symbol_section(b, symbol))
		return ROLE_OTHER;
	return b->parts[symbol->section].role;
}

struct object_map *object_new_map(
	struct object_build *b, const char *name, const char *section, struct error *err)
{
	struct object *object = b->object;
	struct object_map *grown;
	uint32_t number;

	if (pool_add(&b->map_names, name, &number, err) < 0)
		return NULL;
	if (number < object->map_count) {
		error_set(err, ENOEXEC, "duplicate map \"%.80s\"", name);
		return NULL;
	}
	grown = pool_grow(object->maps, &b->map_room, object->map_count, 1, sizeof(*grown));
	if (!grown) {
		error_errno(err, ENOMEM, "keep the map \"%.80s\"", name);
		return NULL;
	}
	object->maps = grown;
	grown += object->map_count++;
	*grown = (struct object_map){.name = strdup(name), .section = strdup(section)};
	if (!grown->name || !grown->section) {
		error_errno(err, ENOMEM, "keep the map \"%.80s\"", name);
		return NULL;
	}
	return grown;
}

int object_add_place(struct object_build *b, uint32_t section, uint64_t offset, struct error *err)
{
	struct object_place *grown =
		pool_grow(b->places, &b->place_room, b->place_count, 1, sizeof(*grown));

	if (!grown)
		return error_errno(err, ENOMEM, "keep the place of a map");
	b->places = grown;
	grown[b->place_count++] = (struct object_place){
		.section = section,
		.map = b->object->map_count - 1,
		.offset = offset,
	};
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct object_place *x = a;
	const struct object_place *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

void object_sort_places(struct object_build *b)
{
	if (b->place_count)
		qsort(b->places, b->place_count, sizeof(*b->places), compare_places);
}

struct object_map *object_find_map(const struct object_build *b, uint32_t section, uint64_t offset)
{
	struct object_place wanted = {.section = section, .offset = offset};
	const struct object_place *found = NULL;

	if (b->place_count)
		found = bsearch(&wanted, b->places, b->place_count, sizeof(wanted), compare_places);
	return found ? &b->object->maps[found->map] : NULL;
}

const struct object_place *object_find_place(
	const struct object_build *b, uint32_t section, uint64_t offset)
{
	uint32_t low = 0, high = b->place_count, middle;
	const struct object_place *at;

	while (low < high) {
		middle = low + (high - low) / 2;
		at = &b->places[middle];
		if (at->section < section || (at->section == section && at->offset <= offset))
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || b->places[low - 1].section != section)
		return NULL;
	return &b->places[low - 1];
}
