/* SPDX-License-Identifier: MIT */
#include "asm_forms.h"

#include <stddef.h>

const struct asm_family_def asm_families[ASM_FAMILIES] = {
	[ASM_SINGLE] = {.words = {""}, .what = ""},
	[ASM_ALU] = {.words = {"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", NULL,
			     "%=", "^=", "=", "s>>="},
		.what = "an operator",
		.shift = 4,
		.mask = 15},
	[ASM_JUMP] = {.words = {NULL, "==", ">", ">=", "&", "!=", "s>", "s>=", NULL, NULL, "<",
			      "<=", "s<", "s<="},
		.what = "a comparison",
		.shift = 4,
		.mask = 15},
	[ASM_UNSIGNED] = {.words = {"u32", "u16", "u8"},
		.what = "a size such as u32",
		.shift = 3,
		.mask = 3},
	[ASM_SIGNED] = {.words = {"s32", "s16", "s8"},
		.what = "a size such as s32",
		.shift = 3,
		.mask = 3},
	[ASM_ATOMIC] = {.words = {[0] = "+=", [4] = "|=", [5] = "&=", [10] = "^="},
		.what = "an operator",
		.in_imm = true,
		.shift = 4,
		.mask = 15},
	[ASM_FETCH] = {.words = {[0] = "atomic_fetch_add",
			       [4] = "atomic_fetch_or",
			       [5] = "atomic_fetch_and",
			       [10] = "atomic_fetch_xor"},
		.what = "an atomic operation",
		.in_imm = true,
		.shift = 4,
		.mask = 15},
	[ASM_FETCH64] = {.words = {[0] = "atomic64_fetch_add",
				 [4] = "atomic64_fetch_or",
				 [5] = "atomic64_fetch_and",
				 [10] = "atomic64_fetch_xor"},
		.what = "an atomic operation",
		.in_imm = true,
		.shift = 4,
		.mask = 15},
};

