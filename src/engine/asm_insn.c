/* SPDX-License-Identifier: MIT */
/* One instruction: the first form that fits what the text says. */
#include <errno.h>
#include <string.h>

#include "asm_parse.h"
#include "core_relo.h"
#include "helpers.h"

/* What a form's pattern has found in the text so far. */
struct match {
	const struct asm_form *form;
	struct bpf_insn insn;
	int32_t high; /* imm of the second slot */
	bool has_dst, has_src, has_name, has_label;
	unsigned int dst, src;
	uint32_t ref_offset;
	const char *label_at;
	bool label_decides; /* there is no distance besides */
	char name[POOL_NAME_MAX + 1]; /* what is referred to */
	char label[POOL_NAME_MAX + 1];
};

static const char too_wide[] = "the number does not fit into 16 bits with a sign";
static const char too_far[] = "the offset does not fit into 16 bits with a sign";

bool asm_give_up(struct asm_parser *p)
{
	p->failed = true;
	return false;
}

static bool is_register_name(const char *name)
{
	return (name[0] == 'r' || name[0] == 'w') && strspn(name + 1, "0123456789") > 0 &&
	       !name[1 + strspn(name + 1, "0123456789")];
}

bool asm_read_number(struct asm_parser *p, struct asm_number *number)
{
	const char *start;
	char name[POOL_NAME_MAX + 1];
	bool negate = false;
	uint32_t index;

	asm_scan_blanks(&p->scan);
	start = p->scan.at;
	if (start < p->scan.end && *start == '-' && start + 1 < p->scan.end &&
		asm_is_name_start((unsigned char)start[1])) {
		negate = true;
		p->scan.at++;
	}
	if (p->scan.at == p->scan.end || !asm_is_name_start((unsigned char)*p->scan.at))
		return asm_scan_number(&p->scan, number);
	start = p->scan.at;
	if (!asm_scan_name(&p->scan, name))
		return false;
	if (!pool_find(&p->constant_names, name, &index)) {
		p->scan.at = start;
		if (is_register_name(name))
			return asm_scan_expect(&p->scan, "a number");
		return asm_scan_expect(&p->scan, "a number or the name of a constant");
	}
	*number = p->constants[index];
	if (negate) {
		number->value = -number->value;
		number->is_negative = !number->is_negative && number->value;
	}
	return true;
}

bool asm_read_int(struct asm_parser *p, int bits, bool wraps, int32_t *value)
{
	const char *start;
	struct asm_number number;
	uint64_t limit = 1ULL << (bits - 1), magnitude;

	asm_scan_blanks(&p->scan);
	start = p->scan.at;
	if (!asm_read_number(p, &number))
		return false;
	magnitude = number.is_negative ? -number.value : number.value;
	if (number.is_negative ? magnitude <= limit : magnitude < limit << wraps) {
		*value = (int32_t)(uint32_t)number.value;
		return true;
	}
	if (bits < 32)
		asm_scan_complain(&p->scan, start, bits == 17 ? too_far : too_wide);
	else if (wraps)
		asm_scan_complain(&p->scan, start, "the number does not fit into 32 bits");
	else
		asm_scan_complain(&p->scan, start,
			"the number does not fit into 32 bits with a sign: only "
			"\"r1 = 0x123456789 ll\" takes a larger one");
	p->scan.at = start;
	return false;
}

/* A register that the form has twice must be the same one. */
static bool read_register(struct asm_parser *p, struct match *m, char letter)
{
	bool is_dst = strchr("DdEe", letter) != NULL;
	bool *known = is_dst ? &m->has_dst : &m->has_src;
	unsigned int *field = is_dst ? &m->dst : &m->src, number;
	const char *start = p->scan.at;
	bool found = false;

	if (strchr("DSEFef", letter))
		found = asm_scan_register(&p->scan, 'r', &number);
	if (!found && strchr("dsEFef", letter))
		found = asm_scan_register(&p->scan, 'w', &number);
	if (!found)
		return false;
	if (*known && *field != number) {
		p->scan.at = start;
		asm_scan_blanks(&p->scan);
		return asm_scan_complain(
			&p->scan, p->scan.at, "this must be the same register as before");
	}
	*known = true;
	*field = number;
	return true;
}

