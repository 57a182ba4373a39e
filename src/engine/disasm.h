/* SPDX-License-Identifier: MIT */
/*
 * Instructions as text that asm_parse() understands, and gives back the same bytes and references
 * for: functions by name, labels where jumps lead, and lines of source as comments.
 *
 *	count:
 *	; int count(struct xdp_md *ctx) @ count.bpf.c:12
 *	    0: r1 = map counters ll
 *	    2: if r0 == 0 goto +1 <L4>
 */
#ifndef EBPF_DISASM_H
#define EBPF_DISASM_H

#include "error.h"
#include "insn.h"
#include "text.h"

#pragma GCC visibility push(hidden)

/* The whole list, a line for each instruction, numbered by slots from 0. */
int disasm(const struct insns *list, struct text *out, struct error *err);

/* The instruction at an index below list->count, without number and labels, and without the
 * names of what has been given its value. */
void disasm_insn(const struct insns *list, uint32_t index, struct text *out);

/* The source of the instruction at an index: the record of its line, which may begin earlier; NULL
 * when it is not known. */
const struct abi_line_info *disasm_line(const struct insns *list, uint32_t index);

#pragma GCC visibility pop

#endif
