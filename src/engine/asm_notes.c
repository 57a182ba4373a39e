/* SPDX-License-Identifier: MIT */
/* What stands behind an instruction: "<map counters>" tells what it refers to where its form does not,
 * "<core byte_off #12 "0:1">" how it is to be relocated, "<ksym #12 weak>" as what the symbol of the
 * kernel is declared that it refers to. */
#include <errno.h>
#include <string.h>

#include "asm_parse.h"
#include "core_relo.h"

/* Finds a string of the types; false when they have none. */
static bool find_string(const struct btf *types, const char *wanted, uint32_t *offset)
{
	uint32_t size = types->string_size - types->first_string, at;

	for (at = 0; at < size; at += (uint32_t)strlen(types->strings + at) + 1) {
		if (strcmp(types->strings + at, wanted) == 0) {
			*offset = types->first_string + at;
			return true;
		}
	}
	return false;
}

static bool read_core_kind(struct asm_parser *p, uint32_t *kind)
{
	struct asm_number number;
	char name[POOL_NAME_MAX + 1];
	const char *start;

	asm_scan_blanks(&p->scan);
	start = p->scan.at;
	if (start < p->scan.end && asm_is_name_start((unsigned char)*start)) {
		if (!asm_scan_name(&p->scan, name))
			return false;
		for (*kind = 0; core_kind_name(*kind); ++*kind) {
			if (strcmp(core_kind_name(*kind), name) == 0)
				return true;
		}
		p->scan.at = start;
		return asm_scan_expect(&p->scan, "the kind of a CO-RE relocation");
	}
	if (!asm_scan_number(&p->scan, &number))
		return false;
	*kind = (uint32_t)number.value;
	return true;
}

static bool add_relo(
	struct asm_parser *p, struct insn_relo relo, const char *access, const char *at)
{
	struct btf *types = p->options->types;

	if (!types) {
		if (insns_add_loose_relo(p->list, &relo, access, p->err) < 0)
			return asm_give_up(p);
		return true;
	}
	if (relo.type >= types->type_count || !find_string(types, access, &relo.access)) {
		return asm_scan_complain(
			&p->scan, at, "the CO-RE relocation is not one of the types given");
	}
	relo.types = types;
	if (insns_add_relo(p->list, &relo, p->err) < 0)
		return asm_give_up(p);
	return true;
}

/* What follows "<core". */
static bool read_core(struct asm_parser *p, uint32_t index)
{
	struct insn_relo relo = {.index = index};
	char access[POOL_NAME_MAX + 1], type[POOL_NAME_MAX + 1];
	const char *start = p->scan.at;
	struct asm_number number;

	if (!read_core_kind(p, &relo.kind) || !asm_scan_literal(&p->scan, "#", 1) ||
		!asm_scan_number(&p->scan, &number) || !asm_scan_name(&p->scan, access))
		return false;
	if (number.is_negative || number.value > UINT32_MAX)
		return asm_scan_complain(&p->scan, start, "the number of a type has 32 bits");
	relo.type = (uint32_t)number.value;
	if (!asm_scan_literal(&p->scan, ">", 1) &&
		(!asm_scan_name(&p->scan, type) || !asm_scan_literal(&p->scan, ">", 1)))
		return false;
	return add_relo(p, relo, access, start);
}

/* What follows "<ksym". */
static bool read_ksym(struct asm_parser *p, uint32_t index)
{
	const struct insn_ref *ref = insns_find_ref(p->list, index);
	struct btf *types = p->options->types;
	const char *start = p->scan.at;
	struct asm_number number;
	bool weak;

	if (!ref)
		return asm_scan_complain(&p->scan, start, "the instruction refers to nothing");
	if (!asm_scan_literal(&p->scan, "#", 1) || !asm_scan_number(&p->scan, &number))
		return false;
	weak = !asm_scan_literal(&p->scan, ">", 1);
	if (weak && (!asm_scan_literal(&p->scan, "weak", strlen("weak")) ||
			    !asm_scan_literal(&p->scan, ">", 1)))
		return false;
	if (number.is_negative || number.value > UINT32_MAX ||
		(types && number.value >= types->type_count))
		return asm_scan_complain(
			&p->scan, start, "the symbol's type is not one of the types given");
	if (insns_add_extern(p->list, insns_name(p->list, ref->name), types, (uint32_t)number.value,
		    weak, p->err) < 0)
		return asm_give_up(p);
	return true;
}

static bool read_ref_rest(struct asm_parser *p, uint32_t *offset, bool *resolved)
{
	struct asm_number number = {0};

	if (asm_scan_literal(&p->scan, "+", 1)) {
		if (!asm_scan_number(&p->scan, &number))
			return false;
		if (number.is_negative || number.value > UINT32_MAX)
			return asm_scan_complain(
				&p->scan, p->scan.at, "the offset does not fit into 32 bits");
	}
	*offset = (uint32_t)number.value;
	*resolved = !asm_scan_literal(&p->scan, ",", 1);
	if (!*resolved && !asm_scan_literal(&p->scan, "unresolved", strlen("unresolved")))
		return false;
	return asm_scan_literal(&p->scan, ">", 1);
}

static bool read_ref(struct asm_parser *p, uint32_t index, enum insn_ref_kind kind)
{
	const char *start = p->scan.at;
	char name[POOL_NAME_MAX + 1];
	uint32_t offset = 0, i;
	bool resolved = false;

	if (!asm_scan_name(&p->scan, name) || !read_ref_rest(p, &offset, &resolved))
		return false;
	if (p->list->ref_count && p->list->refs[p->list->ref_count - 1].index == index) {
		return asm_scan_complain(
			&p->scan, start, "the instruction refers to something already");
	}
	if (insns_add_ref(p->list, index, kind, name, offset, p->err) < 0)
		return asm_give_up(p);
	i = p->list->ref_count - 1;
	p->list->refs[i].resolved = resolved;
	return true;
}

static bool read_note(struct asm_parser *p, uint32_t index)
{
	int kind;

	if (asm_scan_literal(&p->scan, "core", strlen("core")))
		return read_core(p, index);
	if (asm_scan_literal(&p->scan, "ksym", strlen("ksym")))
		return read_ksym(p, index);
	for (kind = 0; kind < INSN_REF_KINDS; kind++) {
		if (asm_scan_literal(&p->scan, asm_ref_kinds[kind], strlen(asm_ref_kinds[kind])))
			return read_ref(p, index, (enum insn_ref_kind)kind);
	}
	return false;
}

bool asm_read_notes(struct asm_parser *p, uint32_t index)
{
	for (;;) {
		asm_scan_blanks(&p->scan);
		if (p->scan.at == p->scan.end || *p->scan.at != '<')
			return true;
		p->scan.at++;
		if (!read_note(p, index))
			return false;
	}
}