/* clang-format off */
const struct asm_form asm_forms[] = {
	{"%D %o %I", .code = 0x07, .family = ASM_ALU},
	{"%D %o %S", .code = 0x0f, .family = ASM_ALU},
	{"%d %o %i", .code = 0x04, .family = ASM_ALU},
	{"%d %o %s", .code = 0x0c, .family = ASM_ALU},
	{"%D = -%D", .code = 0x87},
	{"%d = -%d", .code = 0x84},
	{"%D s/= %I", .code = 0x37, .off = 1},
	{"%D s/= %S", .code = 0x3f, .off = 1},
	{"%d s/= %i", .code = 0x34, .off = 1},
	{"%d s/= %s", .code = 0x3c, .off = 1},
	{"%D s%%= %I", .code = 0x97, .off = 1},
	{"%D s%%= %S", .code = 0x9f, .off = 1},
	{"%d s%%= %i", .code = 0x94, .off = 1},
	{"%d s%%= %s", .code = 0x9c, .off = 1},
	{"%D = (s8)%S", .code = 0xbf, .off = 8},
	{"%D = (s16)%S", .code = 0xbf, .off = 16},
	{"%D = (s32)%S", .code = 0xbf, .off = 32},
	{"%d = (s8)%s", .code = 0xbc, .off = 8},
	{"%d = (s16)%s", .code = 0xbc, .off = 16},
	{"%D = addr_space_cast(%S, %A, %a)", .code = 0xbf, .off = 1},
	{"%D = &(void __percpu *)(%S)", .code = 0xbf, .off = -1},
	{"%D = be16 %D", .code = 0xdc, .imm = 16},
	{"%D = be32 %D", .code = 0xdc, .imm = 32},
	{"%D = be64 %D", .code = 0xdc, .imm = 64},
	{"%D = le16 %D", .code = 0xd4, .imm = 16},
	{"%D = le32 %D", .code = 0xd4, .imm = 32},
	{"%D = le64 %D", .code = 0xd4, .imm = 64},
	{"%D = bswap16 %D", .code = 0xd7, .imm = 16},
	{"%D = bswap32 %D", .code = 0xd7, .imm = 32},
	{"%D = bswap64 %D", .code = 0xd7, .imm = 64},

	{"%E = *(%o *)(%S%O)", .code = 0x61, .family = ASM_UNSIGNED},
	{"%D = *(u64 *)(%S%O)", .code = 0x79},
	{"%D = *(%o *)(%S%O)", .code = 0x81, .family = ASM_SIGNED},
	{"*(%o *)(%D%O) = %i", .code = 0x62, .family = ASM_UNSIGNED},
	{"*(u64 *)(%D%O) = %I", .code = 0x7a},
	{"*(%o *)(%D%O) = %F", .code = 0x63, .family = ASM_UNSIGNED},
	{"*(u64 *)(%D%O) = %S", .code = 0x7b},
	{"r0 = *(%o *)skb[%I]", .code = 0x20, .family = ASM_UNSIGNED},
	{"r0 = *(%o *)skb[%S]", .code = 0x40, .family = ASM_UNSIGNED},
	{"r0 = *(%o *)skb[%S + %I]", .code = 0x40, .family = ASM_UNSIGNED},

	{"lock *(u64 *)(%D%O) %o %S", .code = 0xdb, .family = ASM_ATOMIC},
	{"lock *(u32 *)(%D%O) %o %F", .code = 0xc3, .family = ASM_ATOMIC},
	{"%S = %o((u64 *)(%D%O), %S)", .code = 0xdb, .family = ASM_FETCH, .imm = 0x01},
	{"%f = %o((u32 *)(%D%O), %f)", .code = 0xc3, .family = ASM_FETCH, .imm = 0x01},
	{"%S = %o((u64 *)(%D%O), %S)", .code = 0xdb, .family = ASM_FETCH64, .imm = 0x01, .alias = true},
	{"%S = xchg_64(%D%O, %S)", .code = 0xdb, .imm = 0xe1},
	{"%s = xchg32_32(%D%O, %s)", .code = 0xc3, .imm = 0xe1},
	{"%S = atomic64_xchg((u64 *)(%D%O), %S)", .code = 0xdb, .imm = 0xe1, .alias = true},
	{"%f = atomic_xchg((u32 *)(%D%O), %f)", .code = 0xc3, .imm = 0xe1, .alias = true},
	{"r0 = cmpxchg_64(%D%O, r0, %S)", .code = 0xdb, .imm = 0xf1},
	{"w0 = cmpxchg32_32(%D%O, w0, %s)", .code = 0xc3, .imm = 0xf1},
	{"r0 = atomic64_cmpxchg((u64 *)(%D%O), r0, %S)", .code = 0xdb, .imm = 0xf1, .alias = true},
	{"r0 = atomic_cmpxchg((u32 *)(%D%O), r0, %F)", .code = 0xc3, .imm = 0xf1, .alias = true},
	{"w0 = atomic_cmpxchg((u32 *)(%D%O), w0, %s)", .code = 0xc3, .imm = 0xf1, .alias = true},
	{"%e = load_acquire((%o *)(%S%O))", .code = 0xc3, .family = ASM_UNSIGNED, .imm = 0x100},
	{"%D = load_acquire((u64 *)(%S%O))", .code = 0xdb, .imm = 0x100},
	{"store_release((%o *)(%D%O), %f)", .code = 0xc3, .family = ASM_UNSIGNED, .imm = 0x110},
	{"store_release((u64 *)(%D%O), %S)", .code = 0xdb, .imm = 0x110},

	{"goto %J", .code = 0x05},
	{"gotol %L", .code = 0x06},
	{"gotox %D", .code = 0x0d},
	{"may_goto %J", .code = 0xe5},
	{"if %D %o %x goto %J", .code = 0x05, .family = ASM_JUMP},
	{"if %D %o %S goto %J", .code = 0x0d, .family = ASM_JUMP},
	{"if %d %o %i goto %J", .code = 0x06, .family = ASM_JUMP},
	{"if %d %o %s goto %J", .code = 0x0e, .family = ASM_JUMP},
	{"exit", .code = 0x95},

	{"call %N", .code = 0x85, .src = BPF_PSEUDO_CALL, .imm = -1, .ref = ASM_REF_PLAIN_CALL},
	{"call func %N", .code = 0x85, .src = BPF_PSEUDO_CALL, .imm = -1, .ref = ASM_REF_CALL},
	{"call extern %N", .code = 0x85, .src = BPF_PSEUDO_CALL, .imm = -1, .ref = ASM_REF_EXTERN_CALL},
	{"call %B", .code = 0x85},
	{"call pc%L", .code = 0x85, .src = BPF_PSEUDO_CALL},
	{"call kfunc %I", .code = 0x85, .src = BPF_PSEUDO_KFUNC_CALL},
	{"call kfunc %I fd %T", .code = 0x85, .src = BPF_PSEUDO_KFUNC_CALL},
	{"call %I", .code = 0x85},
	{"call %K", .code = 0x85, .alias = true},
	{"callx %D", .code = 0x8d},

	{"%D = map %N ll", .code = 0x18, .ref = ASM_REF_MAP},
	{"%D = map %N + %V ll", .code = 0x18, .ref = ASM_REF_MAP_VALUE},
	{"%D = func %N ll", .code = 0x18, .ref = ASM_REF_FUNC},
	{"%D = extern %N ll", .code = 0x18, .ref = ASM_REF_EXTERN},
	{"%D = %Q ll", .code = 0x18},
	{"%D = map[fd:%I] ll", .code = 0x18, .src = BPF_PSEUDO_MAP_FD},
	{"%D = map[fd:%I][0] + %H ll", .code = 0x18, .src = BPF_PSEUDO_MAP_VALUE},
	{"%D = map[id:%I] ll", .code = 0x18, .src = BPF_PSEUDO_MAP_FD, .ids = true},
	{"%D = map[id:%I][0] + %H ll", .code = 0x18, .src = BPF_PSEUDO_MAP_VALUE, .ids = true},
	{"%D = map[idx:%I] ll", .code = 0x18, .src = BPF_PSEUDO_MAP_IDX},
	{"%D = map[idx:%I][0] + %H ll", .code = 0x18, .src = BPF_PSEUDO_MAP_IDX_VALUE},
	{"%D = btf[id:%I] ll", .code = 0x18, .src = BPF_PSEUDO_BTF_ID},
	{"%D = btf[id:%I, fd:%H] ll", .code = 0x18, .src = BPF_PSEUDO_BTF_ID},
	{"%D = subprog[%L] ll", .code = 0x18, .src = BPF_PSEUDO_FUNC},
	{"%D = map[id:%I]", .code = 0x18, .src = BPF_PSEUDO_MAP_FD, .ids = true, .alias = true},
	{"%D = map[id:%I][0]+%H", .code = 0x18, .src = BPF_PSEUDO_MAP_VALUE, .ids = true, .alias = true},
	{"%D = map[idx:%I]", .code = 0x18, .src = BPF_PSEUDO_MAP_IDX, .alias = true},
	{"%D = map[idx:%I]+%H", .code = 0x18, .src = BPF_PSEUDO_MAP_IDX_VALUE, .alias = true},
	{"%D = subprog[%L]", .code = 0x18, .src = BPF_PSEUDO_FUNC, .alias = true},
	{"%D = %N ll", .code = 0x18, .ref = ASM_REF_EXTERN, .alias = true},
	{"%D = %Q", .code = 0x18, .alias = true, .prefixed = true},

	{"nospec", .code = 0xc2},
	{0},
};
/* clang-format on */

