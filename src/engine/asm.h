/* SPDX-License-Identifier: MIT */
/*
 * Text to instructions: what disasm() writes, and likewise what llvm-objdump, bpftool and the
 * kernel's verifier write. See asm_forms.h for the instructions. Besides them there are
 *
 *	name:			a label; one that is not jumped to is a function
 *	goto name		jumps lead to labels or so many instructions on: "+3", "pc+3"
 *	.equ NAME, 5		a constant, which may stand for any number from there on
 *	.insn 0x85, 0, 1, 0, -1	opcode, dst, src, off and imm of any slot
 *	; // # and C's comments	";" only at the beginning of a line: elsewhere it ends an instruction
 *	12:  (b7)  <L4>		numbers, opcodes and targets, as others write them
 *
 * "<L4>" behind the distance of a jump decides where it leads if the text defines the label.
 */
#ifndef EBPF_ASM_H
#define EBPF_ASM_H

#include <stddef.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"
#include "insn.h"

#pragma GCC visibility push(hidden)

struct asm_constant {
	const char *name;
	uint64_t value; /* in two's complement */
	bool is_negative;
};

struct asm_options {
	bool foreign; /* make them for the byte order that this machine does not have */
	struct btf *types; /* that CO-RE relocations in the text are about; NULL: not known */
	const struct asm_constant *constants;
	uint32_t constant_count;
};

/* `list` must be empty. Returns -1 with EINVAL and "line:column: what is wrong", after which the
 * list is good for nothing but insns_free(). */
int asm_parse(struct insns *list, const char *text, size_t size, const struct asm_options *options,
	struct error *err);

#pragma GCC visibility pop

#endif