/* " + 4", " - 8", or nothing: 0. */
static bool read_offset(struct asm_parser *p, struct match *m)
{
	const char *start;
	int32_t value;
	bool negate;

	asm_scan_blanks(&p->scan);
	if (p->scan.at == p->scan.end || (*p->scan.at != '+' && *p->scan.at != '-')) {
		asm_scan_expect(&p->scan, "an offset");
		return true;
	}
	start = p->scan.at;
	negate = *p->scan.at++ == '-';
	asm_scan_blanks(&p->scan);
	/* "- 32768" is fine, though 32768 alone is not. */
	if (!asm_read_int(p, 17, false, &value))
		return false;
	value = negate ? -value : value;
	if (value < INT16_MIN || value > INT16_MAX) {
		asm_scan_complain(&p->scan, start, too_far);
		p->scan.at = start;
		return false;
	}
	m->insn.off = (int16_t)value;
	return true;
}

/* "<L4>" or "<name+0x18>" behind a distance. Only the former may decide. */
static bool read_target_note(struct asm_parser *p, struct match *m)
{
	const char *start = p->scan.at;
	struct asm_number ignored;

	asm_scan_blanks(&p->scan);
	if (p->scan.at == p->scan.end || *p->scan.at != '<')
		return true;
	p->scan.at++;
	m->label_at = p->scan.at;
	if (asm_scan_name(&p->scan, m->label)) {
		if (asm_scan_literal(&p->scan, ">", 1)) {
			m->has_label = true;
			return true;
		}
		if (asm_scan_number(&p->scan, &ignored) && asm_scan_literal(&p->scan, ">", 1))
			return true;
	}
	p->scan.at = start; /* "<call name>" */
	return true;
}

static bool read_jump(struct asm_parser *p, struct match *m, char letter)
{
	int32_t value;
	size_t left;

	asm_scan_blanks(&p->scan);
	left = (size_t)(p->scan.end - p->scan.at);
	if (left > 2 && memcmp(p->scan.at, "pc", 2) == 0 &&
		(p->scan.at[2] == '+' || p->scan.at[2] == '-'))
		p->scan.at += 2;
	if (p->scan.at < p->scan.end &&
		(asm_is_name_start((unsigned char)*p->scan.at) || *p->scan.at == '"')) {
		m->label_at = p->scan.at;
		m->has_label = m->label_decides = true;
		return asm_scan_name(&p->scan, m->label);
	}
	asm_scan_expect(&p->scan, "a label or a distance such as +1");
	if (!asm_read_int(p, letter == 'J' ? 16 : 32, false, &value))
		return false;
	if (letter == 'J')
		m->insn.off = (int16_t)value;
	else
		m->insn.imm = value;
	return read_target_note(p, m);
}

static bool read_wide(struct asm_parser *p, struct match *m)
{
	struct asm_number number;

	if (!asm_read_number(p, &number))
		return false;
	m->insn.imm = (int32_t)(uint32_t)number.value;
	m->high = (int32_t)(uint32_t)(number.value >> 32);
	return true;
}

/* A comparison of 64 bits extends the sign; the verifier writes its immediate without one. */
static bool read_compared(struct asm_parser *p, struct match *m)
{
	const char *start = p->scan.at;
	struct asm_number number;

	if (!asm_read_number(p, &number))
		return false;
	p->scan.at = start;
	return asm_read_int(p, 32, number.is_hex, &m->insn.imm);
}

static bool read_half(struct asm_parser *p, struct match *m, bool upper)
{
	struct asm_number number;
	uint32_t imm = (uint32_t)m->insn.imm;

	if (!asm_read_number(p, &number))
		return false;
	if (number.is_negative || number.value > 0xffff)
		return asm_scan_complain(
			&p->scan, p->scan.at, "the number of an address space has 16 bits");
	m->insn.imm = upper ? (int32_t)((imm & 0xffff) | (uint32_t)number.value << 16)
			    : (int32_t)((imm & 0xffff0000) | (uint32_t)number.value);
	return true;
}

