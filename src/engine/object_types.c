/* SPDX-License-Identifier: MIT */
/*
 * What BTF says about the rest of the object: of which type functions are and from which lines
 * their instructions come; and the other way round, where the variables in BTF lie, which only
 * the symbols know.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "object_build.h"

/* The object's own types are still nobody else's, and may be corrected. */
static struct btf_type *edit_type(const struct btf *btf, uint32_t id)
{
	return (void *)(btf->data + ((const unsigned char *)btf_type(btf, id) - btf->data));
}

/* A global function that is hidden is verified as part of each caller, as static ones are, and
 * not for all arguments that its type allows: libbpf made this the way to ask for it. */
static void hide_function(const struct btf *btf, uint32_t id)
{
	struct btf_type *func = edit_type(btf, id);

	if (btf_linkage(func) == BTF_LINKAGE_GLOBAL)
		func->info &= ~(uint32_t)UINT16_MAX;
}

static int describe_type(struct object_build *b, struct object_function *function,
	const struct btf_ext_section *section, struct error *err)
{
	uint32_t i = btf_ext_first(&b->ext, BTF_EXT_FUNC, section, function->start);
	const struct btf *btf = b->object->btf;
	uint32_t type;

	if (i == section->count ||
		btf_ext_word(&b->ext, BTF_EXT_FUNC, section, i, BTF_EXT_AT) != function->start)
		return 0;
	type = btf_ext_word(&b->ext, BTF_EXT_FUNC, section, i, BTF_EXT_FUNC_TYPE);
	if (btf_kind(btf_type(btf, type)) != BTF_KIND_FUNC)
		return error_set(err, ENOEXEC, "its BTF type %u is no function", type);
	if (function->symbol->hidden)
		hide_function(btf, type);
	return insns_add_func(&function->insns, (struct abi_func_info){0, type}, err);
}

static int add_line(struct object_build *b, struct object_function *function,
	const struct abi_line_info *line, struct error *err)
{
	struct insns *list = &function->insns;

	if (line->file_name_off >= b->object->btf->string_size ||
		line->line_off >= b->object->btf->string_size)
		return error_set(err, ENOEXEC,
			"instruction %u: its line of source is no string of the BTF",
			line->insn_off);
	/* The kernel takes no line for the second half of a 64-bit load, and one an instruction. */
	if (!list->code[line->insn_off].code)
		return 0;
	if (list->line_count && list->lines[list->line_count - 1].insn_off == line->insn_off)
		list->line_count--;
	return insns_add_line(list, *line, err);
}

static int describe_lines(struct object_build *b, struct object_function *function,
	const struct btf_ext_section *section, struct error *err)
{
	uint32_t i = btf_ext_first(&b->ext, BTF_EXT_LINE, section, function->start);
	uint32_t word[BTF_EXT_LINE_WORDS], w;
	struct abi_line_info line;

	for (; i < section->count; i++) {
		for (w = 0; w < BTF_EXT_LINE_WORDS; w++)
			word[w] = btf_ext_word(&b->ext, BTF_EXT_LINE, section, i, w);
		if (word[BTF_EXT_AT] >= function->end)
			break;
		if (word[BTF_EXT_AT] % BPF_INSN_SIZE)
			return error_set(err, ENOEXEC,
				"a line of source begins at byte %u, inside an instruction",
				word[BTF_EXT_AT]);
		line = (struct abi_line_info){
			.insn_off =
				(uint32_t)((word[BTF_EXT_AT] - function->start) / BPF_INSN_SIZE),
			.file_name_off = word[BTF_EXT_LINE_FILE],
			.line_off = word[BTF_EXT_LINE_TEXT],
			.line_col = word[BTF_EXT_LINE_COLUMN],
		};
		if (add_line(b, function, &line, err) < 0)
			return -1;
	}
	return 0;
}

static int add_relos(struct object_build *b, struct object_function *function,
	const struct btf_ext_section *section, struct error *err)
{
	uint32_t i = btf_ext_first(&b->ext, BTF_EXT_CORE, section, function->start);
	uint32_t word[BTF_EXT_CORE_WORDS], w;
	struct insn_relo relo = {.types = b->object->btf};

	for (; i < section->count; i++) {
		for (w = 0; w < BTF_EXT_CORE_WORDS; w++)
			word[w] = btf_ext_word(&b->ext, BTF_EXT_CORE, section, i, w);
		if (word[BTF_EXT_AT] >= function->end)
			break;
		if (word[BTF_EXT_AT] % BPF_INSN_SIZE)
			return error_set(err, ENOEXEC,
				"a CO-RE relocation of byte %u, inside an instruction",
				word[BTF_EXT_AT]);
		relo.index = (uint32_t)((word[BTF_EXT_AT] - function->start) / BPF_INSN_SIZE);
		relo.type = word[BTF_EXT_CORE_TYPE];
		relo.access = word[BTF_EXT_CORE_ACCESS];
		relo.kind = word[BTF_EXT_CORE_RELO];
		if (insns_add_relo(&function->insns, &relo, err) < 0)
			return -1;
	}
	return object_charge(b, (uint64_t)function->insns.relo_count * sizeof(relo), err);
}

