/* SPDX-License-Identifier: MIT */
/*
 * Initial elements of maps that are maps or programs: relocations of ".maps" that fall into a map's
 * `values`, for maps of maps and program arrays, and those of structs of functions.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "object_build.h"

enum { POINTER_SIZE = 8 };

/* What the element is: the name of a map for maps of maps, of a program for program arrays. */
static const char *target_name(
	const struct object_build *b, const struct object_map *map, const struct elf_symbol *symbol)
{
	const struct object_function *function;
	const struct object_map *target;

	if (map->inner) {
		target = object_find_map(b, symbol->section, symbol->value);
		return target && symbol->type != STT_SECTION ? target->name : NULL;
	}
	function = object_find_function(b, symbol->section, symbol->value);
	return function && function->is_program ? object_function_name(b, function) : NULL;
}

/* Elements are pointers to what they are. */
static int read_element(const struct object_build *b, uint32_t section,
	const struct elf_reloc *reloc, struct object_element *element, struct error *err)
{
	const struct object_place *place = object_find_place(b, section, reloc->offset);
	struct object_map *map = place ? &b->object->maps[place->map] : NULL;
	uint64_t offset = place ? reloc->offset - place->offset : 0, key;
	const char *name;

	if (!map || !place->has_values || offset < place->values_offset ||
		(offset - place->values_offset) % POINTER_SIZE)
		return error_set(err, ENOEXEC,
			"\"%.80s\" is stored at byte %" PRIu64 ", where no values are",
			reloc->symbol->name, reloc->offset);
	key = (offset - place->values_offset) / POINTER_SIZE;
	name = target_name(b, map, reloc->symbol);
	if (!name || key > UINT32_MAX)
		return error_set(err, ENOEXEC,
			"map \"%.80s\": element %" PRIu64 " (\"%.80s\") is no %s", map->name, key,
			reloc->symbol->name, map->inner ? "map" : "program");
	*element = (struct object_element){.map = map, .key = (uint32_t)key, .name = name};
	return 0;
}

/* Relocations are ascending, so the slots of one map come one after the other: *room is for those
 * of the present one. */
static int add_slot(const struct object_element *element, uint32_t *room, struct error *err)
{
	struct object_map *map = element->map;
	struct object_slot *grown;

	if (!map->slot_count)
		*room = 0;
	grown = pool_grow(map->slots, room, map->slot_count, 1, sizeof(*grown));
	if (grown) {
		map->slots = grown;
		grown[map->slot_count].key = element->key;
		grown[map->slot_count].name = strdup(element->name);
	}
	if (!grown || !grown[map->slot_count].name)
		return error_errno(err, ENOMEM, "keep element %" PRIu32 " of map \"%.80s\"",
			element->key, map->name);
	map->slot_count++;
	return 0;
}

/* What the relocations of the section say is put into maps. */
static int fill(
	struct object_build *b, uint32_t section, object_element_reader *read, struct error *err)
{
	struct object_element element;
	struct elf_reloc *relocs;
	uint32_t count, i, room = 0;
	int ret = 0;

	if (!b->parts[section].relocs)
		return 0;
	if (elf_read_relocs(
		    &b->elf, &b->elf.sections[b->parts[section].relocs], &relocs, &count, err) < 0)
		return -1;
	for (i = 0; ret == 0 && i < count; i++) {
		ret = read(b, section, &relocs[i], &element, err);
		if (ret == 0)
			ret = add_slot(&element, &room, err);
	}
	free(relocs);
	return ret;
}

int object_fill_slots(struct object_build *b, uint32_t section, struct error *err)
{
	return fill(b, section, read_element, err);
}

int object_fill_struct_ops(struct object_build *b, uint32_t section, struct error *err)
{
	return fill(b, section, object_read_member, err);
}
