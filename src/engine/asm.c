/* SPDX-License-Identifier: MIT */
#include "asm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "asm_parse.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* "12:" or "fffe:", the number of an instruction. */
static void skip_index(struct asm_scan *s)
{
	const char *p = s->at;

	while (p < s->end && is_digit(*p))
		p++;
	if (p > s->at && p < s->end && *p == ':')
		s->at = p + 1;
}

/* "b7 00 00 00 02 00 00 00": the bytes of a slot, or of two. */
static bool skip_bytes(struct asm_scan *s)
{
	const char *p;
	int i;

	asm_scan_blanks(s);
	p = s->at;
	for (i = 0; i < BPF_INSN_SIZE; i++, p += 3) {
		if (s->end - p < 3 || !is_hex(p[0]) || !is_hex(p[1]) ||
			(p[2] != ' ' && p[2] != '\t'))
			return false;
	}
	s->at = p;
	return true;
}

/* "(b7)": the opcode; -1 when there is none. */
static int read_opcode(struct asm_scan *s)
{
	const char *p;
	char digits[3];

	asm_scan_blanks(s);
	p = s->at;
	if (s->end - p < 4 || p[0] != '(' || !is_hex(p[1]) || !is_hex(p[2]) || p[3] != ')')
		return -1;
	s->at = p + 4;
	s->is_log = true;
	memcpy(digits, p + 1, 2);
	digits[2] = '\0';
	return (int)strtol(digits, NULL, 16);
}

static bool define_label(struct asm_parser *p, const char *name, const char *at)
{
	struct asm_label *label;
	uint32_t number;

	label = asm_label(p, name, &number);
	if (!label)
		return asm_give_up(p);
	if (label->at) {
		return asm_scan_complain(&p->scan, at, "there is a label of that name already");
	}
	label->at = at;
	label->index = p->list->count;
	return true;
}

/* "name:", or "0000000000000018 <name>:" as objdump has it. */
static bool read_label(struct asm_parser *p, bool *found)
{
	struct asm_scan *s = &p->scan;
	const char *start, *at;
	char name[POOL_NAME_MAX + 1];
	bool in_angles = false;

	*found = false;
	asm_scan_blanks(s);
	start = at = s->at;
	while (at < s->end && is_hex(*at))
		at++;
	if (at - start == 16 && s->end - at > 2 && at[0] == ' ' && at[1] == '<') {
		in_angles = true;
		s->at = at + 2;
	} else if (start == s->end ||
		   (!asm_is_name_start((unsigned char)*start) && *start != '"')) {
		return true;
	}
	at = s->at;
	if (!asm_scan_name(s, name))
		return false;
	if ((in_angles && !asm_scan_literal(s, ">", 1)) || !asm_scan_literal(s, ":", 1)) {
		s->at = start;
		return true;
	}
	*found = true;
	return define_label(p, name, at);
}

static bool define_constant(struct asm_parser *p, const char *name, struct asm_number number)
{
	struct asm_number *grown;
	uint32_t index;

	if (pool_add(&p->constant_names, name, &index, p->err) < 0)
		return asm_give_up(p);
	if (index == p->constant_count) {
		grown = pool_grow(
			p->constants, &p->constant_room, p->constant_count, 1, sizeof(*grown));
		if (!grown) {
			error_errno(p->err, ENOMEM, "keep the constant \"%.80s\"", name);
			return asm_give_up(p);
		}
		p->constants = grown;
		p->constant_count++;
	}
	p->constants[index] = number;
	return true;
}

/* What follows ".equ": NAME, value. */
static bool read_constant(struct asm_parser *p)
{
	char name[POOL_NAME_MAX + 1];
	struct asm_number number;

	return asm_scan_name(&p->scan, name) && asm_scan_literal(&p->scan, ",", 1) &&
	       asm_read_number(p, &number) && define_constant(p, name, number);
}

static bool read_field(struct asm_parser *p, const char *separator, uint32_t max, uint32_t *value)
{
	struct asm_number number;

	if (*separator && !asm_scan_literal(&p->scan, separator, 1))
		return false;
	if (!asm_scan_number(&p->scan, &number))
		return false;
	if (number.is_negative || number.value > max)
		return asm_scan_complain(
			&p->scan, p->scan.at, "the number does not fit into its field");
	*value = (uint32_t)number.value;
	return true;
}