const char *const asm_ref_kinds[INSN_REF_KINDS] = {
	[INSN_REF_MAP] = "map",
	[INSN_REF_MAP_VALUE] = "map_value",
	[INSN_REF_CALL] = "call",
	[INSN_REF_FUNC] = "func",
	[INSN_REF_EXTERN] = "extern",
	[INSN_REF_KERNEL] = "kernel",
};

int asm_form_number(const struct asm_form *form, const struct bpf_insn *insn)
{
	const struct asm_family_def *family = &asm_families[form->family];
	unsigned int given = family->in_imm ? (uint32_t)insn->imm : insn->code;
	unsigned int number = given >> family->shift & family->mask;
	struct bpf_insn expected = asm_form_insn(form, number);

	if (!family->words[number] || expected.code != insn->code)
		return -1;
	return (int)number;
}

struct bpf_insn asm_form_insn(const struct asm_form *form, unsigned int number)
{
	const struct asm_family_def *family = &asm_families[form->family];
	struct bpf_insn insn = {
		.code = form->code, .src_reg = form->src & 15, .off = form->off, .imm = form->imm};

	if (family->in_imm)
		insn.imm |= (int32_t)(number << family->shift);
	else
		insn.code |= (uint8_t)(number << family->shift);
	return insn;
}

bool asm_is_name_start(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '$';
}

bool asm_is_name(unsigned char c)
{
	return asm_is_name_start(c) || (c >= '0' && c <= '9');
}
