/* SPDX-License-Identifier: MIT */
#include "disasm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asm_forms.h"
#include "core_relo.h"
#include "helpers.h"
#include "insn_jump.h"

enum { LABEL_SIZE = 16 };

/* What is known about each slot, and one behind the last. */
enum { IS_TARGET = 1, IS_START = 2, HAS_LABEL = 4 };

struct printer {
	const struct insns *list;
	struct text *out;
	uint8_t *slots; /* NULL: without labels */
	uint32_t index; /* of the instruction being printed */
	int64_t target; /* where the form that fits has a jump to; -1: nowhere */
	struct bpf_insn insn;
	bool is_wide; /* it is a load that takes two slots */
	struct bpf_insn second;
	const struct insn_ref *ref; /* what the instruction refers to, or NULL */
};

static bool is_plain(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;

	if (!asm_is_name_start(*s))
		return false;
	while (asm_is_name(*s))
		s++;
	return !*s;
}

/* A name as it is, or in quotes. */
static void print_name(struct text *out, const char *name)
{
	const unsigned char *s = (const unsigned char *)name;

	if (is_plain(name)) {
		text_print(out, "%s", name);
		return;
	}
	text_add(out, "\"", 1);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			text_print(out, "\\%c", *s);
		else if (*s < ' ' || *s == 127)
			text_print(out, "\\x%02x", *s);
		else
			text_add(out, (const char *)s, 1);
	}
	text_add(out, "\"", 1);
}

static void make_label(char *out, uint32_t index)
{
	snprintf(out, LABEL_SIZE, "L%" PRIu32, index);
}

static void print_jump(struct printer *p, int64_t distance)
{
	int64_t target = (int64_t)p->index + 1 + distance;
	char label[LABEL_SIZE];

	text_print(p->out, "%+" PRId64, distance);
	if (!p->slots || target < 0 || target >= p->list->count)
		return;
	p->target = target;
	if (!(p->slots[target] & HAS_LABEL))
		return;
	make_label(label, (uint32_t)target);
	text_print(p->out, " <%s>", label);
}

/* What prints operands: each copies what it prints from the instruction to `shown`, so that what
 * is not shown can be told. Returns false when the form cannot show it. */
static bool print_register(struct printer *p, char letter, struct bpf_insn *shown)
{
	bool is_dst = strchr("DdEe", letter) != NULL;
	char width = strchr("DSEF", letter) ? 'r' : 'w';

	if (is_dst)
		shown->dst_reg = p->insn.dst_reg;
	else
		shown->src_reg = p->insn.src_reg;
	text_print(p->out, "%c%u", width, is_dst ? p->insn.dst_reg : p->insn.src_reg);
	return true;
}

static bool print_imm(struct printer *p, char letter, struct bpf_insn *shown)
{
	uint32_t imm = (uint32_t)p->insn.imm;

	switch (letter) {
	case 'A':
		shown->imm = (int32_t)(((uint32_t)shown->imm & 0xffff) | (imm & 0xffff0000));
		text_print(p->out, "%u", imm >> 16);
		return true;
	case 'a':
		shown->imm = (int32_t)(((uint32_t)shown->imm & 0xffff0000) | (imm & 0xffff));
		text_print(p->out, "%u", imm & 0xffff);
		return true;
	case 'B':
		shown->imm = p->insn.imm;
		if (!names_of(&helpers, imm))
			return false;
		text_print(p->out, "%s", names_of(&helpers, imm));
		return true;
	case 'L':
		shown->imm = p->insn.imm;
		print_jump(p, p->insn.imm);
		return true;
	default:
		shown->imm = p->insn.imm;
		text_print(p->out, "%d", p->insn.imm);
		return true;
	}
}

static bool print_off(struct printer *p, char letter, struct bpf_insn *shown)
{
	int off = p->insn.off;

	shown->off = p->insn.off;
	if (letter == 'J')
		print_jump(p, off);
	else if (letter == 'T')
		text_print(p->out, "%d", off);
	else
		text_print(p->out, " %c %d", off < 0 ? '-' : '+', abs(off));
	return true;
}

static bool print_operand(
	struct printer *p, const char *word, char letter, struct bpf_insn *shown, int32_t *high)
{
	switch (letter) {
	case '%':
		text_add(p->out, "%", 1);
		return true;
	case 'o':
		text_print(p->out, "%s", word);
		return true;
	case 'N':
		print_name(p->out, insns_name(p->list, p->ref->name));
		return true;
	case 'V':
		text_print(p->out, "%" PRIu32, p->ref->offset);
		return true;
	case 'Q':
		shown->imm = p->insn.imm;
		*high = p->second.imm;
		text_print(p->out, "%" PRId64,
			(int64_t)((uint64_t)(uint32_t)*high << 32 | (uint32_t)shown->imm));
		return true;
	case 'H':
		*high = p->second.imm;
		text_print(p->out, "%d", *high);
		return true;
	case 'O':
	case 'J':
	case 'T':
		return print_off(p, letter, shown);
	default:
		if (strchr("DdEeSsFf", letter))
			return print_register(p, letter, shown);
		return print_imm(p, letter, shown);
	}
}

