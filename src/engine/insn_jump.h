/* SPDX-License-Identifier: MIT */
/* Which instructions lead elsewhere, and where the distance stands. It counts slots from the one
 * behind the instruction's first. */
#ifndef EBPF_INSN_JUMP_H
#define EBPF_INSN_JUMP_H

#include <stdint.h>

#include "abi.h"

#pragma GCC visibility push(hidden)

enum insn_jump {
	INSN_JUMP_NONE,
	INSN_JUMP_OFF, /* goto, may_goto, conditional ones: in off */
	INSN_JUMP_IMM, /* gotol: in imm */
	INSN_JUMP_CALL, /* a call, or the address, of a function of the program: in imm */
};

enum insn_jump insn_jump(const struct bpf_insn *insn);

/* The distance; 0 when it does not jump. */
int64_t insn_jump_distance(const struct bpf_insn *insn);

#pragma GCC visibility pop

#endif
