/* SPDX-License-Identifier: MIT */
#include "insn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void insns_drop_types(struct insns *list)
{
	free(list->funcs);
	free(list->lines);
	btf_release(list->types);
	list->types = NULL;
	list->funcs = NULL;
	list->lines = NULL;
	list->func_count = list->func_room = 0;
	list->line_count = list->line_room = 0;
}

void insns_free(struct insns *list)
{
	uint32_t i;

	for (i = 0; i < list->relo_count; i++)
		btf_release(list->relos[i].types);
	for (i = 0; i < list->extern_count; i++)
		btf_release(list->externs[i].types);
	free(list->relos);
	free(list->externs);
	free(list->extern_of);
	insns_drop_types(list);
	free(list->code);
	free(list->symbols);
	free(list->refs);
	free(list->defined);
	pool_free(&list->names);
	memset(list, 0, sizeof(*list));
}

int insns_append(struct insns *list, const void *code, uint32_t count, struct error *err)
{
	struct bpf_insn *grown;

	if (!count)
		return 0;
	/* Distances between instructions are 32-bit and signed. */
	if (count > INT32_MAX - list->count)
		return error_set(err, E2BIG, "too many instructions");
	grown = pool_grow(list->code, &list->code_room, list->count, count, sizeof(*list->code));
	if (!grown)
		return error_errno(err, ENOMEM, "keep %u instructions", count);
	list->code = grown;
	memcpy(grown + list->count, code, (size_t)count * sizeof(*grown));
	list->count += count;
	return 0;
}

/* Numbers a name, and makes `defined` reach as far as the names do. */
static int add_name(struct insns *list, const char *name, uint32_t *number, struct error *err)
{
	uint32_t *grown;

	if (pool_add(&list->names, name, number, err) < 0)
		return -1;
	if (*number < list->defined_count)
		return 0;
	grown = pool_grow(
		list->defined, &list->defined_room, list->defined_count, 1, sizeof(*grown));
	if (!grown)
		return error_errno(err, ENOMEM, "keep the name \"%.40s\"", name);
	list->defined = grown;
	grown[list->defined_count++] = 0;
	return 0;
}

int insns_add_symbol(struct insns *list, uint32_t index, const char *name, struct error *err)
{
	struct insn_symbol *grown;
	uint32_t number, at;

	if (index >= list->count)
		return error_set(
			err, EINVAL, "symbol \"%.80s\" is behind the last instruction", name);
	if (add_name(list, name, &number, err) < 0)
		return -1;
	if (list->defined[number])
		return error_set(err, EEXIST, "duplicate symbol \"%.80s\"", name);
	grown = pool_grow(list->symbols, &list->symbol_room, list->symbol_count, 1, sizeof(*grown));
	if (!grown)
		return error_errno(err, ENOMEM, "keep the symbol \"%.80s\"", name);
	list->symbols = grown;
	for (at = list->symbol_count; at && grown[at - 1].index > index; at--)
		grown[at] = grown[at - 1];
	grown[at] = (struct insn_symbol){.index = index, .name = number};
	list->symbol_count++;
	list->defined[number] = index + 1;
	return 0;
}

int insns_add_ref(struct insns *list, uint32_t index, enum insn_ref_kind kind, const char *name,
	uint32_t offset, struct error *err)
{
	struct insn_ref *grown;
	uint32_t number, at;

	if (index >= list->count)
		return error_set(
			err, EINVAL, "reference to \"%.80s\" is behind the last instruction", name);
	if (add_name(list, name, &number, err) < 0)
		return -1;
	grown = pool_grow(list->refs, &list->ref_room, list->ref_count, 1, sizeof(*grown));
	if (!grown)
		return error_errno(err, ENOMEM, "keep the reference to \"%.80s\"", name);
	list->refs = grown;
	for (at = list->ref_count; at && grown[at - 1].index > index; at--)
		;
	if (at && grown[at - 1].index == index)
		return error_set(err, EEXIST,
			"instruction %u refers to both \"%.80s\" and \"%.80s\"", index,
			insns_name(list, grown[at - 1].name), name);
	memmove(grown + at + 1, grown + at, (list->ref_count - at) * sizeof(*grown));
	grown[at] = (struct insn_ref){
		.index = index, .name = number, .kind = (uint8_t)kind, .offset = offset};
	list->ref_count++;
	return 0;
}

