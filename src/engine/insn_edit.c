/* SPDX-License-Identifier: MIT */
#include "insn_edit.h"

#include <errno.h>

#include "insn_jump.h"

struct splice {
	struct insns *out;
	const struct insns *list, *with;
	uint32_t at, end; /* of the slots that are removed */
	bool with_types; /* types of functions and lines of source of `with` are wanted */
};

uint32_t insns_length(const struct insns *list, uint32_t index)
{
	return insns_is_load64(list, index) ? 2 : 1;
}

/* Where an instruction that stays has got to. */
static uint32_t moved(const struct splice *s, uint32_t index)
{
	return index < s->at ? index : index - s->end + s->at + s->with->count;
}

/* Where something leads that led to an index. */
static uint32_t target_of(const struct splice *s, uint32_t index)
{
	if (index <= s->at)
		return index;
	return index < s->end ? s->at + s->with->count : moved(s, index);
}

static int check_place(const struct splice *s, struct error *err)
{
	uint32_t i = 0;

	while (i < s->list->count && i < s->at)
		i += insns_length(s->list, i);
	if (i == s->at) {
		while (i < s->list->count && i < s->end)
			i += insns_length(s->list, i);
		if (i == s->end)
			return 0;
	}
	return error_set(err, EINVAL, "slot %u is the second half of a 64-bit load", i);
}

static int copy_code(struct splice *s, struct error *err)
{
	const struct insns *list = s->list;

	if (s->with->count && list->count && s->with->foreign != list->foreign)
		return error_set(err, EINVAL, "the instructions differ in byte order");
	s->out->foreign = list->count ? list->foreign : s->with->foreign;
	s->out->ids = list->count ? list->ids : s->with->ids;
	if (insns_append(s->out, list->code, s->at, err) < 0 ||
		insns_append(s->out, s->with->code, s->with->count, err) < 0)
		return -1;
	if (s->end == list->count)
		return 0;
	return insns_append(s->out, list->code + s->end, list->count - s->end, err);
}

/* Whether a function that began at `index` has instructions left, when the next one began at
 * `next`. */
static bool is_left(const struct splice *s, uint32_t index, uint32_t next)
{
	return target_of(s, index) < (next >= s->list->count ? s->out->count : target_of(s, next));
}

/* Where the first function behind the one at `i` begins. */
static uint32_t next_function(const struct insns *list, uint32_t i)
{
	uint32_t next = i;

	while (next < list->symbol_count && list->symbols[next].index == list->symbols[i].index)
		next++;
	return next < list->symbol_count ? list->symbols[next].index : list->count;
}

/* Whether all of a function that is called, and known by name, is removed. */
static bool loses_function(const struct splice *s, uint32_t target)
{
	const struct insns *list = s->list;
	uint32_t i;

	for (i = 0; i < list->symbol_count && list->symbols[i].index <= target; i++) {
		if (list->symbols[i].index == target)
			return !is_left(s, target, next_function(list, i));
	}
	return false;
}

/* Gives a jump at `index` its new distance. */
static int fix_jump(struct splice *s, uint32_t index, struct error *err)
{
	struct bpf_insn insn = insns_get(s->list, index);
	const struct insn_ref *ref = insns_find_ref(s->list, index);
	enum insn_jump jump = insn_jump(&insn);
	int64_t target = (int64_t)index + 1 + insn_jump_distance(&insn), distance;
	uint32_t leads_to;

	if (jump == INSN_JUMP_NONE || (ref && !ref->resolved) || target < 0 ||
		target > s->list->count)
		return 0;
	leads_to = target_of(s, (uint32_t)target);
	if (jump == INSN_JUMP_CALL && loses_function(s, (uint32_t)target))
		return error_set(
			err, EINVAL, "instruction %u calls the function that is removed", index);
	if (leads_to == s->out->count && target != s->list->count)
		return error_set(err, EINVAL,
			"instruction %u jumps to what is removed, and nothing follows it", index);
	distance = (int64_t)leads_to - moved(s, index) - 1;
	if (jump == INSN_JUMP_OFF && (distance < INT16_MIN || distance > INT16_MAX))
		return error_set(err, ERANGE, "the jump of instruction %u becomes too long", index);
	if (jump == INSN_JUMP_OFF)
		insn.off = (int16_t)distance;
	else
		insn.imm = (int32_t)distance;
	insns_set(s->out, moved(s, index), insn);
	return 0;
}

