/* SPDX-License-Identifier: MIT */
/*
 * The functions of code sections. Global ones outside ".text" are programs; the others exist
 * as parts of the programs that call them, and for programs of other objects.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_insns.h"
#include "object_build.h"

/* Old LLVM gave functions no type; its local symbols without a type are jump labels. */
static bool is_function(const struct object_build *b, const struct elf_symbol *symbol)
{
	if (object_symbol_role(b, symbol) != ROLE_CODE)
		return false;
	return symbol->type == STT_FUNC ||
	       (symbol->type == STT_NOTYPE && symbol->bind != STB_LOCAL);
}

/* Where several symbols name one place, the global ones come first. */
static int compare_functions(const void *a, const void *b)
{
	const struct object_function *x = a;
	const struct object_function *y = b;

	if (x->symbol->section != y->symbol->section)
		return x->symbol->section < y->symbol->section ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if ((x->symbol->bind == STB_LOCAL) != (y->symbol->bind == STB_LOCAL))
		return x->symbol->bind == STB_LOCAL ? 1 : -1;
	return (x->symbol > y->symbol) - (x->symbol < y->symbol);
}

static int collect_functions(struct object_build *b, struct error *err)
{
	const struct elf_symbol *symbol;
	struct object_function *function;
	uint32_t i, count = 0;

	for (i = 1; i < b->elf.symbol_count; i++)
		count += is_function(b, &b->elf.symbols[i]);
	b->functions = calloc(count + 1U, sizeof(*b->functions));
	b->function_by_name = calloc(count + 1U, sizeof(*b->function_by_name));
	if (!b->functions || !b->function_by_name)
		return error_errno(err, ENOMEM, "keep %u functions", count);
	for (i = 1; i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (!is_function(b, symbol))
			continue;
		function = &b->functions[b->function_count++];
		function->symbol = symbol;
		function->start = symbol->value;
		function->is_program = symbol->bind != STB_LOCAL &&
				       strcmp(object_symbol_section(b, symbol)->name, ".text") != 0;
	}
	qsort(b->functions, count, sizeof(*b->functions), compare_functions);
	return 0;
}

static const struct elf_section *section_of(
	const struct object_build *b, const struct object_function *function)
{
	return &b->elf.sections[function->symbol->section];
}

/* A function without a size reaches to the next one. */
static int measure(struct object_build *b, uint32_t index, struct error *err)
{
	struct object_function *function = &b->functions[index];
	uint64_t room = section_of(b, function)->size;
	uint64_t size = function->symbol->size;
	uint32_t next = index;

	if (function->start >= room || function->start % BPF_INSN_SIZE)
		return error_set(err, ENOEXEC, "it begins at byte %" PRIu64 " of %" PRIu64,
			function->start, room);
	room -= function->start;
	if (!size) {
		do {
			next++;
		} while (next < b->function_count &&
			 b->functions[next].symbol->section == function->symbol->section &&
			 b->functions[next].start == function->start);
		size = room;
		if (next < b->function_count &&
			b->functions[next].symbol->section == function->symbol->section)
			size = b->functions[next].start - function->start;
	}
	if (size > room || size % BPF_INSN_SIZE)
		return error_set(err, ENOEXEC,
			"its %" PRIu64 " bytes are not whole instructions inside the section",
			size);
	function->end = function->start + size;
	return 0;
}

int object_charge(struct object_build *b, uint64_t bytes, struct error *err)
{
	if (bytes > b->memory_left)
		return error_set(err, E2BIG, "the object has too many instructions");
	b->memory_left -= bytes;
	return 0;
}

static int copy_code(struct object_build *b, struct object_function *function, struct error *err)
{
	uint64_t size = function->end - function->start;
	const unsigned char *code = section_of(b, function)->data + function->start;

	if (object_charge(b, size, err) < 0)
		return -1;
	function->insns.foreign = b->elf.foreign;
	if (insns_append(&function->insns, code, (uint32_t)(size / BPF_INSN_SIZE), err) < 0)
		return -1;
	return insns_add_symbol(&function->insns, 0, object_function_name(b, function), err);
}

/* Names a function. Static ones of the same name may exist where objects were linked into one;
 * they are told apart by the number of their symbol. */
static int name_function(struct object_build *b, uint32_t index, struct error *err)
{
	struct object_function *function = &b->functions[index];
	const struct elf_symbol *symbol = function->symbol;
	char unique[ELF_NAME_LIMIT + sizeof(".4294967295")];
	uint32_t before = b->function_names.count;

	if (!symbol->name[0])
		return error_set(err, ENOEXEC, "it has no name");
	if (pool_add(&b->function_names, symbol->name, &function->name, err) < 0)
		return -1;
	if (function->name < before) {
		if (symbol->bind != STB_LOCAL)
			return error_set(err, ENOEXEC, "duplicate function");
		snprintf(unique, sizeof(unique), "%s.%u", symbol->name,
			(uint32_t)(symbol - b->elf.symbols));
		if (pool_add(&b->function_names, unique, &function->name, err) < 0)
			return -1;
		if (function->name < before)
			return error_set(err, ENOEXEC, "duplicate function");
	}
	b->function_by_name[function->name] = index;
	return 0;
}

