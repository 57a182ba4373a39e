/* SPDX-License-Identifier: MIT */
/* What the rooms of asm share: names that are not yet known where they stand, and one instruction. */
#ifndef EBPF_ASM_PARSE_H
#define EBPF_ASM_PARSE_H

#include "asm.h"
#include "asm_forms.h"
#include "asm_scan.h"
#include "insn_jump.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

struct asm_label {
	uint32_t index;
	const char *at; /* where it is defined; NULL: nowhere so far */
	bool is_jumped_to;
	bool is_called;
};

/* An instruction whose distance is due when all labels are known. */
struct asm_jump {
	uint32_t index;
	uint32_t label;
	const char *at;
	bool must_exist; /* else the instruction has a distance of its own */
};

struct asm_parser {
	struct asm_scan scan;
	struct insns *list;
	const struct asm_options *options;
	struct error *err;
	bool failed; /* with err: not what the text says, but memory is the reason */
	struct pool label_names;
	struct asm_label *labels; /* by number of the name */
	uint32_t label_count, label_room;
	struct asm_jump *jumps;
	uint32_t jump_count, jump_room;
	struct pool constant_names;
	struct asm_number *constants; /* likewise */
	uint32_t constant_count, constant_room;
};

/* The label of that name, known or not; NULL: memory ran out. */
struct asm_label *asm_label(struct asm_parser *p, const char *name, uint32_t *number);

/* Notes that the distance of the instruction at `index` is due. */
bool asm_jump_to(
	struct asm_parser *p, const char *name, const char *at, uint32_t index, bool must_exist);

/* Gives jumps their distances, and makes functions of the labels that nothing jumps to. */
int asm_resolve_labels(struct asm_parser *p);

/* Reads one instruction and appends it. `opcode`: what stands in front of it; -1: nothing. False:
 * none fits, or p->failed. */
bool asm_read_insn(struct asm_parser *p, int opcode);

/* Reads what stands behind an instruction, as in "<map counters>", and notes it at `index`. */
bool asm_read_notes(struct asm_parser *p, uint32_t index);

/* A number or the name of a constant. */
bool asm_read_number(struct asm_parser *p, struct asm_number *number);

/* The same where it must fit `bits` with its sign, or when `wraps`, without one. */
bool asm_read_int(struct asm_parser *p, int bits, bool wraps, int32_t *value);

/* Appends a slot. */
bool asm_emit(struct asm_parser *p, struct bpf_insn insn);

/* Fails for want of memory and the like: err is filled already. Always false. */
bool asm_give_up(struct asm_parser *p);

#pragma GCC visibility pop

#endif