static int fix_jumps(struct splice *s, struct error *err)
{
	uint32_t i;

	for (i = 0; i < s->list->count; i += insns_length(s->list, i)) {
		if ((i < s->at || i >= s->end) && fix_jump(s, i, err) < 0)
			return -1;
	}
	return 0;
}

static int copy_symbols(struct splice *s, struct error *err)
{
	const struct insn_symbol *symbol;
	const struct insns *list = s->list;
	uint32_t i;

	for (i = 0; i < list->symbol_count; i++) {
		symbol = &list->symbols[i];
		if (is_left(s, symbol->index, next_function(list, i)) &&
			insns_add_symbol(s->out, target_of(s, symbol->index),
				insns_name(list, symbol->name), err) < 0)
			return -1;
	}
	for (i = 0; i < s->with->symbol_count; i++) {
		symbol = &s->with->symbols[i];
		if (insns_add_symbol(s->out, s->at + symbol->index,
			    insns_name(s->with, symbol->name), err) < 0)
			return -1;
	}
	return 0;
}

static int copy_ref(struct splice *s, const struct insns *from, const struct insn_ref *ref,
	uint32_t index, struct error *err)
{
	if (insns_add_ref(s->out, index, ref->kind, insns_name(from, ref->name), ref->offset, err) <
		0)
		return -1;
	s->out->refs[s->out->ref_count - 1].resolved = ref->resolved;
	return 0;
}

/* Those before the place, those of `with`, those behind. */
static int copy_refs(struct splice *s, struct error *err)
{
	const struct insns *list = s->list, *with = s->with;
	uint32_t i = 0, j;

	for (; i < list->ref_count && list->refs[i].index < s->at; i++) {
		if (copy_ref(s, list, &list->refs[i], list->refs[i].index, err) < 0)
			return -1;
	}
	for (j = 0; j < with->ref_count; j++) {
		if (copy_ref(s, with, &with->refs[j], s->at + with->refs[j].index, err) < 0)
			return -1;
	}
	for (; i < list->ref_count; i++) {
		if (list->refs[i].index >= s->end &&
			copy_ref(s, list, &list->refs[i], moved(s, list->refs[i].index), err) < 0)
			return -1;
	}
	return 0;
}

static int copy_relo(struct splice *s, const struct insns *from, const struct insn_relo *relo,
	uint32_t index, struct error *err)
{
	struct insn_relo copy = *relo;

	copy.index = index;
	if (relo->types)
		return insns_add_relo(s->out, &copy, err);
	return insns_add_loose_relo(s->out, &copy, insns_relo_access(from, relo), err);
}

static int copy_relos(struct splice *s, struct error *err)
{
	const struct insns *list = s->list, *with = s->with;
	uint32_t i = 0, j;

	for (; i < list->relo_count && list->relos[i].index < s->at; i++) {
		if (copy_relo(s, list, &list->relos[i], list->relos[i].index, err) < 0)
			return -1;
	}
	for (j = 0; j < with->relo_count; j++) {
		if (copy_relo(s, with, &with->relos[j], s->at + with->relos[j].index, err) < 0)
			return -1;
	}
	for (; i < list->relo_count; i++) {
		if (list->relos[i].index >= s->end &&
			copy_relo(s, list, &list->relos[i], moved(s, list->relos[i].index), err) <
				0)
			return -1;
	}
	return 0;
}

static int add_func(struct splice *s, struct abi_func_info func, uint32_t index, struct error *err)
{
	func.insn_off = index;
	return insns_add_func(s->out, func, err);
}