static bool is_same(const struct bpf_insn *a, const struct bpf_insn *b)
{
	return a->code == b->code && a->dst_reg == b->dst_reg && a->src_reg == b->src_reg &&
	       a->off == b->off && a->imm == b->imm;
}

/* Prints the instruction in this form; false, and nothing is printed, when it has more to say
 * than the form shows. */
static bool print_form(struct printer *p, const struct asm_form *form, int number)
{
	struct bpf_insn shown = asm_form_insn(form, (unsigned int)number);
	const char *word = asm_families[form->family].words[number];
	size_t start = p->out->size;
	const char *s = form->pattern;
	int32_t high = 0;
	bool fits = true;

	p->target = -1;
	for (; fits && *s; s++) {
		if (*s == '%')
			fits = print_operand(p, word, *++s, &shown, &high);
		else
			text_add(p->out, s, 1);
	}
	if (fits && is_same(&shown, &p->insn) && (!p->is_wide || high == p->second.imm))
		return true;
	text_cut(p->out, start);
	p->target = -1;
	return false;
}

/* A call says no more than the name, where that is enough to tell what is called. */
static enum asm_ref ref_form(const struct printer *p)
{
	const char *name = insns_name(p->list, p->ref->name);
	bool is_call = p->insn.code == BPF_JMP_CALL;
	uint32_t ignored;
	bool defined = insns_find_defined(p->list, p->ref->name, &ignored);
	bool is_helper = names_find(&helpers, name, &ignored);

	switch (p->ref->kind) {
	case INSN_REF_MAP:
		return ASM_REF_MAP;
	case INSN_REF_MAP_VALUE:
		return ASM_REF_MAP_VALUE;
	case INSN_REF_FUNC:
		return ASM_REF_FUNC;
	case INSN_REF_CALL:
		return defined && !is_helper ? ASM_REF_PLAIN_CALL : ASM_REF_CALL;
	case INSN_REF_EXTERN:
		if (!is_call)
			return ASM_REF_EXTERN;
		return defined || is_helper ? ASM_REF_EXTERN_CALL : ASM_REF_PLAIN_CALL;
	default:
		return ASM_REF_NONE;
	}
}

static bool loads_map(const struct asm_form *form)
{
	return form->code == BPF_LD_IMM64 &&
	       (form->src == BPF_PSEUDO_MAP_FD || form->src == BPF_PSEUDO_MAP_VALUE);
}

static bool print_any_form(struct printer *p, enum asm_ref ref)
{
	const struct asm_form *form;
	int number;

	for (form = asm_forms; form->pattern; form++) {
		if (form->alias || form->ref != ref ||
			(loads_map(form) && form->ids != p->list->ids))
			continue;
		number = asm_form_number(form, &p->insn);
		if (number >= 0 && print_form(p, form, number))
			return true;
	}
	return false;
}

/* What no form shows, as numbers: opcode, registers, offset, immediate. */
static void print_raw(struct printer *p)
{
	text_print(p->out, ".insn 0x%02x, %u, %u, %d, %d", p->insn.code, p->insn.dst_reg,
		p->insn.src_reg, p->insn.off, p->insn.imm);
}

/* " <map counters>": what the instruction refers to, where its form does not tell. */
static void print_ref(struct printer *p)
{
	text_print(p->out, " <%s ", asm_ref_kinds[p->ref->kind]);
	print_name(p->out, insns_name(p->list, p->ref->name));
	if (p->ref->offset)
		text_print(p->out, " + %" PRIu32, p->ref->offset);
	text_print(p->out, "%s>", p->ref->resolved ? "" : ", unresolved");
}

/* Whether a 64-bit load has in its second slot nothing but the upper half of the number. */
static bool is_wide(const struct insns *list, uint32_t index)
{
	struct bpf_insn second;

	if (!insns_is_load64(list, index) || insns_find_ref(list, index + 1))
		return false;
	second = insns_get(list, index + 1);
	return !second.code && !second.dst_reg && !second.src_reg && !second.off;
}

/* Returns the slots that it takes. */
static uint32_t print_insn(struct printer *p, uint32_t index, bool annotate)
{
	bool names = false, shown = false;

	p->index = index;
	p->target = -1;
	p->insn = insns_get(p->list, index);
	p->ref = insns_find_ref(p->list, index);
	p->is_wide = is_wide(p->list, index);
	if (p->is_wide)
		p->second = insns_get(p->list, index + 1);
	if (p->is_wide || p->insn.code != BPF_LD_IMM64) {
		if (p->ref && !p->ref->resolved && ref_form(p) != ASM_REF_NONE)
			names = print_any_form(p, ref_form(p));
		shown = names || print_any_form(p, ASM_REF_NONE);
	}
	if (!shown)
		print_raw(p);
	if (p->ref && !names && annotate)
		print_ref(p);
	return shown && p->is_wide ? 2 : 1;
}

