/* SPDX-License-Identifier: MIT */
/*
 * What the object declares and others define, as its BTF says: in the section ".ksyms" symbols of
 * the kernel, variables and functions; in ".kconfig" variables that the kernel's configuration
 * gives values. These become a map of constants, made here: no section has them.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kconfig.h"
#include "object_build.h"

/* Strings of the configuration are short. The map is made of zeroes that are not in the file, so
 * that there must be a bound. */
enum { OPTIONS_MOST = 1 << 20 };

#define KCONFIG ".kconfig"
#define KSYMS   ".ksyms"

static bool is_undefined(const struct elf_symbol *symbol)
{
	return !symbol->section && symbol->name[0] &&
	       (symbol->bind == STB_GLOBAL || symbol->bind == STB_WEAK);
}

const struct object_extern *object_find_extern(const struct object_build *b, const char *name)
{
	uint32_t number;

	if (!pool_find(&b->extern_names, name, &number) || !b->externs[number].type)
		return NULL;
	return &b->externs[number];
}

/* Whether a type is the section of that name. */
static bool is_section(const struct btf *btf, const struct btf_type *type, const char *name)
{
	return btf_kind(type) == BTF_KIND_DATASEC && strcmp(btf_name(btf, type), name) == 0;
}

static bool has_sections(const struct btf *btf)
{
	uint32_t id;

	for (id = 1; btf && id < btf->type_count; id++) {
		if (is_section(btf, btf_type(btf, id), KCONFIG) ||
			is_section(btf, btf_type(btf, id), KSYMS))
			return true;
	}
	return false;
}

/* The undefined symbols, of which none is known yet. */
static int collect_symbols(struct object_build *b, struct error *err)
{
	const struct elf_symbol *symbol;
	uint32_t i, number;

	b->externs = calloc(b->elf.symbol_count + 1U, sizeof(*b->externs));
	if (!b->externs)
		return error_errno(err, ENOMEM, "sort %u symbols", b->elf.symbol_count);
	for (i = 1; i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (!is_undefined(symbol))
			continue;
		if (object_charge(b, strlen(symbol->name), err) < 0 ||
			pool_add(&b->extern_names, symbol->name, &number, err) < 0)
			return -1;
		b->externs[number].name = symbol->name;
		b->externs[number].weak = symbol->bind == STB_WEAK;
	}
	return 0;
}

/* The undefined symbol of a variable or function in BTF, unless it is known already. */
static struct object_extern *find_declared(struct object_build *b, uint32_t id)
{
	const struct btf_type *type = btf_type(b->object->btf, id);
	const char *name = btf_name(b->object->btf, type);
	uint32_t number;

	if (btf_kind(type) != BTF_KIND_VAR && btf_kind(type) != BTF_KIND_FUNC)
		return NULL;
	if (btf_linkage(type) != BTF_LINKAGE_EXTERN ||
		strnlen(name, ELF_NAME_LIMIT + 1) > ELF_NAME_LIMIT ||
		!pool_find(&b->extern_names, name, &number) || b->externs[number].type)
		return NULL;
	return &b->externs[number];
}

static int declare_option(struct object_build *b, struct object_extern *option, struct error *err)
{
	const struct btf *btf = b->object->btf;
	const struct btf_type *var = btf_type(btf, option->type);

	if (btf_kind(var) == BTF_KIND_VAR)
		option->kconfig = kconfig_kind_of(btf, var->size, &option->is_signed);
	if (!option->kconfig || !btf_size(btf, var->size, &option->size))
		return error_set(err, ENOEXEC,
			"variable \"%.80s\" in section \"" KCONFIG
			"\": it is none of bool, char, int, "
			"enum libbpf_tristate, and array of char",
			option->name);
	return 0;
}

static int declare_all(struct object_build *b, const struct btf_type *section, struct error *err)
{
	const struct btf_var_secinfo *info = btf_tail(section);
	bool options = is_section(b->object->btf, section, KCONFIG);
	struct object_extern *declared;
	uint32_t i;

	for (i = 0; i < btf_vlen(section); i++) {
		declared = find_declared(b, info[i].type);
		if (!declared)
			continue;
		declared->type = info[i].type;
		if (options && declare_option(b, declared, err) < 0)
			return -1;
	}
	return 0;
}

