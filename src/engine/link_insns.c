/* SPDX-License-Identifier: MIT */
#include "link_insns.h"

#include <errno.h>

static bool is_call(const struct insns *program, const struct insn_ref *ref)
{
	return program->code[ref->index].code == BPF_JMP_CALL;
}

/* Whether a function could satisfy the reference: an external symbol is a function when it is
 * called, and may be one, or a constant, when its address is loaded. */
static bool may_be_function(const struct insn_ref *ref)
{
	return !ref->resolved && ref->kind != INSN_REF_MAP && ref->kind != INSN_REF_MAP_VALUE;
}

int link_insns(struct insns *program, link_insns_find find, void *library, struct error *err)
{
	const struct insns *function;
	struct insn_ref *ref;
	const char *name;
	uint32_t i, index;

	/* Appending a function adds its references at the end, where the loop gets to them. */
	for (i = 0; i < program->ref_count; i++) {
		ref = &program->refs[i];
		if (!may_be_function(ref))
			continue;
		name = insns_name(program, ref->name);
		if (!insns_find_defined(program, ref->name, &index)) {
			function = find(library, name);
			if (!function)
				continue;
			if (!insns_find_symbol(function, name, &index))
				return error_set(err, EINVAL,
					"the function found for \"%.80s\" does not define it",
					name);
			if (insns_append_list(program, function, err) < 0)
				return -1;
		}
		ref = &program->refs[i];
		if (ref->kind == INSN_REF_EXTERN)
			ref->kind = is_call(program, ref) ? INSN_REF_CALL : INSN_REF_FUNC;
	}
	return 0;
}

const struct insn_ref *link_insns_missing(const struct insns *program)
{
	const struct insn_ref *ref;
	uint32_t i, index;

	for (i = 0; i < program->ref_count; i++) {
		ref = &program->refs[i];
		if (!may_be_function(ref) || insns_find_defined(program, ref->name, &index))
			continue;
		if (ref->kind != INSN_REF_EXTERN ||
			(is_call(program, ref) && !insns_find_extern(program, ref->name)))
			return ref;
	}
	return NULL;
}

static const char *why_extern(const struct insns *program, const struct insn_ref *ref)
{
	if (insns_find_extern(program, ref->name))
		return "it is a symbol of the kernel, which loading the program looks for";
	if (is_call(program, ref))
		return "neither the object nor this kernel defines the function: declare one of "
		       "the kernel with __ksym, and compile with -g";
	return "the object does not define it: call rewrite_constant or rewrite_map, or declare a "
	       "symbol of the kernel with __ksym and compile with -g";
}

static int unsatisfied(const struct insns *program, const struct insn_ref *ref, struct error *err)
{
	const char *name = insns_name(program, ref->name);
	const char *why;

	switch (ref->kind) {
	case INSN_REF_MAP:
	case INSN_REF_MAP_VALUE:
		why = "it needs a map: call rewrite_map, or load the whole collection";
		break;
	case INSN_REF_EXTERN:
		why = why_extern(program, ref);
		break;
	default:
		why = "no such function: call link with the instructions that define it";
	}
	return error_set(err, ENOENT, "reference to \"%.80s\" is not satisfied: %s", name, why);
}

/* Calls and function pointers count from the instruction behind them. */
static int resolve_function(struct insns *program, struct insn_ref *ref, struct error *err)
{
	const char *name = insns_name(program, ref->name);
	struct bpf_insn insn = insns_get(program, ref->index);
	struct bpf_insn second;
	uint32_t target;

	if (!insns_find_defined(program, ref->name, &target))
		return unsatisfied(program, ref, err);
	insn.imm = (int32_t)target - (int32_t)ref->index - 1;
	if (is_call(program, ref)) {
		insn.src_reg = BPF_PSEUDO_CALL;
	} else if (insns_is_load64(program, ref->index)) {
		insn.src_reg = BPF_PSEUDO_FUNC;
		second = insns_get(program, ref->index + 1);
		second.imm = 0;
		insns_set(program, ref->index + 1, second);
	} else {
		return error_set(err, EINVAL,
			"instruction %u refers to the function \"%.80s\", but is neither a call "
			"nor a 64-bit load",
			ref->index, name);
	}
	insns_set(program, ref->index, insn);
	ref->resolved = 1;
	return 0;
}

int link_insns_resolve(struct insns *program, struct error *err)
{
	struct insn_ref *ref;
	uint32_t i;

	for (i = 0; i < program->ref_count; i++) {
		ref = &program->refs[i];
		if (ref->resolved)
			continue;
		if (ref->kind != INSN_REF_CALL && ref->kind != INSN_REF_FUNC)
			return unsatisfied(program, ref, err);
		if (resolve_function(program, ref, err) < 0)
			return -1;
	}
	return 0;
}