void disasm_insn(const struct insns *list, uint32_t index, struct text *out)
{
	struct printer p = {.list = list, .out = out};

	print_insn(&p, index, false);
}

const struct abi_line_info *disasm_line(const struct insns *list, uint32_t index)
{
	uint32_t low = 0, high = list->line_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list->lines[middle].insn_off <= index)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &list->lines[low - 1] : NULL;
}

/* Text of others in a comment of one line. */
static void print_printable(struct text *out, const char *s)
{
	for (; *s; s++)
		text_add(out, (unsigned char)*s < ' ' || *s == 127 ? " " : s, 1);
}

static void print_line(struct printer *p, const struct abi_line_info *line)
{
	const char *source = btf_string(p->list->types, line->line_off);
	const char *file = btf_string(p->list->types, line->file_name_off);
	const char *slash = strrchr(file, '/');

	source += strspn(source, " \t");
	if (!*source)
		return;
	text_add(p->out, "; ", 2);
	print_printable(p->out, source);
	text_add(p->out, " @ ", 3);
	print_printable(p->out, slash ? slash + 1 : file);
	text_print(p->out, ":%" PRIu32 "\n", line->line_col >> 10);
}

/* What a CO-RE relocation asks for; its types are not in the text. */
static void print_relo(struct printer *p, const struct insn_relo *relo)
{
	const char *kind = core_kind_name(relo->kind);
	const char *access = insns_relo_access(p->list, relo);

	if (relo->state != INSN_RELO_OPEN)
		return;
	text_add(p->out, " <core ", 7);
	if (kind)
		text_print(p->out, "%s", kind);
	else
		text_print(p->out, "%" PRIu32, relo->kind);
	text_print(p->out, " #%" PRIu32 " ", relo->type);
	print_name(p->out, access);
	if (relo->types && *btf_name(relo->types, btf_type(relo->types, relo->type))) {
		text_add(p->out, " ", 1);
		print_name(p->out, btf_name(relo->types, btf_type(relo->types, relo->type)));
	}
	text_add(p->out, ">", 1);
}

/* What is declared of a symbol of the kernel; its type is not in the text. */
static void print_extern(struct printer *p, uint32_t index)
{
	const struct insn_ref *ref = insns_find_ref(p->list, index);
	const struct insn_extern *declared = NULL;

	if (ref && ref->kind == INSN_REF_EXTERN && !ref->resolved)
		declared = insns_find_extern(p->list, ref->name);
	if (declared)
		text_print(p->out, " <ksym #%" PRIu32 "%s>", declared->type,
			declared->weak ? " weak" : "");
}

/* Finds out where instructions begin and which of them jumps lead to. What is printed as numbers
 * has no label to lead to, so that the way to know is to print. */
static void mark_slots(struct printer *p, struct text *scratch)
{
	const struct insns *list = p->list;
	char label[LABEL_SIZE];
	struct bpf_insn insn;
	uint32_t i, ignored;

	p->out = scratch;
	for (i = 0; i < list->count; i++) {
		p->slots[i] |= IS_START;
		insn = insns_get(list, i);
		if (insn_jump(&insn) != INSN_JUMP_NONE) {
			print_insn(p, i, false);
			if (p->target >= 0)
				p->slots[p->target] |= IS_TARGET;
		}
		text_cut(scratch, 0);
		if (is_wide(list, i))
			i++;
	}
	for (i = 0; i < list->count; i++) {
		make_label(label, i);
		if (p->slots[i] == (IS_TARGET | IS_START) &&
			!pool_find(&list->names, label, &ignored))
			p->slots[i] |= HAS_LABEL;
	}
}

static void print_list(struct printer *p)
{
	const struct insns *list = p->list;
	uint32_t i, n, symbol = 0, line = 0, relo = 0;

	for (i = 0; i < list->count; i += n) {
		for (; symbol < list->symbol_count && list->symbols[symbol].index <= i; symbol++) {
			print_name(p->out, insns_name(list, list->symbols[symbol].name));
			text_add(p->out, ":\n", 2);
		}
		for (; line < list->line_count && list->lines[line].insn_off <= i; line++)
			print_line(p, &list->lines[line]);
		if (p->slots[i] & HAS_LABEL)
			text_print(p->out, "L%" PRIu32 ":\n", i);
		text_print(p->out, "%5" PRIu32 ": ", i);
		n = print_insn(p, i, true);
		for (; relo < list->relo_count && list->relos[relo].index <= i; relo++)
			print_relo(p, &list->relos[relo]);
		print_extern(p, i);
		text_add(p->out, "\n", 1);
	}
}

int disasm(const struct insns *list, struct text *out, struct error *err)
{
	uint8_t *slots = calloc((size_t)list->count + 1, 1);
	struct printer p = {.list = list, .slots = slots};
	struct text scratch = {0};

	if (slots) {
		mark_slots(&p, &scratch);
		p.out = out;
		print_list(&p);
	}
	free(slots);
	text_free(&scratch);
	if (!slots || out->failed)
		return error_errno(err, ENOMEM, "print %u instructions", list->count);
	return 0;
}