static int compare_options(const void *a, const void *b)
{
	const struct object_extern *x = *(struct object_extern *const *)a;
	const struct object_extern *y = *(struct object_extern *const *)b;
	uint32_t x_align = x->kconfig == KCONFIG_STRING ? 1 : x->size;
	uint32_t y_align = y->kconfig == KCONFIG_STRING ? 1 : y->size;

	if (x_align != y_align)
		return x_align > y_align ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Lays the options out, the largest numbers first, so that none needs padding. */
static int place_options(struct object_build *b, struct object_extern **options, uint32_t count,
	uint32_t *size, struct error *err)
{
	uint64_t end = 0;
	uint32_t i;

	qsort(options, count, sizeof(*options), compare_options);
	for (i = 0; i < count; i++) {
		options[i]->offset = (uint32_t)end;
		end += options[i]->size;
		if (end > OPTIONS_MOST)
			return error_set(err, E2BIG,
				"the variables in section \"" KCONFIG "\" have more than %u bytes",
				OPTIONS_MOST);
	}
	*size = (uint32_t)end;
	return object_charge(b, end, err);
}

static int make_map(struct object_build *b, uint32_t size, struct error *err)
{
	struct object_map *map = object_new_map(b, KCONFIG, KCONFIG, err);

	if (!map)
		return -1;
	b->kconfig_map = b->object->map_count - 1;
	map->type = BPF_MAP_TYPE_ARRAY;
	map->key_size = sizeof(uint32_t);
	map->value_size = size;
	map->max_entries = 1;
	map->data_size = size;
	map->flags = BPF_F_RDONLY_PROG;
	map->freeze = true;
	map->mmapable = true;
	return 0;
}

/* The object's own types are still nobody else's, and may be corrected. */
static struct btf_type *edit_type(const struct btf *btf, uint32_t id)
{
	return (void *)(btf->data + ((const unsigned char *)btf_type(btf, id) - btf->data));
}

static int compare_places(const void *a, const void *b)
{
	const struct btf_var_secinfo *x = a;
	const struct btf_var_secinfo *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Makes the section in BTF look like one that has its variables, since the kernel takes no others;
 * not one that lists what the program does not use. */
static void define_section(struct object_build *b, uint32_t id, uint32_t size)
{
	const struct btf *btf = b->object->btf;
	struct btf_type *section = edit_type(btf, id);
	struct btf_var_secinfo *info = (struct btf_var_secinfo *)(section + 1);
	const struct object_extern *option;
	uint32_t i;

	for (i = 0; i < btf_vlen(section); i++) {
		option = object_find_extern(b, btf_name(btf, btf_type(btf, info[i].type)));
		if (!option || option->type != info[i].type)
			return;
	}
	section->size = size;
	for (i = 0; i < btf_vlen(section); i++) {
		option = object_find_extern(b, btf_name(btf, btf_type(btf, info[i].type)));
		*(uint32_t *)(edit_type(btf, info[i].type) + 1) = BTF_LINKAGE_GLOBAL;
		info[i].offset = option->offset;
		info[i].size = option->size;
	}
	if (btf_vlen(section))
		qsort(info, btf_vlen(section), sizeof(*info), compare_places);
}

/* Makes the map, when there are options. */
static int make_options(struct object_build *b, struct error *err)
{
	struct object_extern **options;
	uint32_t i, count = 0, size = 0;
	int ret = 0;

	options = calloc(b->extern_names.count + 1U, sizeof(struct object_extern *));
	if (!options)
		return error_errno(err, ENOMEM, "sort %u symbols", b->extern_names.count);
	for (i = 0; i < b->extern_names.count; i++) {
		if (b->externs[i].kconfig)
			options[count++] = &b->externs[i];
	}
	if (count)
		ret = place_options(b, options, count, &size, err);
	free(options);
	if (ret < 0 || !count)
		return ret;
	for (i = 1; i < b->object->btf->type_count; i++) {
		if (is_section(b->object->btf, btf_type(b->object->btf, i), KCONFIG))
			define_section(b, i, size);
	}
	return make_map(b, size, err);
}

int object_read_externs(struct object_build *b, struct error *err)
{
	const struct btf *btf = b->object->btf;
	uint32_t id;

	if (!has_sections(btf))
		return 0;
	if (collect_symbols(b, err) < 0)
		return -1;
	for (id = 1; id < btf->type_count; id++) {
		if ((is_section(btf, btf_type(btf, id), KCONFIG) ||
			    is_section(btf, btf_type(btf, id), KSYMS)) &&
			declare_all(b, btf_type(btf, id), err) < 0)
			return -1;
	}
	return make_options(b, err);
}

int object_list_options(struct object_build *b, struct error *err)
{
	struct object *object = b->object;
	const struct object_extern *option;
	struct object_variable *grown;
	uint32_t i, count = object->variable_count;

	for (i = 0; i < b->extern_names.count; i++)
		count += b->externs[i].kconfig != KCONFIG_NONE;
	if (count == object->variable_count)
		return 0;
	grown = realloc(object->variables, count * sizeof(*grown));
	if (!grown)
		return error_errno(err, ENOMEM, "list %u variables", count);
	object->variables = grown;
	for (i = 0; i < b->extern_names.count; i++) {
		option = &b->externs[i];
		if (!option->kconfig)
			continue;
		grown[object->variable_count] = (struct object_variable){
			.name = strdup(option->name),
			.section = object->maps[b->kconfig_map].section,
			.offset = option->offset,
			.size = option->size,
			.type_id = btf_type(object->btf, option->type)->size,
			.kconfig = option->kconfig,
			.is_signed = option->is_signed,
			.weak = option->weak,
		};
		if (!grown[object->variable_count++].name)
			return error_errno(err, ENOMEM, "list %u variables", count);
	}
	return 0;
}