static int split_function(struct object_build *b, uint32_t index, bool local, struct error *err)
{
	struct object_function *function = &b->functions[index];

	if ((function->symbol->bind == STB_LOCAL) != local)
		return 0;
	if (name_function(b, index, err) < 0 || measure(b, index, err) < 0 ||
		copy_code(b, function, err) < 0 || object_describe_function(b, function, err) < 0) {
		error_prefix(err, "function \"%.80s\"", function->symbol->name);
		return error_prefix(err, "section \"%.80s\"", section_of(b, function)->name);
	}
	return 0;
}

int object_split_functions(struct object_build *b, struct error *err)
{
	uint32_t i;

	if (collect_functions(b, err) < 0)
		return -1;
	/* Global functions first: it is the others that give way when names meet. */
	for (i = 0; i < b->function_count; i++) {
		if (split_function(b, i, false, err) < 0)
			return -1;
	}
	for (i = 0; i < b->function_count; i++) {
		if (split_function(b, i, true, err) < 0)
			return -1;
	}
	return 0;
}

uint32_t object_first_function(const struct object_build *b, uint32_t section, uint64_t offset)
{
	uint32_t low = 0, high = b->function_count, middle;
	const struct object_function *at;

	while (low < high) {
		middle = low + (high - low) / 2;
		at = &b->functions[middle];
		if (at->symbol->section < section ||
			(at->symbol->section == section && at->start < offset))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct object_function *object_find_function(
	const struct object_build *b, uint32_t section, uint64_t offset)
{
	uint32_t index = object_first_function(b, section, offset);
	const struct object_function *at = &b->functions[index];

	if (index == b->function_count || at->symbol->section != section || at->start != offset)
		return NULL;
	return at;
}

static const struct insns *find_insns(void *library, const char *name)
{
	const struct object_build *b = library;
	uint32_t number;

	if (!pool_find(&b->function_names, name, &number))
		return NULL;
	return &b->functions[b->function_by_name[number]].insns;
}

/* Appends the function that runs when the program throws an exception, and what that calls. */
static int link_callback(struct object_build *b, const struct object_function *callback,
	struct insns *program, struct error *err)
{
	uint32_t index;

	/* One that is called, too, is there already; the verifier does not allow it. */
	if (!callback || insns_find_symbol(program, object_function_name(b, callback), &index))
		return 0;
	if (insns_append_list(program, &callback->insns, err) < 0)
		return -1;
	return link_insns(program, find_insns, b, err);
}

static int link_program(
	struct object_build *b, const struct object_function *function, struct error *err)
{
	struct object_program *program = &b->object->programs[b->object->program_count++];

	program->name = strdup(object_function_name(b, function));
	program->section = strdup(section_of(b, function)->name);
	if (!program->name || !program->section)
		return error_errno(err, ENOMEM, "keep the program");
	sections_match(program->section, &program->match);
	if (insns_copy(&program->insns, &function->insns, err) < 0 ||
		link_insns(&program->insns, find_insns, b, err) < 0 ||
		link_callback(b, function->callback, &program->insns, err) < 0)
		return -1;
	return object_charge(b,
		(uint64_t)program->insns.count * BPF_INSN_SIZE + program->insns.names.size +
			(uint64_t)program->insns.line_count * sizeof(struct abi_line_info) +
			(uint64_t)program->insns.relo_count * sizeof(struct insn_relo) +
			(uint64_t)program->insns.extern_count * sizeof(struct insn_extern),
		err);
}

/* What is no program moves out of the build, as it was before linking: for programs of other objects. */
static int keep_functions(struct object_build *b, uint32_t count, struct error *err)
{
	struct object *object = b->object;
	struct object_function *function;
	struct object_program *kept;
	uint32_t i;

	object->functions = calloc(count + 1U, sizeof(*object->functions));
	if (!object->functions)
		return error_errno(err, ENOMEM, "keep %u functions", count);
	for (i = 0; i < b->function_count; i++) {
		function = &b->functions[i];
		if (function->is_program)
			continue;
		kept = &object->functions[object->function_count++];
		kept->insns = function->insns;
		memset(&function->insns, 0, sizeof(function->insns));
		kept->name = strdup(object_function_name(b, function));
		if (!kept->name)
			return error_errno(err, ENOMEM, "keep a function");
	}
	return 0;
}

int object_link_programs(struct object_build *b, struct error *err)
{
	const struct object_function *function;
	uint32_t i, count = 0;

	for (i = 0; i < b->function_count; i++)
		count += b->functions[i].is_program;
	b->object->programs = calloc(count + 1U, sizeof(*b->object->programs));
	if (!b->object->programs)
		return error_errno(err, ENOMEM, "keep %u programs", count);
	for (i = 0; i < b->function_count; i++) {
		function = &b->functions[i];
		if (function->is_program && link_program(b, function, err) < 0)
			return error_prefix(err, "program \"%.80s\"", function->symbol->name);
	}
	return keep_functions(b, b->function_count - count, err);
}