/* What follows ".insn": opcode, dst, src, off, imm. */
static bool read_raw(struct asm_parser *p)
{
	uint32_t code, dst, src;
	int32_t off, imm;

	if (!read_field(p, "", UINT8_MAX, &code) || !read_field(p, ",", 15, &dst) ||
		!read_field(p, ",", 15, &src) || !asm_scan_literal(&p->scan, ",", 1) ||
		!asm_read_int(p, 16, false, &off) || !asm_scan_literal(&p->scan, ",", 1) ||
		!asm_read_int(p, 32, true, &imm))
		return false;
	return asm_emit(p, (struct bpf_insn){.code = (uint8_t)code,
				   .dst_reg = dst & 15,
				   .src_reg = src & 15,
				   .off = (int16_t)off,
				   .imm = imm});
}

static bool read_directive(struct asm_parser *p)
{
	if (asm_scan_literal(&p->scan, ".equ", 4) || asm_scan_literal(&p->scan, ".set", 4))
		return read_constant(p);
	if (!asm_scan_literal(&p->scan, ".insn", 5))
		return false;
	return read_raw(p);
}

/* One statement behind its labels. */
static bool read_statement(struct asm_parser *p, int opcode)
{
	uint32_t index = p->list->count;
	bool done;

	asm_scan_begin(&p->scan);
	if (*p->scan.at == '.')
		done = read_directive(p);
	else
		done = asm_read_insn(p, opcode);
	if (!done)
		return false;
	/* A directive may have made no instruction. */
	if (p->list->count > index && !asm_read_notes(p, index))
		return false;
	return asm_scan_end(&p->scan);
}

/* Nothing fits: says so, unless memory was the reason. */
static int fail(struct asm_parser *p, const char *start)
{
	int size;

	if (p->failed)
		return -1;
	if (p->scan.farthest > start || p->scan.complaint)
		return asm_scan_fail(&p->scan, p->err);
	for (size = 0; start + size < p->scan.end && size < 40; size++) {
		if (start[size] == '\n' || start[size] == ';')
			break;
	}
	return asm_scan_fail_at(
		&p->scan, start, p->err, "there is no instruction \"%.*s\"", size, start);
}

static int read_all(struct asm_parser *p)
{
	const char *start;
	bool is_label;
	int opcode;

	while (asm_scan_next(&p->scan)) {
		skip_index(&p->scan);
		if (skip_bytes(&p->scan))
			skip_bytes(&p->scan);
		opcode = read_opcode(&p->scan);
		asm_scan_begin(&p->scan);
		do {
			start = p->scan.at;
			if (!read_label(p, &is_label))
				return fail(p, start);
		} while (is_label);
		asm_scan_blanks(&p->scan);
		start = p->scan.at;
		if (asm_scan_at_end(&p->scan)) {
			asm_scan_end(&p->scan);
			continue;
		}
		if (!read_statement(p, opcode))
			return fail(p, start);
	}
	return asm_resolve_labels(p);
}

static int define_constants(struct asm_parser *p)
{
	const struct asm_constant *constant;
	uint32_t i;

	for (i = 0; i < p->options->constant_count; i++) {
		constant = &p->options->constants[i];
		if (!define_constant(p, constant->name,
			    (struct asm_number){.value = constant->value,
				    .is_negative = constant->is_negative}))
			return -1;
	}
	return 0;
}

int asm_parse(struct insns *list, const char *text, size_t size, const struct asm_options *options,
	struct error *err)
{
	struct asm_parser p = {
		.scan = {.text = text, .end = text + size, .at = text},
		.list = list,
		.options = options,
		.err = err,
	};
	int ret;

	list->foreign = options->foreign;
	ret = define_constants(&p);
	if (ret == 0)
		ret = read_all(&p);
	pool_free(&p.label_names);
	pool_free(&p.constant_names);
	free(p.labels);
	free(p.jumps);
	free(p.constants);
	return ret;
}