int object_describe_function(
	struct object_build *b, struct object_function *function, struct error *err)
{
	const char *section = b->elf.sections[function->symbol->section].name;
	const struct btf_ext_section *funcs, *lines, *relos;
	struct insns *list = &function->insns;

	relos = btf_ext_find(&b->ext, BTF_EXT_CORE, section);
	if (relos && add_relos(b, function, relos, err) < 0)
		return -1;
	funcs = btf_ext_find(&b->ext, BTF_EXT_FUNC, section);
	lines = btf_ext_find(&b->ext, BTF_EXT_LINE, section);
	/* The kernel wants no lines without functions. */
	if (!funcs)
		return 0;
	insns_set_types(list, b->object->btf);
	if (describe_type(b, function, funcs, err) < 0 ||
		(lines && describe_lines(b, function, lines, err) < 0))
		return -1;
	return object_charge(b, (uint64_t)list->line_count * sizeof(*list->lines), err);
}

/* The symbols of variables, by section and name. */
struct variables {
	const struct elf_symbol **symbols;
	uint32_t count;
};

static int compare_symbols(const void *a, const void *b)
{
	const struct elf_symbol *x = *(const struct elf_symbol *const *)a;
	const struct elf_symbol *y = *(const struct elf_symbol *const *)b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int collect_variables(
	const struct object_build *b, struct variables *variables, struct error *err)
{
	const struct elf_symbol *symbol;
	uint32_t i;

	variables->symbols = calloc(b->elf.symbol_count + 1U, sizeof(*variables->symbols));
	if (!variables->symbols)
		return error_errno(err, ENOMEM, "sort %u symbols", b->elf.symbol_count);
	for (i = 1; i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (symbol->bind != STB_LOCAL && object_symbol_role(b, symbol) == ROLE_DATA)
			variables->symbols[variables->count++] = symbol;
	}
	if (variables->count)
		qsort(variables->symbols, variables->count, sizeof(*variables->symbols),
			compare_symbols);
	return 0;
}

static const struct elf_symbol *find_variable(
	const struct variables *variables, uint32_t section, const char *name)
{
	struct elf_symbol wanted = {.section = section, .name = name};
	const struct elf_symbol *key = &wanted, *const *found = NULL;

	if (variables->count && strnlen(name, ELF_NAME_LIMIT + 1) <= ELF_NAME_LIMIT)
		found = bsearch(&key, variables->symbols, variables->count,
			sizeof(*variables->symbols), compare_symbols);
	return found ? *found : NULL;
}

static int compare_places(const void *a, const void *b)
{
	const struct btf_var_secinfo *x = a;
	const struct btf_var_secinfo *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/*
 * Compilers leave the size of a section and the places of its global variables open, and of static
 * ones they fill the places in; linkers fill in all. The kernel wants them in order.
 */
static void place_section(const struct object_build *b, const struct variables *variables,
	uint32_t section, struct btf_type *datasec)
{
	struct btf_var_secinfo *info = (struct btf_var_secinfo *)(datasec + 1);
	const struct btf *btf = b->object->btf;
	const struct elf_symbol *symbol;
	const struct btf_type *var;
	uint32_t i;

	if (datasec->size)
		return;
	datasec->size = (uint32_t)b->elf.sections[section].size;
	for (i = 0; i < btf_vlen(datasec); i++) {
		var = btf_type(btf, info[i].type);
		if (btf_kind(var) != BTF_KIND_VAR || btf_linkage(var) == BTF_LINKAGE_STATIC)
			continue;
		symbol = find_variable(variables, section, btf_name(btf, var));
		if (symbol && symbol->value < datasec->size)
			info[i].offset = (uint32_t)symbol->value;
	}
	if (btf_vlen(datasec))
		qsort(info, btf_vlen(datasec), sizeof(*info), compare_places);
}

int object_place_variables(struct object_build *b, struct error *err)
{
	struct variables variables = {NULL, 0};
	const struct object_map *map;
	uint32_t i;

	if (!b->object->btf)
		return 0;
	if (collect_variables(b, &variables, err) < 0)
		return -1;
	for (i = 1; i < b->elf.section_count; i++) {
		if (b->parts[i].role != ROLE_DATA)
			continue;
		map = object_data_map(b, i);
		if (map->value_type_id)
			place_section(
				b, &variables, i, edit_type(b->object->btf, map->value_type_id));
	}
	free(variables.symbols);
	return 0;
}
