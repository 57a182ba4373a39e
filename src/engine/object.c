/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_build.h"

/* How many bytes all functions and programs may take together, besides eight for each byte of
 * input: functions and the names in them are copied into every program that calls them, so that
 * a small file could otherwise ask for any amount of memory. */
enum { MEMORY_BASE = 1 << 25, MEMORY_FACTOR = 8 };

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* ".data" itself or ".data.anything". */
static bool is_family(const char *name, const char *family)
{
	size_t n = strlen(family);

	return strncmp(name, family, n) == 0 && (!name[n] || name[n] == '.');
}

static enum object_role role_of(const struct elf_section *section)
{
	const char *name = section->name;

	if (section->type != SHT_PROGBITS && section->type != SHT_NOBITS)
		return ROLE_OTHER;
	if (!section->size)
		return ROLE_OTHER;
	if (section->flags & SHF_EXECINSTR)
		return section->type == SHT_PROGBITS ? ROLE_CODE : ROLE_OTHER;
	if (is_family(name, ".data") || is_family(name, ".rodata") || is_family(name, ".bss"))
		return ROLE_DATA;
	if (strcmp(name, ".maps") == 0)
		return ROLE_BTF_MAPS;
	if (strcmp(name, OBJECT_ARENA_SECTION) == 0)
		return ROLE_ARENA;
	if (object_is_struct_ops(name))
		return ROLE_STRUCT_OPS;
	if (section->type == SHT_NOBITS)
		return ROLE_OTHER;
	if (strcmp(name, ".BTF") == 0)
		return ROLE_BTF;
	if (strcmp(name, ".BTF.ext") == 0)
		return ROLE_BTF_EXT;
	if (has_prefix(name, "license"))
		return ROLE_LICENSE;
	if (has_prefix(name, "version"))
		return ROLE_VERSION;
	if (has_prefix(name, "maps"))
		return ROLE_LEGACY_MAPS;
	return ROLE_OTHER;
}

static int in_section(const struct object_build *b, uint32_t section, struct error *err)
{
	return error_prefix(err, "section \"%.80s\"", b->elf.sections[section].name);
}

/* Gives each section its role and its relocations. */
static int sort_sections(struct object_build *b, struct error *err)
{
	const struct elf_section *section;
	struct object_part *target;
	uint32_t i;

	b->parts = calloc(b->elf.section_count, sizeof(*b->parts));
	if (!b->parts)
		return error_errno(err, ENOMEM, "sort %u sections", b->elf.section_count);
	for (i = 1; i < b->elf.section_count; i++) {
		section = &b->elf.sections[i];
		b->parts[i].role = (uint8_t)role_of(section);
		if (b->parts[i].role != ROLE_OTHER && section->flags & SHF_COMPRESSED) {
			error_set(err, ENOEXEC, "compressed sections are not supported");
			return in_section(b, i, err);
		}
	}
	for (i = 1; i < b->elf.section_count; i++) {
		section = &b->elf.sections[i];
		if (section->type != SHT_REL && section->type != SHT_RELA)
			continue;
		if (!section->info || section->info >= b->elf.section_count) {
			error_set(err, ENOEXEC, "relocates section %u of %u", section->info,
				b->elf.section_count);
			return in_section(b, i, err);
		}
		target = &b->parts[section->info];
		if (target->relocs && target->role != ROLE_OTHER) {
			error_set(err, ENOEXEC, "a second section of relocations for \"%.80s\"",
				b->elf.sections[section->info].name);
			return in_section(b, i, err);
		}
		target->relocs = i;
	}
	return 0;
}

static int read_license(struct object_build *b, uint32_t index, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];

	if (b->object->license)
		return error_set(err, ENOEXEC, "a second license");
	b->object->license = strndup((const char *)section->data, section->size);
	if (!b->object->license)
		return error_errno(err, ENOMEM, "copy the license");
	return 0;
}

static int read_version(struct object_build *b, uint32_t index, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];

	if (section->size != sizeof(uint32_t))
		return error_set(err, ENOEXEC, "the kernel version has %llu bytes, not 4",
			(unsigned long long)section->size);
	b->object->kernel_version = elf_word(&b->elf, section->data);
	return 0;
}

static int read_btf(struct object_build *b, uint32_t index, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];

	if (b->object->btf)
		return error_set(err, ENOEXEC, "a second section of BTF");
	return btf_parse(&b->object->btf, NULL, section->data, section->size, err);
}

