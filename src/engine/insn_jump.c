/* SPDX-License-Identifier: MIT */
#include "insn_jump.h"

enum { CLASS = 7, JMP = 5, JMP32 = 6, GOTO = 0x05, GOTOL = 0x06, MAY_GOTO = 0xe5 };

/* JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE, JLT, JLE, JSLT, JSLE */
static int is_condition(unsigned int op)
{
	return (op >= 1 && op <= 7) || (op >= 10 && op <= 13);
}

enum insn_jump insn_jump(const struct bpf_insn *insn)
{
	unsigned int class = insn->code & CLASS;

	if (insn->code == BPF_JMP_CALL)
		return insn->src_reg == BPF_PSEUDO_CALL ? INSN_JUMP_CALL : INSN_JUMP_NONE;
	if (insn->code == BPF_LD_IMM64)
		return insn->src_reg == BPF_PSEUDO_FUNC ? INSN_JUMP_CALL : INSN_JUMP_NONE;
	if (insn->code == GOTOL)
		return INSN_JUMP_IMM;
	if (insn->code == GOTO || insn->code == MAY_GOTO)
		return INSN_JUMP_OFF;
	if ((class == JMP || class == JMP32) && is_condition(insn->code >> 4))
		return INSN_JUMP_OFF;
	return INSN_JUMP_NONE;
}

int64_t insn_jump_distance(const struct bpf_insn *insn)
{
	enum insn_jump jump = insn_jump(insn);

	if (jump == INSN_JUMP_NONE)
		return 0;
	return jump == INSN_JUMP_OFF ? insn->off : insn->imm;
}