void insns_set_types(struct insns *list, struct btf *types)
{
	list->types = btf_retain(types);
}

int insns_add_func(struct insns *list, struct abi_func_info func, struct error *err)
{
	struct abi_func_info *grown =
		pool_grow(list->funcs, &list->func_room, list->func_count, 1, sizeof(*grown));

	if (!grown)
		return error_errno(err, ENOMEM, "keep the type of a function");
	list->funcs = grown;
	grown[list->func_count++] = func;
	return 0;
}

int insns_add_line(struct insns *list, struct abi_line_info line, struct error *err)
{
	struct abi_line_info *grown =
		pool_grow(list->lines, &list->line_room, list->line_count, 1, sizeof(*grown));

	if (!grown)
		return error_errno(err, ENOMEM, "keep a line of source");
	list->lines = grown;
	grown[list->line_count++] = line;
	return 0;
}

int insns_add_relo(struct insns *list, const struct insn_relo *relo, struct error *err)
{
	struct insn_relo *grown =
		pool_grow(list->relos, &list->relo_room, list->relo_count, 1, sizeof(*grown));

	if (!grown)
		return error_errno(err, ENOMEM, "keep a CO-RE relocation");
	list->relos = grown;
	if (relo->types)
		btf_retain(relo->types);
	grown[list->relo_count++] = *relo;
	return 0;
}

int insns_add_loose_relo(
	struct insns *list, const struct insn_relo *relo, const char *access, struct error *err)
{
	struct insn_relo loose = *relo;

	loose.types = NULL;
	if (add_name(list, access, &loose.access, err) < 0)
		return -1;
	return insns_add_relo(list, &loose, err);
}

