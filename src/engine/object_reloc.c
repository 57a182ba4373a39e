/* SPDX-License-Identifier: MIT */
/* Relocations of code become references by name: to maps, their values, functions, externals. */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "object_build.h"

/* One instruction that refers to something. */
struct site {
	struct object_build *b;
	struct object_function *function;
	uint32_t index; /* into the function */
	struct bpf_insn insn;
};

/* What the instruction has in the place of a value has been understood, and says no more. */
static void clear_value(const struct site *s)
{
	struct insns *insns = &s->function->insns;
	struct bpf_insn insn = s->insn, second;

	if (insn.code == BPF_JMP_CALL) {
		insn.imm = -1;
	} else {
		second = insns_get(insns, s->index + 1);
		second.imm = insn.imm = 0;
		insn.src_reg = 0;
		insns_set(insns, s->index + 1, second);
	}
	insns_set(insns, s->index, insn);
}

static int refer(const struct site *s, enum insn_ref_kind kind, const char *name, uint32_t offset,
	struct error *err)
{
	clear_value(s);
	return insns_add_ref(&s->function->insns, s->index, kind, name, offset, err);
}

static int refer_to_function(const struct site *s, enum insn_ref_kind kind, uint32_t section,
	int64_t offset, struct error *err)
{
	const struct object_function *target = NULL;

	if (offset >= 0)
		target = object_find_function(s->b, section, (uint64_t)offset);
	if (!target)
		return error_set(err, ENOEXEC,
			"no function begins at byte %" PRId64 " of section \"%.80s\"", offset,
			s->b->elf.sections[section].name);
	return refer(s, kind, object_function_name(s->b, target), 0, err);
}

/* `byte` of the variable: clang leaves it to other instructions. */
static int refer_to_option(
	const struct site *s, const struct object_extern *option, int32_t byte, struct error *err)
{
	const char *map = s->b->object->maps[s->b->kconfig_map].name;

	if (byte < 0 || (uint32_t)byte >= option->size)
		return error_set(err, ENOEXEC, "byte %d of \"%.80s\" is outside its %u", byte,
			option->name, option->size);
	return refer(s, INSN_REF_MAP_VALUE, map, option->offset + (uint32_t)byte, err);
}

/* Symbols that are nowhere: declared only, or left without a place by the compiler. */
static int refer_to_extern(const struct site *s, const struct elf_symbol *symbol, struct error *err)
{
	const struct object_extern *declared;
	bool call = s->insn.code == BPF_JMP_CALL;

	if (symbol->common)
		return error_set(err, ENOEXEC,
			"variable \"%.80s\" has no section: compile with -fno-common",
			symbol->name);
	if (symbol->section || !symbol->name[0])
		return error_set(err, ENOEXEC, "symbol \"%.80s\" is in no section", symbol->name);
	declared = object_find_extern(s->b, symbol->name);
	if (declared && declared->kconfig && !call)
		return refer_to_option(s, declared, s->insn.imm, err);
	if (declared && call &&
		btf_kind(btf_type(s->b->object->btf, declared->type)) != BTF_KIND_FUNC)
		return error_set(
			err, ENOEXEC, "\"%.80s\" is called, but is no function", symbol->name);
	if (declared && insns_add_extern(&s->function->insns, symbol->name, s->b->object->btf,
				declared->type, declared->weak, err) < 0)
		return -1;
	return refer(s, INSN_REF_EXTERN, symbol->name, 0, err);
}

static int unsupported(const struct site *s, const struct elf_symbol *symbol, struct error *err)
{
	return error_set(err, ENOEXEC,
		"\"%.80s\" in section \"%.80s\" cannot be referred to from there", symbol->name,
		object_symbol_section(s->b, symbol)->name);
}

/* The target of a call counts instructions from the one behind it. */
static int64_t call_distance(const struct site *s)
{
	return ((int64_t)s->insn.imm + 1) * BPF_INSN_SIZE;
}

static int relocate_call(const struct site *s, const struct elf_symbol *symbol, struct error *err)
{
	if (s->insn.src_reg != BPF_PSEUDO_CALL)
		return error_set(err, ENOEXEC, "the call of \"%.80s\" is no call of a function",
			symbol->name);
	if (!object_symbol_section(s->b, symbol))
		return refer_to_extern(s, symbol, err);
	if (object_symbol_role(s->b, symbol) != ROLE_CODE)
		return unsupported(s, symbol, err);
	if (symbol->value > INT32_MAX)
		return error_set(err, ENOEXEC, "\"%.80s\" lies outside its section", symbol->name);
	return refer_to_function(
		s, INSN_REF_CALL, symbol->section, (int64_t)symbol->value + call_distance(s), err);
}

/* `offset`: where in the section of maps the instruction points to. */
static int refer_to_map(
	const struct site *s, const struct elf_symbol *symbol, int64_t offset, struct error *err)
{
	const struct object_map *map = NULL;

	if (offset >= 0)
		map = object_find_map(s->b, symbol->section, (uint64_t)offset);
	if (symbol->type == STT_SECTION)
		return error_set(err, ENOEXEC,
			"a map is referred to by its place in section \"%.80s\": drop the static "
			"from its definition",
			object_symbol_section(s->b, symbol)->name);
	if (!map)
		return error_set(err, ENOEXEC, "\"%.80s\" is no map", symbol->name);
	return refer(s, INSN_REF_MAP, map->name, 0, err);
}