static bool read_helper(struct asm_parser *p, struct match *m)
{
	const char *start;
	uint32_t number;

	asm_scan_blanks(&p->scan);
	start = p->scan.at;
	if (asm_scan_name(&p->scan, m->name) && names_find(&helpers, m->name, &number)) {
		m->insn.imm = (int32_t)number;
		return true;
	}
	p->scan.at = start;
	return asm_scan_expect(&p->scan, "a helper function");
}

/* What has another number than the helper of that name, or no such name, is a kfunc. */
static bool read_numbered(struct asm_parser *p, struct match *m)
{
	uint32_t number;

	if (!asm_scan_name(&p->scan, m->name) || !asm_scan_literal(&p->scan, "#", 1) ||
		!asm_read_int(p, 32, false, &m->insn.imm))
		return false;
	if (!names_find(&helpers, m->name, &number) || (int32_t)number != m->insn.imm)
		m->insn.src_reg = BPF_PSEUDO_KFUNC_CALL;
	return true;
}

static bool read_ref_name(struct asm_parser *p, struct match *m)
{
	const char *start;
	uint32_t ignored;
	bool is_quoted;

	asm_scan_blanks(&p->scan);
	start = p->scan.at;
	is_quoted = start < p->scan.end && *start == '"';
	if (!asm_scan_name(&p->scan, m->name))
		return false;
	if (is_quoted)
		return m->has_name = true;
	/* A call of a helper has no reference; `r1 = r2 ll` is a slip. */
	if ((m->form->ref == ASM_REF_PLAIN_CALL && names_find(&helpers, m->name, &ignored)) ||
		(m->form->alias && is_register_name(m->name))) {
		p->scan.at = start;
		return false;
	}
	return m->has_name = true;
}

static bool read_ref_offset(struct asm_parser *p, struct match *m)
{
	struct asm_number number;

	if (!asm_read_number(p, &number))
		return false;
	if (number.is_negative || number.value > UINT32_MAX)
		return asm_scan_complain(
			&p->scan, p->scan.at, "the offset does not fit into 32 bits");
	m->ref_offset = (uint32_t)number.value;
	return true;
}

static bool read_off(struct asm_parser *p, struct match *m)
{
	int32_t value;

	if (!asm_read_int(p, 16, false, &value))
		return false;
	m->insn.off = (int16_t)value;
	return true;
}

static bool read_operand(struct asm_parser *p, struct match *m, char letter)
{
	switch (letter) {
	case '%':
		return asm_scan_literal(&p->scan, "%", 1);
	case 'O':
		return read_offset(p, m);
	case 'I':
	case 'i':
		return asm_read_int(p, 32, letter == 'i', &m->insn.imm);
	case 'x':
		return read_compared(p, m);
	case 'A':
	case 'a':
		return read_half(p, m, letter == 'A');
	case 'T':
		return read_off(p, m);
	case 'Q':
		return read_wide(p, m);
	case 'H':
		return asm_read_int(p, 32, true, &m->high);
	case 'J':
	case 'L':
		return read_jump(p, m, letter);
	case 'B':
		return read_helper(p, m);
	case 'K':
		return read_numbered(p, m);
	case 'N':
		return read_ref_name(p, m);
	case 'V':
		return read_ref_offset(p, m);
	default:
		return read_register(p, m, letter);
	}
}

/* The longest word of the form's family that the text has. */
static bool read_word(struct asm_parser *p, struct match *m)
{
	const struct asm_family_def *family = &asm_families[m->form->family];
	const char *start, *longest;
	int i, best = -1;
	struct bpf_insn insn;

	asm_scan_blanks(&p->scan);
	asm_scan_expect(&p->scan, family->what);
	start = longest = p->scan.at;
	p->scan.is_quiet = true;
	for (i = 0; i < ASM_WORDS; i++) {
		p->scan.at = start;
		if (family->words[i] &&
			asm_scan_literal(&p->scan, family->words[i], strlen(family->words[i])) &&
			p->scan.at > longest) {
			longest = p->scan.at;
			best = i;
		}
	}
	p->scan.at = longest;
	p->scan.is_quiet = m->form->alias;
	if (best < 0)
		return false;
	insn = asm_form_insn(m->form, (unsigned int)best);
	m->insn.code = insn.code;
	if (family->in_imm)
		m->insn.imm = insn.imm;
	return true;
}