const struct insn_ref *insns_find_ref(const struct insns *list, uint32_t index)
{
	uint32_t low = 0, high = list->ref_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list->refs[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->ref_count && list->refs[low].index == index ? &list->refs[low] : NULL;
}

const char *insns_relo_access(const struct insns *list, const struct insn_relo *relo)
{
	return relo->types ? btf_string(relo->types, relo->access) : insns_name(list, relo->access);
}

struct insn_extern *insns_find_extern(const struct insns *list, uint32_t name)
{
	if (name >= list->extern_of_count || !list->extern_of[name])
		return NULL;
	return &list->externs[list->extern_of[name] - 1];
}

/* Makes extern_of reach as far as the names do. */
static int number_externs(struct insns *list, struct error *err)
{
	uint32_t more = list->names.count - list->extern_of_count;
	uint32_t *grown = pool_grow(list->extern_of, &list->extern_of_room, list->extern_of_count,
		more, sizeof(*grown));

	if (!grown)
		return error_errno(err, ENOMEM, "keep %u names", list->names.count);
	list->extern_of = grown;
	memset(grown + list->extern_of_count, 0, more * sizeof(*grown));
	list->extern_of_count += more;
	return 0;
}

int insns_add_extern(struct insns *list, const char *name, struct btf *types, uint32_t type,
	bool weak, struct error *err)
{
	struct insn_extern *grown;
	uint32_t number;

	if (add_name(list, name, &number, err) < 0 || number_externs(list, err) < 0)
		return -1;
	grown = insns_find_extern(list, number);
	if (grown) {
		grown->weak = grown->weak && weak;
		return 0;
	}
	grown = pool_grow(list->externs, &list->extern_room, list->extern_count, 1, sizeof(*grown));
	if (!grown)
		return error_errno(err, ENOMEM, "keep the symbol \"%.80s\"", name);
	list->externs = grown;
	grown[list->extern_count++] = (struct insn_extern){
		.name = number,
		.weak = weak,
		.types = types ? btf_retain(types) : NULL,
		.type = type,
	};
	list->extern_of[number] = list->extern_count;
	return 0;
}

bool insns_have_funcs(const struct insns *list)
{
	uint32_t i, func = 0;

	if (!list->func_count || list->funcs[0].insn_off)
		return false;
	for (i = 0; i < list->symbol_count; i++) {
		while (func < list->func_count &&
			list->funcs[func].insn_off < list->symbols[i].index)
			func++;
		if (func == list->func_count ||
			list->funcs[func].insn_off != list->symbols[i].index)
			return false;
	}
	return true;
}

bool insns_have_lines(const struct insns *list)
{
	uint32_t i, line = 0;

	for (i = 0; i < list->func_count; i++) {
		while (line < list->line_count &&
			list->lines[line].insn_off < list->funcs[i].insn_off)
			line++;
		if (line == list->line_count ||
			list->lines[line].insn_off != list->funcs[i].insn_off)
			return false;
	}
	return list->line_count != 0;
}

bool insns_find_defined(const struct insns *list, uint32_t name, uint32_t *index)
{
	*index = list->defined[name] - 1;
	return list->defined[name] != 0;
}

bool insns_find_symbol(const struct insns *list, const char *name, uint32_t *index)
{
	uint32_t number;

	return pool_find(&list->names, name, &number) && insns_find_defined(list, number, index);
}

/* Its own inverse. The two register fields are halves of one byte, and trade places. */
static struct bpf_insn swap(struct bpf_insn insn)
{
	return (struct bpf_insn){
		.code = insn.code,
		.dst_reg = insn.src_reg,
		.src_reg = insn.dst_reg,
		.off = (int16_t)__builtin_bswap16((uint16_t)insn.off),
		.imm = (int32_t)__builtin_bswap32((uint32_t)insn.imm),
	};
}

struct bpf_insn insns_get(const struct insns *list, uint32_t index)
{
	return list->foreign ? swap(list->code[index]) : list->code[index];
}

void insns_set(struct insns *list, uint32_t index, struct bpf_insn insn)
{
	list->code[index] = list->foreign ? swap(insn) : insn;
}

bool insns_is_load64(const struct insns *list, uint32_t index)
{
	return list->code[index].code == BPF_LD_IMM64 && list->count - index >= 2;
}

/* What insns_append_list() does for functions and lines of source. */
static int append_types(
	struct insns *list, uint32_t base, const struct insns *from, struct error *err)
{
	struct abi_func_info *funcs;
	struct abi_line_info *lines;
	uint32_t i;

	if (!from->types)
		return 0;
	if (list->types && list->types != from->types) {
		insns_drop_types(list);
		return 0;
	}
	if (!list->types)
		insns_set_types(list, from->types);
	funcs = pool_grow(
		list->funcs, &list->func_room, list->func_count, from->func_count, sizeof(*funcs));
	if (funcs)
		list->funcs = funcs;
	lines = pool_grow(
		list->lines, &list->line_room, list->line_count, from->line_count, sizeof(*lines));
	if (lines)
		list->lines = lines;
	if (!funcs || !lines)
		return error_errno(err, ENOMEM, "keep %u lines of source", from->line_count);
	for (i = 0; i < from->func_count; i++) {
		funcs[list->func_count] = from->funcs[i];
		funcs[list->func_count++].insn_off += base;
	}
	for (i = 0; i < from->line_count; i++) {
		lines[list->line_count] = from->lines[i];
		lines[list->line_count++].insn_off += base;
	}
	return 0;
}

static int append_relos(
	struct insns *list, uint32_t base, const struct insns *from, struct error *err)
{
	struct insn_relo relo;
	uint32_t i;

	for (i = 0; i < from->relo_count; i++) {
		relo = from->relos[i];
		relo.index += base;
		if ((relo.types ? insns_add_relo(list, &relo, err)
				: insns_add_loose_relo(
					  list, &relo, insns_name(from, relo.access), err)) < 0)
			return -1;
	}
	return 0;
}

int insns_copy_externs(struct insns *list, const struct insns *from, struct error *err)
{
	const struct insn_extern *e;

	for (e = from->externs; e < from->externs + from->extern_count; e++) {
		if (insns_add_extern(
			    list, insns_name(from, e->name), e->types, e->type, e->weak, err) < 0)
			return -1;
	}
	return 0;
}

int insns_append_list(struct insns *list, const struct insns *from, struct error *err)
{
	uint32_t base = list->count;
	const struct insn_ref *ref;
	uint32_t i;

	if (base && list->foreign != from->foreign)
		return error_set(err, EINVAL, "the instructions differ in byte order");
	list->foreign = from->foreign;
	list->ids = from->ids;
	if (insns_append(list, from->code, from->count, err) < 0)
		return -1;
	for (i = 0; i < from->symbol_count; i++) {
		if (insns_add_symbol(list, base + from->symbols[i].index,
			    insns_name(from, from->symbols[i].name), err) < 0)
			return -1;
	}
	for (i = 0; i < from->ref_count; i++) {
		ref = &from->refs[i];
		if (insns_add_ref(list, base + ref->index, ref->kind, insns_name(from, ref->name),
			    ref->offset, err) < 0)
			return -1;
		list->refs[list->ref_count - 1].resolved = ref->resolved;
	}
	if (append_relos(list, base, from, err) < 0 || insns_copy_externs(list, from, err) < 0)
		return -1;
	return append_types(list, base, from, err);
}

int insns_copy(struct insns *copy, const struct insns *from, struct error *err)
{
	if (insns_append_list(copy, from, err) == 0)
		return 0;
	insns_free(copy);
	return -1;
}

/* Counts the references to `name`; all must be 64-bit loads. */
static int count_loads(
	const struct insns *list, const char *name, uint32_t *number, struct error *err)
{
	uint32_t i;
	int n = 0;

	if (!pool_find(&list->names, name, number))
		return 0;
	for (i = 0; i < list->ref_count; i++) {
		if (list->refs[i].name != *number)
			continue;
		if (!insns_is_load64(list, list->refs[i].index))
			return error_set(err, EINVAL,
				"missing load instruction: instruction %u refers to \"%.80s\", but "
				"is no 64-bit load",
				list->refs[i].index, name);
		n++;
	}
	return n;
}

static void set_load(
	struct insns *list, struct insn_ref *ref, unsigned int src, uint32_t low, uint32_t high)
{
	struct bpf_insn first = insns_get(list, ref->index);
	struct bpf_insn second = insns_get(list, ref->index + 1);

	first.src_reg = src & 15;
	first.imm = (int32_t)low;
	second.imm = (int32_t)high;
	insns_set(list, ref->index, first);
	insns_set(list, ref->index + 1, second);
	ref->resolved = 1;
}

int insns_rewrite_map(struct insns *list, const char *name, int fd, struct error *err)
{
	uint32_t number, i;
	int n = count_loads(list, name, &number, err);

	for (i = 0; n > 0 && i < list->ref_count; i++) {
		if (list->refs[i].name != number)
			continue;
		if (list->refs[i].kind == INSN_REF_MAP_VALUE)
			set_load(list, &list->refs[i], BPF_PSEUDO_MAP_VALUE, (uint32_t)fd,
				list->refs[i].offset);
		else
			set_load(list, &list->refs[i], BPF_PSEUDO_MAP_FD, (uint32_t)fd, 0);
	}
	return n;
}

int insns_rewrite_constant(struct insns *list, const char *name, uint64_t value, struct error *err)
{
	uint32_t number, i;
	int n = count_loads(list, name, &number, err);

	for (i = 0; n > 0 && i < list->ref_count; i++) {
		if (list->refs[i].name == number)
			set_load(list, &list->refs[i], 0, (uint32_t)value, (uint32_t)(value >> 32));
	}
	return n;
}
