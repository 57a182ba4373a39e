/* SPDX-License-Identifier: MIT */
/* Giving instructions their values. */
#include <errno.h>
#include <inttypes.h>

#include "core_relo_parts.h"

/* Fields of an instruction's code, as the instruction set has them. */
enum {
	CLASS = 0x07,
	CLASS_LD = 0x00,
	CLASS_LDX = 0x01,
	CLASS_ST = 0x02,
	CLASS_STX = 0x03,
	CLASS_ALU = 0x04,
	CLASS_ALU64 = 0x07,
	SOURCE_REGISTER = 0x08,
	SIZE = 0x18,
	SIZE_W = 0x00,
	SIZE_H = 0x08,
	SIZE_B = 0x10,
	SIZE_DW = 0x18,
	MODE = 0xe0,
	MODE_MEM = 0x60,
};

static int is_no_target(uint8_t code, struct error *err)
{
	return error_set(err, ENOEXEC, "instruction 0x%02x takes no such value", code);
}

static int has_other_value(int64_t has, const struct core_value *local, struct error *err)
{
	return error_set(err, ENOEXEC,
		"the instruction has %" PRId64 ", but by its types it should have %" PRId64, has,
		(int64_t)local->value);
}

static int does_not_fit(const struct core_value *target, struct error *err)
{
	return error_set(err, ERANGE, "%" PRId64 " does not fit into the instruction",
		(int64_t)target->value);
}

/* A constant, which 64-bit arithmetic extends by its sign. */
static int patch_immediate(struct bpf_insn *insn, const struct core_value *local,
	const struct core_value *target, struct error *err)
{
	int64_t value = (int64_t)target->value;
	bool wide = (insn->code & CLASS) == CLASS_ALU64;

	if (insn->code & SOURCE_REGISTER)
		return is_no_target(insn->code, err);
	if (!local->unsure && (uint32_t)insn->imm != (uint32_t)local->value)
		return has_other_value(insn->imm, local, err);
	if (value < INT32_MIN || value > (wide ? INT32_MAX : (int64_t)UINT32_MAX))
		return does_not_fit(target, err);
	insn->imm = (int32_t)value;
	return 0;
}

/* The bits of the code for an access of so many bytes; -1: there is none. */
static int size_bits(uint32_t bytes)
{
	switch (bytes) {
	case 1:
		return SIZE_B;
	case 2:
		return SIZE_H;
	case 4:
		return SIZE_W;
	case 8:
		return SIZE_DW;
	default:
		return -1;
	}
}

static int patch_offset(struct bpf_insn *insn, const struct core_value *local,
	const struct core_value *target, struct error *err)
{
	int size;

	if (!local->unsure && (int64_t)insn->off != (int64_t)local->value)
		return has_other_value(insn->off, local, err);
	if (target->value > INT16_MAX)
		return does_not_fit(target, err);
	if (target->size != local->size) {
		if (size_bits(local->size) != (insn->code & SIZE))
			return error_set(err, ENOEXEC,
				"instruction 0x%02x is no access to a field of %u bytes",
				insn->code, local->size);
		size = size_bits(target->size);
		if (size < 0)
			return error_set(
				err, ENOEXEC, "there is no access to %u bytes", target->size);
		insn->code = (uint8_t)((insn->code & ~SIZE) | size);
	}
	insn->off = (int16_t)target->value;
	return 0;
}

static int patch_load64(struct insns *list, uint32_t index, const struct core_value *local,
	const struct core_value *target, struct error *err)
{
	struct bpf_insn first = insns_get(list, index), second;
	uint64_t has;

	if (!insns_is_load64(list, index))
		return is_no_target(first.code, err);
	second = insns_get(list, index + 1);
	if (first.src_reg || second.code || second.dst_reg || second.src_reg || second.off)
		return error_set(err, ENOEXEC, "the instruction is no load of a number");
	has = (uint64_t)(uint32_t)second.imm << 32 | (uint32_t)first.imm;
	if (!local->unsure && has != local->value)
		return has_other_value((int64_t)has, local, err);
	first.imm = (int32_t)target->value;
	second.imm = (int32_t)(target->value >> 32);
	insns_set(list, index, first);
	insns_set(list, index + 1, second);
	return 0;
}

static void poison(struct insns *list, uint32_t index)
{
	struct bpf_insn call = {.code = BPF_JMP_CALL, .imm = CORE_POISON};

	/* The second half of a load, too, which would be an unknown instruction. */
	if (insns_is_load64(list, index))
		insns_set(list, index + 1, call);
	insns_set(list, index, call);
}

/* Whether the field cannot be got at with the instruction, of whatever size: bitfields have none,
 * and atomic operations and loads that extend a sign stay as they are. */
static bool cannot_access(
	uint8_t code, const struct core_value *local, const struct core_value *target)
{
	uint8_t class = code & CLASS;

	if (class != CLASS_LDX && class != CLASS_ST && class != CLASS_STX)
		return false;
	if (local->size == target->size)
		return false;
	return target->state == INSN_RELO_OTHER_SIZE || !local->size || !target->size ||
	       (code & MODE) != MODE_MEM;
}

static int patch(struct insns *list, uint32_t index, const struct core_value *local,
	const struct core_value *target, struct error *err)
{
	struct bpf_insn insn = insns_get(list, index);
	int ret;

	switch (insn.code & CLASS) {
	case CLASS_LD:
		return patch_load64(list, index, local, target, err);
	case CLASS_ALU:
	case CLASS_ALU64:
		ret = patch_immediate(&insn, local, target, err);
		break;
	case CLASS_LDX:
	case CLASS_ST:
	case CLASS_STX:
		ret = patch_offset(&insn, local, target, err);
		break;
	default:
		return is_no_target(insn.code, err);
	}
	insns_set(list, index, insn);
	return ret;
}

int core_patch(struct insns *list, struct insn_relo *relo, const struct core_value *local,
	const struct core_value *target, struct error *err)
{
	enum insn_relo_state state = target->state;

	if (state == INSN_RELO_OTHER_SIZE &&
		!cannot_access(list->code[relo->index].code, local, target))
		state = INSN_RELO_DONE;
	else if (state == INSN_RELO_DONE &&
		 cannot_access(list->code[relo->index].code, local, target))
		state = INSN_RELO_OTHER_SIZE;
	relo->state = (uint8_t)state;
	if (state == INSN_RELO_DONE)
		return patch(list, relo->index, local, target, err);
	poison(list, relo->index);
	return 0;
}