/* The literal text at `s`: up to the next operand or blank. */
static size_t literal_size(const char *s)
{
	size_t size = 1;

	while (s[size] && s[size] != ' ' && s[size] != '%' &&
		asm_is_name((unsigned char)s[size]) == asm_is_name((unsigned char)s[size - 1]) &&
		asm_is_name((unsigned char)s[size]))
		size++;
	return size;
}

static bool read_form(struct asm_parser *p, struct match *m)
{
	const char *s = m->form->pattern;
	size_t size;

	while (*s) {
		if (*s == ' ') {
			s++;
		} else if (*s == '%') {
			if (!(s[1] == 'o' ? read_word(p, m) : read_operand(p, m, s[1])))
				return false;
			s += 2;
		} else {
			size = literal_size(s);
			if (!asm_scan_literal(&p->scan, s, size))
				return false;
			s += size;
		}
	}
	return true;
}

bool asm_emit(struct asm_parser *p, struct bpf_insn insn)
{
	static const struct bpf_insn empty;

	if (insns_append(p->list, &empty, 1, p->err) < 0)
		return asm_give_up(p);
	insns_set(p->list, p->list->count - 1, insn);
	return true;
}

static bool add_ref(struct asm_parser *p, const struct match *m, uint32_t index)
{
	static const enum insn_ref_kind kinds[] = {
		[ASM_REF_MAP] = INSN_REF_MAP,
		[ASM_REF_MAP_VALUE] = INSN_REF_MAP_VALUE,
		[ASM_REF_CALL] = INSN_REF_CALL,
		[ASM_REF_FUNC] = INSN_REF_FUNC,
		[ASM_REF_EXTERN] = INSN_REF_EXTERN,
		[ASM_REF_EXTERN_CALL] = INSN_REF_EXTERN,
		[ASM_REF_PLAIN_CALL] = INSN_REF_KINDS, /* not known before the end of the text */
	};

	if (!m->has_name)
		return true;
	if (insns_add_ref(p->list, index, kinds[m->form->ref], m->name, m->ref_offset, p->err) < 0)
		return asm_give_up(p);
	return true;
}

static bool append(struct asm_parser *p, struct match *m)
{
	uint32_t index = p->list->count;

	if (m->has_dst)
		m->insn.dst_reg = m->dst & 15;
	if (m->has_src)
		m->insn.src_reg = m->src & 15;
	if (m->form->ids)
		p->list->ids = true;
	if (!asm_emit(p, m->insn))
		return false;
	if (m->insn.code == BPF_LD_IMM64 && !asm_emit(p, (struct bpf_insn){.imm = m->high}))
		return false;
	if (m->has_label && !asm_jump_to(p, m->label, m->label_at, index, m->label_decides))
		return false;
	return add_ref(p, m, index);
}

bool asm_read_insn(struct asm_parser *p, int opcode)
{
	const char *start = p->scan.at;
	const struct asm_form *form;
	struct match m;

	for (form = asm_forms; form->pattern; form++) {
		if (form->prefixed && form->code != opcode)
			continue;
		p->scan.at = start;
		p->scan.is_quiet = form->alias;
		m.form = form;
		m.insn = asm_form_insn(form, 0);
		m.high = 0;
		m.ref_offset = 0;
		m.has_dst = m.has_src = m.has_name = m.has_label = m.label_decides = false;
		if (!read_form(p, &m))
			continue;
		if (opcode >= 0 && m.insn.code != opcode) {
			asm_scan_complain(
				&p->scan, start, "the opcode in front is another instruction's");
			continue;
		}
		asm_scan_blanks(&p->scan);
		if (!asm_scan_at_end(&p->scan) && *p->scan.at != '<') {
			asm_scan_expect(&p->scan, "the end of the instruction");
			continue;
		}
		p->scan.is_quiet = false;
		return append(p, &m);
	}
	p->scan.is_quiet = false;
	return false;
}
