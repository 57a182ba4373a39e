/* SPDX-License-Identifier: MIT */
/*
 * Global variables: each section .data*, .rodata* and .bss* becomes an array map whose only
 * value is the section.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "object_build.h"

static bool is_readonly(const char *section)
{
	return strncmp(section, ".rodata", strlen(".rodata")) == 0;
}

struct object_map *object_data_map(const struct object_build *b, uint32_t section)
{
	return &b->object->maps[b->parts[section].map];
}

int object_read_data(struct object_build *b, uint32_t index, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];
	struct object_map *map;

	if (section->size > INT32_MAX)
		return error_set(
			err, ENOEXEC, "%" PRIu64 " bytes are too large for a map", section->size);
	map = object_new_map(b, section->name, section->name, err);
	if (!map)
		return -1;
	b->parts[index].map = b->object->map_count - 1;
	map->type = BPF_MAP_TYPE_ARRAY;
	map->key_size = sizeof(uint32_t);
	map->value_size = (uint32_t)section->size;
	map->max_entries = 1;
	map->data_size = section->size;
	if (is_readonly(section->name)) {
		map->flags = BPF_F_RDONLY_PROG;
		map->freeze = true;
	}
	if (!section->data)
		return 0;
	map->data = malloc(section->size);
	if (!map->data)
		return error_errno(err, ENOMEM, "copy %" PRIu64 " bytes", section->size);
	memcpy(map->data, section->data, section->size);
	return 0;
}

/* The variables of this section are the first that is in the arena, of which there can be one. */
int object_read_arena(struct object_build *b, uint32_t index, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];
	struct object_map *arena = NULL;
	uint32_t i;

	for (i = 0; i < b->object->map_count; i++) {
		if (b->object->maps[i].type != BPF_MAP_TYPE_ARENA)
			continue;
		if (arena)
			return error_set(err, ENOEXEC, "there is more than one arena");
		arena = &b->object->maps[i];
		b->parts[index].map = i;
	}
	if (!arena)
		return error_set(err, ENOEXEC, "no map is an arena, where its variables belong");
	if (arena->data)
		return error_set(err, ENOEXEC, "a second section of its kind");
	if (section->size > INT32_MAX || object_charge(b, section->size, err) < 0)
		return error_set(err, ENOEXEC, "%" PRIu64 " bytes are too many", section->size);
	arena->data = calloc(1, section->size);
	if (!arena->data)
		return error_errno(err, ENOMEM, "copy %" PRIu64 " bytes", section->size);
	arena->data_size = section->size;
	if (section->data)
		memcpy(arena->data, section->data, section->size);
	return 0;
}

/* Gives the maps of data sections the types of their contents. */
void object_name_data_types(struct object_build *b)
{
	const struct btf *btf = b->object->btf;
	struct object_map *map;
	uint32_t id, number;
	const char *name;

	for (id = 1; btf && id < btf->type_count; id++) {
		if (btf_kind(btf_type(btf, id)) != BTF_KIND_DATASEC)
			continue;
		name = btf_string(btf, btf_type(btf, id)->name_off);
		if (strnlen(name, ELF_NAME_LIMIT + 1) > ELF_NAME_LIMIT ||
			!pool_find(&b->map_names, name, &number))
			continue;
		map = &b->object->maps[number];
		if (map->data_size)
			map->value_type_id = id;
	}
}

/* Compilers leave sections of constants that nothing refers to, which would only be in the way. */
void object_drop_unwanted_data(struct object_build *b)
{
	struct object *object = b->object;
	const struct elf_symbol *symbol;
	uint32_t i, kept = 0;

	for (i = 1; i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (symbol->type != STT_SECTION && object_symbol_role(b, symbol) == ROLE_DATA)
			b->parts[symbol->section].wanted = true;
	}
	for (i = 1; i < b->elf.section_count; i++) {
		if (b->parts[i].role == ROLE_DATA && !b->parts[i].wanted) {
			object_free_map(object_data_map(b, i));
			object_data_map(b, i)->name = NULL;
		}
	}
	for (i = 0; i < object->map_count; i++) {
		if (object->maps[i].name)
			object->maps[kept++] = object->maps[i];
	}
	object->map_count = kept;
}
