/* SPDX-License-Identifier: MIT */
#include "xlated.h"

#include <errno.h>
#include <stdlib.h>

#include "helpers.h"
#include "kernel_names.h"

/* A call whose number is that of no helper: how far away the function is. */
static bool calls_kernel(const struct bpf_insn *insn)
{
	return insn->code == BPF_JMP_CALL && insn->src_reg != BPF_PSEUDO_CALL && insn->imm &&
	       !names_of(&helpers, (uint32_t)insn->imm);
}

/*
 * How far a call leads. The kernel keeps that where loads and stores have their offset, which has
 * 16 bits, and in its usual place the number of the function.
 */
static int32_t call_distance(const struct bpf_insn *insn, uint32_t index,
	const struct abi_func_info *funcs, uint32_t func_count)
{
	int64_t distance;

	if (insn->imm >= 0 && (uint32_t)insn->imm < func_count) {
		distance = (int64_t)funcs[insn->imm].insn_off - index - 1;
		if ((int16_t)distance == insn->off)
			return (int32_t)distance;
	}
	return insn->off;
}

/* The name of the function that begins there, or NULL. */
static const char *name_at(const struct insns *list, int64_t index)
{
	uint32_t i;

	for (i = 0; i < list->symbol_count; i++) {
		if (list->symbols[i].index == index)
			return insns_name(list, list->symbols[i].name);
	}
	return NULL;
}

static int add_name(struct insns *list, uint32_t index, enum insn_ref_kind kind, const char *name,
	struct error *err)
{
	char copy[POOL_NAME_MAX + 1];
	size_t i;

	/* The text is in the pool that it is added to, which may move. */
	for (i = 0; i < POOL_NAME_MAX && name[i]; i++)
		copy[i] = name[i];
	copy[i] = '\0';
	if (insns_add_ref(list, index, kind, copy, 0, err) < 0)
		return -1;
	list->refs[list->ref_count - 1].resolved = 1;
	return 0;
}

static int restore_call(struct insns *list, uint32_t index, const struct abi_func_info *funcs,
	uint32_t func_count, struct error *err)
{
	struct bpf_insn insn = insns_get(list, index);
	const char *name;

	insn.imm = call_distance(&insn, index, funcs, func_count);
	insn.off = 0;
	insns_set(list, index, insn);
	name = name_at(list, (int64_t)index + 1 + insn.imm);
	return name ? add_name(list, index, INSN_REF_CALL, name, err) : 0;
}

/* The address of a function, as far away as it is; the upper half has its number. */
static int restore_func(struct insns *list, uint32_t index, struct error *err)
{
	struct bpf_insn insn = insns_get(list, index), second = insns_get(list, index + 1);
	const char *name = name_at(list, (int64_t)index + 1 + insn.imm);

	second.imm = 0;
	insns_set(list, index + 1, second);
	return name ? add_name(list, index, INSN_REF_FUNC, name, err) : 0;
}

/* Counts calls of the kernel, or writes down where they lead. */
static uint32_t list_calls(const struct insns *list, uint64_t base, struct kernel_name *out)
{
	struct bpf_insn insn;
	uint32_t i, n = 0;

	for (i = 0; i < list->count; i++) {
		insn = insns_get(list, i);
		if (insns_is_load64(list, i))
			i++;
		if (!calls_kernel(&insn))
			continue;
		if (out)
			out[n].address = base + (uint64_t)(int64_t)insn.imm;
		n++;
	}
	return n;
}

static int describe(struct insns *list, const struct abi_func_info *funcs, uint32_t func_count,
	uint64_t base, const struct kernel_name *names, uint32_t name_count, struct error *err)
{
	struct bpf_insn insn;
	const char *name;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < list->count && ret == 0; i++) {
		insn = insns_get(list, i);
		if (insns_is_load64(list, i)) {
			if (insn.src_reg == BPF_PSEUDO_FUNC)
				ret = restore_func(list, i, err);
			i++;
		} else if (insn.code == BPF_JMP_CALL && insn.src_reg == BPF_PSEUDO_CALL) {
			ret = restore_call(list, i, funcs, func_count, err);
		} else if (calls_kernel(&insn)) {
			name = kernel_names_get(
				names, name_count, base + (uint64_t)(int64_t)insn.imm);
			if (*name)
				ret = add_name(list, i, INSN_REF_KERNEL, name, err);
		}
	}
	return ret;
}

int xlated_describe(struct insns *list, const struct abi_func_info *funcs, uint32_t func_count,
	struct error *err)
{
	struct kernel_name *names = NULL;
	uint32_t count = list_calls(list, 0, NULL);
	struct error ignored;
	uint64_t base = 0;
	int ret;

	list->ids = true;
	if (count)
		base = kernel_names_call_base();
	if (!base)
		count = 0;
	if (count) {
		names = calloc(count, sizeof(*names));
		if (!names)
			return error_errno(err, ENOMEM, "name %u calls", count);
		list_calls(list, base, names);
		if (kernel_names_find(names, count, &ignored) < 0)
			count = 0;
	}
	ret = describe(list, funcs, func_count, base, names, count, err);
	free(names);
	return ret;
}
