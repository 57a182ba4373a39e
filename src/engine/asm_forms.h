/* SPDX-License-Identifier: MIT */
/*
 * What each instruction looks like as text: one table, read by asm (text to instructions) and by
 * disasm (instructions to text). The spelling is llvm-objdump's; aliases are what the kernel's
 * verifier and bpftool write where they differ, and are only read.
 *
 * A pattern is literal text with operands, each "%" and a letter. White space between its parts
 * counts for nothing when text is read.
 *
 *	D S	register dst or src, 64 bits: "r1"
 *	d s	its lower 32 bits: "w1"
 *	E F	dst or src, written "r1"; "w1" is understood, too
 *	e f	the same, written "w1"
 *	o	the word that the form's family has for the instruction
 *	O	the offset of an access: " + 4", " - 8"
 *	I	imm as a number that fits 32 bits with its sign
 *	i	the same, but unsigned ones are understood, too: the operation is no wider
 *	x	the same for a comparison of 64 bits, where only hexadecimal ones are, as in "0xffffffff"
 *	A a	the upper and lower 16 bits of imm
 *	T	off as a number
 *	Q	the 64-bit immediate of a load that takes two slots
 *	H	imm of its second slot
 *	J L	where a jump leads, from off or from imm: "+3", "-2", "pc+3", or a label
 *	B	the helper function that imm is the number of
 *	K	"name#number", as the verifier writes calls
 *	N	what the instruction refers to by name
 *	V	how far into the value of a map it refers
 */
#ifndef EBPF_ASM_FORMS_H
#define EBPF_ASM_FORMS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "insn.h"

#pragma GCC visibility push(hidden)

/* Forms that differ in one operation or size share a pattern, and are a family. */
enum asm_family {
	ASM_SINGLE,
	ASM_ALU,
	ASM_JUMP,
	ASM_UNSIGNED, /* sizes below 64 bits */
	ASM_SIGNED,
	ASM_ATOMIC,
	ASM_FETCH,
	ASM_FETCH64, /* as the kernel spells them */
	ASM_FAMILIES,
};

enum { ASM_WORDS = 16 };

struct asm_family_def {
	const char *words[ASM_WORDS]; /* NULL: there is none of that number */
	const char *what; /* in messages */
	bool in_imm; /* the number is in imm, not in code */
	uint8_t shift; /* where it begins */
	uint8_t mask; /* all its bits, shifted */
};

extern const struct asm_family_def asm_families[ASM_FAMILIES];

/* What kind of reference a form has, if any. */
enum asm_ref {
	ASM_REF_NONE,
	ASM_REF_MAP,
	ASM_REF_MAP_VALUE,
	ASM_REF_CALL,
	ASM_REF_FUNC,
	ASM_REF_EXTERN, /* of a load */
	ASM_REF_EXTERN_CALL,
	ASM_REF_PLAIN_CALL, /* of the list's own function, or an external one when it has none */
};

/* The fields that the pattern does not mention have these values. */
struct asm_form {
	const char *pattern;
	uint8_t code;
	uint8_t family; /* enum asm_family */
	uint8_t src;
	int16_t off;
	int32_t imm;
	uint8_t ref; /* enum asm_ref */
	bool alias; /* only read */
	bool prefixed; /* only behind an opcode, as in "(18) r1 = 0x5" */
	bool ids; /* of lists that have ids in the place of fds, and only of these */
};

/* Where several fit, the first does. Ended by a NULL pattern. */
extern const struct asm_form asm_forms[];

/* The number in the family of `insn`; -1 when it is not of this form. */
int asm_form_number(const struct asm_form *form, const struct bpf_insn *insn);

/* The instruction with the fields that the pattern does not mention. */
struct bpf_insn asm_form_insn(const struct asm_form *form, unsigned int number);

/* "map", "map_value", ... by enum insn_ref_kind. */
extern const char *const asm_ref_kinds[INSN_REF_KINDS];

/* Whether a name needs no quotes in text. */
bool asm_is_name_start(unsigned char c);
bool asm_is_name(unsigned char c);

#pragma GCC visibility pop

#endif
