/* SPDX-License-Identifier: MIT */
/* Names of places in the text. */
#include <errno.h>
#include <string.h>

#include "asm_parse.h"

struct asm_label *asm_label(struct asm_parser *p, const char *name, uint32_t *number)
{
	struct asm_label *grown;

	if (pool_add(&p->label_names, name, number, p->err) < 0)
		return NULL;
	if (*number == p->label_count) {
		grown = pool_grow(p->labels, &p->label_room, p->label_count, 1, sizeof(*grown));
		if (!grown) {
			error_errno(p->err, ENOMEM, "keep the label \"%.80s\"", name);
			return NULL;
		}
		p->labels = grown;
		grown[p->label_count++] = (struct asm_label){0};
	}
	return &p->labels[*number];
}

bool asm_jump_to(
	struct asm_parser *p, const char *name, const char *at, uint32_t index, bool must_exist)
{
	struct asm_jump *grown;
	uint32_t number;

	if (!asm_label(p, name, &number))
		return asm_give_up(p);
	grown = pool_grow(p->jumps, &p->jump_room, p->jump_count, 1, sizeof(*grown));
	if (!grown) {
		error_errno(p->err, ENOMEM, "keep a jump to \"%.80s\"", name);
		return asm_give_up(p);
	}
	p->jumps = grown;
	grown[p->jump_count++] = (struct asm_jump){
		.index = index, .label = number, .at = at, .must_exist = must_exist};
	return true;
}

static int set_distance(struct asm_parser *p, const struct asm_jump *jump)
{
	const struct asm_label *label = &p->labels[jump->label];
	struct bpf_insn insn = insns_get(p->list, jump->index);
	int64_t distance = (int64_t)label->index - jump->index - 1;

	switch (insn_jump(&insn)) {
	case INSN_JUMP_OFF:
		if (distance < INT16_MIN || distance > INT16_MAX)
			return asm_scan_fail_at(&p->scan, jump->at, p->err,
				"label \"%.80s\" is %lld instructions away, which is too far: "
				"gotol reaches it",
				pool_get(&p->label_names, jump->label), (long long)distance);
		insn.off = (int16_t)distance;
		break;
	case INSN_JUMP_IMM:
	case INSN_JUMP_CALL:
		insn.imm = (int32_t)distance;
		break;
	default:
		return 0;
	}
	insns_set(p->list, jump->index, insn);
	return 0;
}

static int resolve_jump(struct asm_parser *p, const struct asm_jump *jump)
{
	struct asm_label *label = &p->labels[jump->label];

	if (!label->at) {
		if (!jump->must_exist)
			return 0;
		return asm_scan_fail_at(&p->scan, jump->at, p->err, "there is no label \"%.80s\"",
			pool_get(&p->label_names, jump->label));
	}
	label->is_jumped_to = true;
	return set_distance(p, jump);
}

/* A call by a name alone is one of the text's own function, or of a function elsewhere. */
static void find_callees(struct asm_parser *p)
{
	struct insn_ref *ref;
	uint32_t i, number;
	bool known;

	for (i = 0; i < p->list->ref_count; i++) {
		ref = &p->list->refs[i];
		known = pool_find(&p->label_names, insns_name(p->list, ref->name), &number) &&
			p->labels[number].at;
		if (ref->kind == INSN_REF_KINDS)
			ref->kind = known ? INSN_REF_CALL : INSN_REF_EXTERN;
		if (known && (ref->kind == INSN_REF_CALL || ref->kind == INSN_REF_FUNC))
			p->labels[number].is_called = true;
	}
}

int asm_resolve_labels(struct asm_parser *p)
{
	const struct asm_label *label;
	const char *name;
	uint32_t i;

	for (i = 0; i < p->jump_count; i++) {
		if (resolve_jump(p, &p->jumps[i]) < 0)
			return -1;
	}
	find_callees(p);
	for (i = 0; i < p->label_count; i++) {
		label = &p->labels[i];
		name = pool_get(&p->label_names, i);
		if (!label->at)
			continue;
		if (label->index == p->list->count)
			return asm_scan_fail_at(&p->scan, label->at, p->err,
				"no instruction follows the label \"%.80s\"", name);
		if ((!label->is_jumped_to || label->is_called) &&
			insns_add_symbol(p->list, label->index, name, p->err) < 0)
			return -1;
	}
	return 0;
}
