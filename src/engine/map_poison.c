/* SPDX-License-Identifier: MIT */
#include "map_poison.h"

#include <errno.h>

static bool refers_to_map(const struct insn_ref *ref)
{
	return ref->kind == INSN_REF_MAP || ref->kind == INSN_REF_MAP_VALUE;
}

static bool is_open(const struct insn_ref *ref, uint32_t name)
{
	return ref->name == name && refers_to_map(ref) && !ref->resolved;
}

int map_poison(struct insns *list, const char *name, struct error *err)
{
	static const struct bpf_insn call = {.code = BPF_JMP_CALL, .imm = MAP_POISON};
	uint32_t number, i;
	int n = 0;

	if (!pool_find(&list->names, name, &number))
		return 0;
	for (i = 0; i < list->ref_count; i++) {
		if (is_open(&list->refs[i], number) && !insns_is_load64(list, list->refs[i].index))
			return error_set(err, EINVAL,
				"instruction %u refers to \"%.80s\", but is no 64-bit load",
				list->refs[i].index, name);
	}
	for (i = 0; i < list->ref_count; i++) {
		if (!is_open(&list->refs[i], number))
			continue;
		/* The second half, too, which would be an unknown instruction. */
		insns_set(list, list->refs[i].index, call);
		insns_set(list, list->refs[i].index + 1, call);
		list->refs[i].resolved = 1;
		n++;
	}
	return n;
}

bool map_poison_explain(const struct insns *list, const struct verifier_log *log, struct error *err)
{
	const struct insn_ref *ref;
	struct bpf_insn insn;

	if (!list || !log->has_index || log->index >= list->count ||
		!verifier_log_says(log, "invalid func unknown#"))
		return false;
	ref = insns_find_ref(list, log->index);
	insn = insns_get(list, log->index);
	if (!ref || !refers_to_map(ref) || insn.code != BPF_JMP_CALL || insn.imm != MAP_POISON)
		return false;
	error_append(err,
		": map \"%.80s\" is not created: set autocreate of its spec to true, or guard what "
		"needs the map by a constant",
		insns_name(list, ref->name));
	return true;
}