/* Types of functions stay with those that are left. */
static int copy_funcs(struct splice *s, struct error *err)
{
	const struct insns *list = s->list, *with = s->with;
	const struct abi_func_info *func = list->funcs, *end = func + list->func_count;
	uint32_t next, i;

	/* A record at the place itself is the type of a function that now begins with `with`. */
	for (; func < end && func->insn_off <= s->at; func++) {
		next = func + 1 < end ? func[1].insn_off : list->count;
		if (is_left(s, func->insn_off, next) && add_func(s, *func, func->insn_off, err) < 0)
			return -1;
	}
	for (i = 0; s->with_types && i < with->func_count; i++) {
		if (s->out->func_count && s->out->funcs[s->out->func_count - 1].insn_off ==
						  s->at + with->funcs[i].insn_off)
			continue;
		if (add_func(s, with->funcs[i], s->at + with->funcs[i].insn_off, err) < 0)
			return -1;
	}
	for (; func < end; func++) {
		next = func + 1 < end ? func[1].insn_off : list->count;
		if (is_left(s, func->insn_off, next) &&
			add_func(s, *func, target_of(s, func->insn_off), err) < 0)
			return -1;
	}
	return 0;
}

static int add_line(struct splice *s, struct abi_line_info line, uint32_t index, struct error *err)
{
	line.insn_off = index;
	return insns_add_line(s->out, line, err);
}

/* Each function needs a line of its own to begin with. */
static bool begins_function(const struct insns *list, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < list->func_count && list->funcs[i].insn_off <= index; i++) {
		if (list->funcs[i].insn_off == index)
			return true;
	}
	return false;
}

/* The line of the first instruction behind the place says so again where others came between. */
static int resume_line(struct splice *s, const struct abi_line_info *line, struct error *err)
{
	const struct abi_line_info *last =
		s->out->line_count ? &s->out->lines[s->out->line_count - 1] : NULL;
	uint32_t index = s->at + s->with->count;

	if (!line || s->end == s->list->count || (last && last->insn_off == index))
		return 0;
	if (last && line->insn_off != s->end && last->file_name_off == line->file_name_off &&
		last->line_off == line->line_off && last->line_col == line->line_col &&
		!begins_function(s->out, index))
		return 0;
	return add_line(s, *line, index, err);
}

static int copy_lines(struct splice *s, struct error *err)
{
	const struct insns *list = s->list, *with = s->with;
	const struct abi_line_info *line = list->lines, *end = line + list->line_count;
	const struct abi_line_info *resumed = NULL;
	bool own = s->with_types && with->line_count;
	uint32_t i;

	for (; line < end && line->insn_off < s->at; line++) {
		if (add_line(s, *line, line->insn_off, err) < 0)
			return -1;
		resumed = line;
	}
	if (line < end && line->insn_off == s->at && with->count) {
		resumed = line;
		if (!(own && !with->lines[0].insn_off) && add_line(s, *line, s->at, err) < 0)
			return -1;
	}
	for (i = 0; own && i < with->line_count; i++) {
		if (add_line(s, with->lines[i], s->at + with->lines[i].insn_off, err) < 0)
			return -1;
	}
	for (; line < end && line->insn_off <= s->end; line++)
		resumed = line;
	if (resume_line(s, resumed, err) < 0)
		return -1;
	for (; line < end; line++) {
		if (add_line(s, *line, moved(s, line->insn_off), err) < 0)
			return -1;
	}
	return 0;
}

int insns_splice(struct insns *out, const struct insns *list, uint32_t at, uint32_t removed,
	const struct insns *with, struct error *err)
{
	struct splice s = {.out = out, .list = list, .with = with, .at = at, .end = at + removed};
	struct btf *types = list->types ? list->types : list->count ? NULL : with->types;

	if (check_place(&s, err) < 0 || copy_code(&s, err) < 0 || fix_jumps(&s, err) < 0 ||
		copy_symbols(&s, err) < 0 || insns_copy_externs(out, list, err) < 0 ||
		insns_copy_externs(out, with, err) < 0 || copy_refs(&s, err) < 0 ||
		copy_relos(&s, err) < 0)
		return -1;
	if (!types)
		return 0;
	insns_set_types(out, types);
	s.with_types = with->types == types;
	return copy_funcs(&s, err) < 0 || copy_lines(&s, err) < 0 ? -1 : 0;
}
