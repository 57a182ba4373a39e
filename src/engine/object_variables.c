/* SPDX-License-Identifier: MIT */
/*
 * The variables that user space may look at and set: what sections of data have under global names.
 * Static ones, and those that are hidden, are the program's own business.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_build.h"

static bool is_data(enum object_role role)
{
	return role == ROLE_DATA || role == ROLE_ARENA;
}

static bool is_variable(const struct object_build *b, const struct elf_symbol *symbol)
{
	return symbol->type == STT_OBJECT && symbol->size && symbol->name[0] && !symbol->hidden &&
	       (symbol->bind == STB_GLOBAL || symbol->bind == STB_WEAK) &&
	       is_data(object_symbol_role(b, symbol));
}

/* Takes in the variable of a symbol. `names` are numbered as the variables are. */
static int add_variable(struct object_build *b, struct pool *names, const struct elf_symbol *symbol,
	struct error *err)
{
	const struct elf_section *section = object_symbol_section(b, symbol);
	struct object_map *map = object_data_map(b, symbol->section);
	struct object *object = b->object;
	struct object_variable *variable = &object->variables[object->variable_count];
	uint32_t number;

	if (symbol->value > section->size || symbol->size > section->size - symbol->value)
		return error_set(err, ENOEXEC,
			"variable \"%.80s\" ends behind its section \"%.80s\"", symbol->name,
			section->name);
	if (object_charge(b, strlen(symbol->name), err) < 0 ||
		pool_add(names, symbol->name, &number, err) < 0)
		return -1;
	if (number < object->variable_count)
		return error_set(err, ENOEXEC, "variable \"%.80s\": a second one of that name",
			symbol->name);
	variable->name = strdup(symbol->name);
	if (!variable->name)
		return error_errno(err, ENOMEM, "list the variables");
	variable->section = object_symbol_role(b, symbol) == ROLE_ARENA ? map->name : map->section;
	variable->offset = (uint32_t)symbol->value;
	variable->size = (uint32_t)symbol->size;
	object->variable_count++;
	if (object_symbol_role(b, symbol) == ROLE_DATA)
		map->mmapable = true;
	return 0;
}

/* Gives a variable its type, unless the two differ in size, as where a struct ends in an array
 * without a size. */
static void set_type(struct object *object, const struct pool *names, const char *section,
	const struct btf_type *var)
{
	const char *name = btf_name(object->btf, var);
	struct object_variable *variable;
	uint32_t number, size;

	if (btf_kind(var) != BTF_KIND_VAR || strnlen(name, ELF_NAME_LIMIT + 1) > ELF_NAME_LIMIT ||
		!pool_find(names, name, &number))
		return;
	variable = &object->variables[number];
	if ((strcmp(variable->section, section) == 0 ||
		    strcmp(section, OBJECT_ARENA_SECTION) == 0) &&
		btf_size(object->btf, var->size, &size) && size == variable->size)
		variable->type_id = var->size;
}

static void find_types(struct object *object, const struct pool *names)
{
	const struct btf_var_secinfo *infos;
	const struct btf_type *type;
	uint32_t id, i;

	for (id = 1; object->btf && id < object->btf->type_count; id++) {
		type = btf_type(object->btf, id);
		if (btf_kind(type) != BTF_KIND_DATASEC)
			continue;
		infos = btf_tail(type);
		for (i = 0; i < btf_vlen(type); i++)
			set_type(object, names, btf_name(object->btf, type),
				btf_type(object->btf, infos[i].type));
	}
}

int object_list_variables(struct object_build *b, struct error *err)
{
	struct pool names = {0};
	uint32_t i, count = 0;
	int ret = 0;

	for (i = 1; i < b->elf.symbol_count; i++)
		count += is_variable(b, &b->elf.symbols[i]);
	if (!count)
		return 0;
	b->object->variables = calloc(count, sizeof(*b->object->variables));
	if (!b->object->variables)
		return error_errno(err, ENOMEM, "list %u variables", count);
	for (i = 1; ret == 0 && i < b->elf.symbol_count; i++) {
		if (is_variable(b, &b->elf.symbols[i]))
			ret = add_variable(b, &names, &b->elf.symbols[i], err);
	}
	if (ret == 0)
		find_types(b->object, &names);
	pool_free(&names);
	return ret;
}
