/* SPDX-License-Identifier: MIT */
/*
 * Instructions put in, taken out and exchanged, so that everything still leads where it did: jumps,
 * calls, functions, references, relocations and lines of source.
 */
#ifndef EBPF_INSN_EDIT_H
#define EBPF_INSN_EDIT_H

#include "error.h"
#include "insn.h"

#pragma GCC visibility push(hidden)

/*
 * Fills the empty list `out` with the instructions of `list`, where those of `with` have taken the
 * place of `removed` slots from the index `at`. What led to the first of these leads to the first
 * of `with`, also when nothing is removed; what led to others of them leads behind `with`. A
 * function that loses all its instructions is gone. Lines of source of `with` are kept where it
 * has them of the same BTF.
 *
 * Returns -1 with EINVAL (the place is in the middle of a 64-bit load, a jump would lead behind
 * the last instruction, the byte orders differ), ERANGE (a jump becomes too long) or EEXIST (both
 * lists define a function); `out` is then good for nothing but insns_free().
 */
int insns_splice(struct insns *out, const struct insns *list, uint32_t at, uint32_t removed,
	const struct insns *with, struct error *err);

/* How many slots the instruction at an index takes. */
uint32_t insns_length(const struct insns *list, uint32_t index);

#pragma GCC visibility pop

#endif
