/* SPDX-License-Identifier: MIT */
/*
 * Maps defined as structs in sections called "maps", as it was done before BTF:
 * {type, key_size, value_size, max_entries, flags}, for maps of maps followed by the number of
 * an earlier definition, the rest zero. All definitions of a section are equally long.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "object_build.h"

enum { WORD = 4, FIELDS_LEAST = 4, FIELDS_KNOWN = 5 };

/* The symbols of one section, ascending by value. */
struct symbols {
	const struct elf_symbol **list;
	uint32_t count;
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = (*(const struct elf_symbol *const *)a)->value;
	uint64_t y = (*(const struct elf_symbol *const *)b)->value;

	return (x > y) - (x < y);
}

static int collect_symbols(
	struct object_build *b, uint32_t section, struct symbols *symbols, struct error *err)
{
	const struct elf_symbol *symbol;
	uint32_t i;

	symbols->list = calloc(b->elf.symbol_count + 1U, sizeof(*symbols->list));
	if (!symbols->list)
		return error_errno(err, ENOMEM, "read %u symbols", b->elf.symbol_count);
	for (i = 1; i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (symbol->section != section)
			continue;
		if (symbol->type != STT_OBJECT && symbol->type != STT_NOTYPE)
			continue;
		if (symbol->bind == STB_LOCAL)
			return error_set(err, ENOEXEC,
				"map \"%.80s\" is static: drop the static, a program refers to a "
				"map by its symbol",
				symbol->name);
		symbols->list[symbols->count++] = symbol;
	}
	if (!symbols->count)
		return error_set(err, ENOEXEC,
			"no symbols for the maps: drop static, and do not strip symbols");
	qsort(symbols->list, symbols->count, sizeof(*symbols->list), by_value);
	return 0;
}

static bool is_map_of_maps(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

/* Copies the definition `number` of the section, whose first one is the map `first`, to be the
 * template of the maps in `map`. */
static int set_inner(
	struct object_build *b, uint32_t map, uint32_t first, uint32_t number, struct error *err)
{
	const struct object_map *from;
	struct object_map *inner;

	if (number >= map - first)
		return error_set(err, ENOEXEC,
			"inner map %u is not one of the %u definitions before", number,
			map - first);
	from = &b->object->maps[first + number];
	if (is_map_of_maps(from->type))
		return error_set(
			err, ENOEXEC, "inner map \"%.80s\" is a map of maps itself", from->name);
	inner = calloc(1, sizeof(*inner));
	if (!inner)
		return error_errno(err, ENOMEM, "keep the inner map");
	*inner = *from;
	inner->name = strdup(from->name);
	inner->section = strdup(from->section);
	b->object->maps[map].inner = inner;
	if (!inner->name || !inner->section)
		return error_errno(err, ENOMEM, "keep the inner map");
	return 0;
}

/* `index` is the map's among all of the object, `first` that of the section's first. */
static int read_definition(struct object_build *b, uint32_t index, uint32_t first,
	const unsigned char *at, uint64_t size, struct error *err)
{
	struct object_map *map = &b->object->maps[index];
	uint64_t used = FIELDS_LEAST * WORD;

	map->type = elf_word(&b->elf, at);
	map->key_size = elf_word(&b->elf, at + WORD);
	map->value_size = elf_word(&b->elf, at + 2 * WORD);
	map->max_entries = elf_word(&b->elf, at + 3 * WORD);
	if (size >= FIELDS_KNOWN * WORD) {
		map->flags = elf_word(&b->elf, at + 4 * WORD);
		used += WORD;
	}
	if (is_map_of_maps(map->type) && size >= used + WORD) {
		if (set_inner(b, index, first, elf_word(&b->elf, at + used), err) < 0)
			return -1;
		used += WORD;
	}
	for (; used < size; used++) {
		if (at[used])
			return error_set(err, ENOEXEC,
				"unknown field at byte %" PRIu64 " of the definition is not zero",
				used);
	}
	return 0;
}

static int read_definitions(
	struct object_build *b, uint32_t index, const struct symbols *symbols, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];
	uint64_t size = section->size / symbols->count;
	uint32_t first = b->object->map_count;
	const struct elf_symbol *symbol;
	uint32_t i;

	if (section->size % symbols->count || size < FIELDS_LEAST * WORD)
		return error_set(err, ENOEXEC,
			"%" PRIu64 " bytes are no %u map definitions of the same size",
			section->size, symbols->count);
	for (i = 0; i < symbols->count; i++) {
		symbol = symbols->list[i];
		if (symbol->value != i * size)
			return error_set(err, ENOEXEC,
				"map \"%.80s\" is not at byte %" PRIu64
				": the definitions differ in size",
				symbol->name, i * size);
	}
	for (i = 0; i < symbols->count; i++) {
		symbol = symbols->list[i];
		if (!object_new_map(b, symbol->name, section->name, err) ||
			object_add_place(b, index, symbol->value, err) < 0)
			return -1;
		if (read_definition(b, first + i, first, section->data + symbol->value, size, err) <
			0)
			return error_prefix(err, "map \"%.80s\"", symbol->name);
	}
	return 0;
}

int object_read_legacy_maps(struct object_build *b, uint32_t section, struct error *err)
{
	struct symbols symbols = {NULL, 0};
	int ret = collect_symbols(b, section, &symbols, err);

	if (ret == 0)
		ret = read_definitions(b, section, &symbols, err);
	free(symbols.list);
	return ret;
}
