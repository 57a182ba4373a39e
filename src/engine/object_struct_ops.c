/* SPDX-License-Identifier: MIT */
/*
 * Tables of functions that programs are to fill: each variable of the sections ".struct_ops" and
 * ".struct_ops.link" is a map. Relocations say which of its members are programs. A section with
 * "?" before its name has maps that are created only when asked for.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "object_build.h"

bool object_is_struct_ops(const char *section)
{
	section += section[0] == '?';
	return strcmp(section, ".struct_ops") == 0 || strcmp(section, ".struct_ops.link") == 0;
}

/* The variables that BTF has for the section, numbered by name. */
struct variables {
	struct pool names;
	uint32_t *types; /* by number: the id of what the variable is */
	uint32_t count;
};

static int collect_variables(const struct object_build *b, const char *section,
	struct variables *variables, struct error *err)
{
	struct btf *btf = b->object->btf;
	uint32_t id = btf ? btf_find(btf, section, BTF_MASK(BTF_KIND_DATASEC), 0) : 0;
	const struct btf_type *datasec, *var;
	const struct btf_var_secinfo *info;
	uint32_t i, number;

	if (!id)
		return error_set(err, ENOEXEC,
			"no BTF describes what is in it: compile with -g, and do not strip .BTF");
	datasec = btf_type(btf, id);
	info = btf_tail(datasec);
	variables->types = calloc(btf_vlen(datasec) + 1U, sizeof(*variables->types));
	if (!variables->types)
		return error_errno(err, ENOMEM, "keep %u variables", btf_vlen(datasec));
	for (i = 0; i < btf_vlen(datasec); i++) {
		var = btf_type(btf, info[i].type);
		if (btf_kind(var) != BTF_KIND_VAR ||
			strnlen(btf_name(btf, var), ELF_NAME_LIMIT + 1) > ELF_NAME_LIMIT)
			continue;
		if (pool_add(&variables->names, btf_name(btf, var), &number, err) < 0)
			return -1;
		if (number == variables->count)
			variables->types[variables->count++] = var->size;
	}
	return 0;
}

static int add_map(
	struct object_build *b, const struct elf_symbol *symbol, uint32_t type, struct error *err)
{
	const struct elf_section *section = &b->elf.sections[symbol->section];
	struct btf *btf = b->object->btf;
	struct object_map *map;
	uint32_t id, size;

	if (!btf_resolve(btf, type, &id) || btf_kind(btf_type(btf, id)) != BTF_KIND_STRUCT ||
		!btf_name(btf, btf_type(btf, id))[0])
		return error_set(err, ENOEXEC, "it is no struct with a name");
	size = btf_type(btf, id)->size;
	if (!size || symbol->value > section->size || size > section->size - symbol->value)
		return error_set(err, ENOEXEC,
			"its %u bytes at byte %" PRIu64 " are not within the section", size,
			symbol->value);
	map = object_new_map(b, symbol->name, section->name, err);
	if (!map || object_add_place(b, symbol->section, symbol->value, err) < 0 ||
		object_charge(b, size, err) < 0)
		return -1;
	map->type = BPF_MAP_TYPE_STRUCT_OPS;
	map->key_size = sizeof(uint32_t);
	map->value_size = size;
	map->value_type_id = id;
	map->max_entries = 1;
	map->on_request = section->name[0] == '?';
	if (strcmp(section->name + map->on_request, ".struct_ops.link") == 0)
		map->flags = BPF_F_LINK;
	map->data = calloc(1, size);
	if (!map->data)
		return error_errno(err, ENOMEM, "copy %u bytes", size);
	map->data_size = size;
	if (section->data)
		memcpy(map->data, section->data + symbol->value, size);
	return 0;
}

int object_read_struct_ops(struct object_build *b, uint32_t section, struct error *err)
{
	struct variables variables = {.types = NULL};
	const struct elf_symbol *symbol;
	uint32_t i, number;
	int ret = collect_variables(b, b->elf.sections[section].name, &variables, err);

	for (i = 1; ret == 0 && i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (symbol->section != section || !symbol->name[0] || symbol->type == STT_SECTION)
			continue;
		if (!pool_find(&variables.names, symbol->name, &number))
			ret = error_set(err, ENOEXEC, "no BTF describes it");
		else
			ret = add_map(b, symbol, variables.types[number], err);
		if (ret < 0)
			error_prefix(err, "\"%.80s\"", symbol->name);
	}
	pool_free(&variables.names);
	free(variables.types);
	return ret;
}

/* The member that lies at that byte; false: none begins there. */
static bool find_member(
	const struct btf *btf, const struct object_map *map, uint64_t offset, uint32_t *index)
{
	const struct btf_type *type = btf_type(btf, map->value_type_id);
	const struct btf_member *members;
	uint32_t i, count, place, bits;

	members = btf_members(type, &count);
	for (i = 0; i < count; i++) {
		btf_member_place(btf, type, &members[i], &place, &bits);
		if (!bits && place == offset * 8 && btf_string(btf, members[i].name_off)[0]) {
			*index = i;
			return true;
		}
	}
	return false;
}

int object_read_member(const struct object_build *b, uint32_t section,
	const struct elf_reloc *reloc, struct object_element *element, struct error *err)
{
	const struct object_place *place = object_find_place(b, section, reloc->offset);
	struct object_map *map = place ? &b->object->maps[place->map] : NULL;
	const struct elf_symbol *symbol = reloc->symbol;
	const struct object_function *function;
	uint32_t member;

	if (!map || !find_member(b->object->btf, map, reloc->offset - place->offset, &member))
		return error_set(err, ENOEXEC,
			"\"%.80s\" is stored at byte %" PRIu64 ", where no member begins",
			symbol->name, reloc->offset);
	function = object_find_function(b, symbol->section, symbol->value);
	if (!function || !function->is_program)
		return error_set(err, ENOEXEC,
			"map \"%.80s\": \"%.80s\" at byte %" PRIu64 " is no program", map->name,
			symbol->name, reloc->offset - place->offset);
	*element = (struct object_element){
		.map = map, .key = member, .name = object_function_name(b, function)};
	return 0;
}