static int refer_to_data(
	const struct site *s, const struct elf_symbol *symbol, int64_t offset, struct error *err)
{
	const struct object_map *map = object_data_map(s->b, symbol->section);

	if (offset < 0 || offset >= (int64_t)map->value_size)
		return error_set(err, ENOEXEC,
			"byte %" PRId64 " of section \"%.80s\" is outside its %u bytes", offset,
			map->name, map->value_size);
	s->b->parts[symbol->section].wanted = true;
	return refer(s, INSN_REF_MAP_VALUE, map->name, (uint32_t)offset, err);
}

static int refer_to_arena(
	const struct site *s, const struct elf_symbol *symbol, int64_t offset, struct error *err)
{
	const struct object_map *map = object_data_map(s->b, symbol->section);

	if (offset < 0 || (uint64_t)offset >= map->data_size)
		return error_set(err, ENOEXEC,
			"byte %" PRId64 " of section \"%.80s\" is outside its %zu bytes", offset,
			object_symbol_section(s->b, symbol)->name, map->data_size);
	return refer(s, INSN_REF_MAP_VALUE, map->name, (uint32_t)offset, err);
}

static int relocate_load(const struct site *s, const struct elf_symbol *symbol, struct error *err)
{
	int64_t offset;

	if (!object_symbol_section(s->b, symbol))
		return refer_to_extern(s, symbol, err);
	if (symbol->value > INT32_MAX)
		return error_set(err, ENOEXEC, "\"%.80s\" lies outside its section", symbol->name);
	offset = (int64_t)symbol->value + s->insn.imm;
	switch (object_symbol_role(s->b, symbol)) {
	case ROLE_LEGACY_MAPS:
	case ROLE_BTF_MAPS:
		return refer_to_map(s, symbol, offset, err);
	case ROLE_ARENA:
		return refer_to_arena(s, symbol, offset, err);
	case ROLE_DATA:
		return refer_to_data(s, symbol, offset, err);
	case ROLE_CODE:
		return refer_to_function(s, INSN_REF_FUNC, symbol->section, offset, err);
	default:
		return unsupported(s, symbol, err);
	}
}

/* `symbol` is what the relocation names; NULL: the instruction has none. */
static int relocate_site(const struct site *s, const struct elf_symbol *symbol, struct error *err)
{
	bool call = s->insn.code == BPF_JMP_CALL;

	if (!symbol) {
		/* LLVM up to 9 resolved calls within a section by itself. */
		if (!call || s->insn.src_reg != BPF_PSEUDO_CALL)
			return 0;
		return refer_to_function(s, INSN_REF_CALL, s->function->symbol->section,
			(int64_t)s->function->start + (int64_t)s->index * BPF_INSN_SIZE +
				call_distance(s),
			err);
	}
	if (call)
		return relocate_call(s, symbol, err);
	if (insns_is_load64(&s->function->insns, s->index))
		return relocate_load(s, symbol, err);
	return error_set(err, ENOEXEC,
		"\"%.80s\" is referred to by neither a call nor a 64-bit load", symbol->name);
}

/* The relocations of one section, ascending. */
struct relocs {
	struct elf_reloc *list;
	uint32_t count;
};

/* The first relocation at or behind `offset`. */
static uint32_t first_reloc(const struct relocs *relocs, uint64_t offset)
{
	uint32_t low = 0, high = relocs->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (relocs->list[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int relocate_function(struct object_build *b, struct object_function *function,
	const struct relocs *relocs, struct error *err)
{
	struct site s = {.b = b, .function = function};
	uint32_t next = first_reloc(relocs, function->start);
	const struct elf_symbol *symbol;
	uint64_t at, end;

	for (s.index = 0; s.index < function->insns.count; s.index++) {
		at = function->start + (uint64_t)s.index * BPF_INSN_SIZE;
		s.insn = insns_get(&function->insns, s.index);
		symbol = NULL;
		if (next < relocs->count && relocs->list[next].offset == at)
			symbol = relocs->list[next++].symbol;
		if (relocate_site(&s, symbol, err) < 0)
			return error_prefix(err, "instruction %u", s.index);
		/* The second half of a 64-bit load is no instruction of its own. */
		if (insns_is_load64(&function->insns, s.index))
			s.index++;
		/* A relocation passed over stands inside an instruction, or is the second of one. */
		end = function->start + (s.index + 1ULL) * BPF_INSN_SIZE;
		if (next < relocs->count && relocs->list[next].offset < end)
			return error_set(err, ENOEXEC,
				"instruction %u: misplaced relocation at byte %" PRIu64, s.index,
				relocs->list[next].offset);
	}
	return object_charge(b,
		function->insns.names.size +
			(uint64_t)function->insns.extern_count * sizeof(struct insn_extern),
		err);
}

int object_relocate(struct object_build *b, uint32_t section, struct error *err)
{
	struct relocs relocs = {NULL, 0};
	struct object_function *function;
	uint32_t i, first, source = b->parts[section].relocs;
	int ret = 0;

	if (source && elf_read_relocs(&b->elf, &b->elf.sections[source], &relocs.list,
			      &relocs.count, err) < 0)
		return -1;
	i = first = object_first_function(b, section, 0);
	for (; ret == 0 && i < b->function_count; i++) {
		function = &b->functions[i];
		if (function->symbol->section != section)
			break;
		ret = relocate_function(b, function, &relocs, err);
		if (ret < 0)
			error_prefix(err, "function \"%.80s\"", function->symbol->name);
	}
	free(relocs.list);
	if (i == first)
		return error_set(
			err, ENOEXEC, "no symbol names its functions: do not strip symbols");
	return ret;
}