/* It says nothing without BTF, which has the names in it. */
static int read_btf_ext(struct object_build *b, uint32_t index, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[index];

	if (!b->object->btf)
		return 0;
	if (b->ext.parts[BTF_EXT_FUNC].record_size)
		return error_set(err, ENOEXEC, "a second section of its kind");
	return btf_ext_parse(&b->ext, b->object->btf, section->data, section->size, err);
}

typedef int (*section_reader)(struct object_build *b, uint32_t section, struct error *err);

static int for_each(
	struct object_build *b, enum object_role role, section_reader read, struct error *err)
{
	uint32_t i;

	for (i = 1; i < b->elf.section_count; i++) {
		if (b->parts[i].role == role && read(b, i, err) < 0)
			return in_section(b, i, err);
	}
	return 0;
}

static int build(struct object_build *b, struct error *err)
{
	if (sort_sections(b, err) < 0 || for_each(b, ROLE_LICENSE, read_license, err) < 0 ||
		for_each(b, ROLE_VERSION, read_version, err) < 0 ||
		for_each(b, ROLE_BTF, read_btf, err) < 0 ||
		for_each(b, ROLE_BTF_EXT, read_btf_ext, err) < 0 ||
		for_each(b, ROLE_LEGACY_MAPS, object_read_legacy_maps, err) < 0 ||
		for_each(b, ROLE_BTF_MAPS, object_read_btf_maps, err) < 0 ||
		for_each(b, ROLE_ARENA, object_read_arena, err) < 0 ||
		for_each(b, ROLE_STRUCT_OPS, object_read_struct_ops, err) < 0 ||
		for_each(b, ROLE_DATA, object_read_data, err) < 0 ||
		object_read_externs(b, err) < 0)
		return -1;
	object_name_data_types(b);
	object_sort_places(b);
	if (object_place_variables(b, err) < 0 || object_list_variables(b, err) < 0 ||
		object_list_options(b, err) < 0 || object_split_functions(b, err) < 0 ||
		object_read_exceptions(b, err) < 0 ||
		for_each(b, ROLE_CODE, object_relocate, err) < 0 ||
		for_each(b, ROLE_BTF_MAPS, object_fill_slots, err) < 0 ||
		for_each(b, ROLE_STRUCT_OPS, object_fill_struct_ops, err) < 0 ||
		object_link_programs(b, err) < 0)
		return -1;
	object_drop_unwanted_data(b);
	return 0;
}

int object_parse(struct object *object, const void *data, size_t size, struct error *err)
{
	struct object_build b = {
		.object = object,
		.memory_left = MEMORY_BASE + (uint64_t)size * MEMORY_FACTOR,
	};
	uint32_t i;
	int ret = elf_open(&b.elf, data, size, err);

	if (ret == 0) {
		object->foreign = b.elf.foreign;
		object->big_endian = b.elf.big_endian;
		ret = build(&b, err);
	}
	for (i = 0; i < b.function_count; i++)
		insns_free(&b.functions[i].insns);
	free(b.functions);
	free(b.function_by_name);
	free(b.places);
	free(b.parts);
	btf_ext_free(&b.ext);
	pool_free(&b.function_names);
	pool_free(&b.extern_names);
	free(b.externs);
	pool_free(&b.map_names);
	elf_close(&b.elf);
	return ret;
}

void object_free_map(struct object_map *map)
{
	uint32_t i;

	if (map->inner)
		object_free_map(map->inner);
	free(map->inner);
	for (i = 0; i < map->slot_count; i++)
		free(map->slots[i].name);
	free(map->slots);
	free(map->name);
	free(map->section);
	free(map->data);
}

void object_free(struct object *object)
{
	uint32_t i;

	for (i = 0; i < object->map_count; i++)
		object_free_map(&object->maps[i]);
	for (i = 0; i < object->program_count; i++) {
		free(object->programs[i].name);
		free(object->programs[i].section);
		insns_free(&object->programs[i].insns);
	}
	for (i = 0; i < object->variable_count; i++)
		free(object->variables[i].name);
	free(object->maps);
	free(object->programs);
	for (i = 0; i < object->function_count; i++) {
		free(object->functions[i].name);
		insns_free(&object->functions[i].insns);
	}
	free(object->functions);
	free(object->variables);
	free(object->license);
	btf_release(object->btf);
	memset(object, 0, sizeof(*object));
}
