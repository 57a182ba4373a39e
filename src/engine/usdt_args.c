/* SPDX-License-Identifier: MIT */
/* Where the arguments of a tracepoint are: assembler operands, each with a size before it. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usdt.h"

/* Registers by the names of their parts, with their places in struct pt_regs. */
static const struct {
	const char *names[4];
	int16_t offset;
} x86_regs[] = {
	{{"r15", "r15d", "r15w", "r15b"}, 0},
	{{"r14", "r14d", "r14w", "r14b"}, 8},
	{{"r13", "r13d", "r13w", "r13b"}, 16},
	{{"r12", "r12d", "r12w", "r12b"}, 24},
	{{"rbp", "ebp", "bp", "bpl"}, 32},
	{{"rbx", "ebx", "bx", "bl"}, 40},
	{{"r11", "r11d", "r11w", "r11b"}, 48},
	{{"r10", "r10d", "r10w", "r10b"}, 56},
	{{"r9", "r9d", "r9w", "r9b"}, 64},
	{{"r8", "r8d", "r8w", "r8b"}, 72},
	{{"rax", "eax", "ax", "al"}, 80},
	{{"rcx", "ecx", "cx", "cl"}, 88},
	{{"rdx", "edx", "dx", "dl"}, 96},
	{{"rsi", "esi", "si", "sil"}, 104},
	{{"rdi", "edi", "di", "dil"}, 112},
	{{"rip", "eip", "ip", "ip"}, 128},
	{{"rsp", "esp", "sp", "spl"}, 152},
};

static bool find_x86(const char *name, size_t size, int16_t *offset)
{
	size_t i, k;

	for (i = 0; i < sizeof(x86_regs) / sizeof(x86_regs[0]); i++) {
		for (k = 0; k < 4; k++) {
			if (strlen(x86_regs[i].names[k]) == size &&
				memcmp(x86_regs[i].names[k], name, size) == 0) {
				*offset = x86_regs[i].offset;
				return true;
			}
		}
	}
	return false;
}

/* x0 to x30, w0 to w30, sp. */
static bool find_arm64(const char *name, size_t size, int16_t *offset)
{
	unsigned n = 0;
	size_t i;

	if (size == 2 && memcmp(name, "sp", 2) == 0) {
		*offset = 31 * 8;
		return true;
	}
	if (size < 2 || size > 3 || (name[0] != 'x' && name[0] != 'w'))
		return false;
	for (i = 1; i < size; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		n = n * 10 + (unsigned)(name[i] - '0');
	}
	*offset = (int16_t)(n * 8);
	return n <= 30;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* A number, decimal or 0x; NULL when there is none. */
static const char *take_number(const char *at, uint64_t *out)
{
	const char *digits = at + (*at == '-');
	char *end;

	if (*digits < '0' || *digits > '9')
		return NULL;
	*out = strtoull(digits, &end, 0);
	if (*at == '-')
		*out = -*out;
	return end;
}

static const char *take_x86_reg(const char *at, int16_t *offset)
{
	size_t size;

	if (*at++ != '%')
		return NULL;
	size = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789");
	return find_x86(at, size, offset) ? at + size : NULL;
}

/* "(%rax)", "(%rax,%rcx)" or "(%rax,%rcx,8)" behind what is added. */
static const char *take_x86_memory(const char *at, struct usdt_arg *arg)
{
	int16_t index = 0;
	uint64_t scale = 1;

	at = take_x86_reg(at + 1, &arg->reg_off);
	arg->type = USDT_ARG_REG_DEREF;
	if (at && *at == ',') {
		at = take_x86_reg(skip_blanks(at + 1), &index);
		if (at && *at == ',')
			at = take_number(skip_blanks(at + 1), &scale);
		if (scale != 1 && scale != 2 && scale != 4 && scale != 8)
			return NULL;
		arg->type = USDT_ARG_SIB | (uint32_t)index << 8 |
			    (uint32_t)__builtin_ctz((unsigned)scale) << 20;
	}
	return at && *at == ')' ? at + 1 : NULL;
}

/* "$5", "%rax", "-8(%rbp)" */
static const char *take_x86(const char *at, struct usdt_arg *arg)
{
	if (*at == '$') {
		arg->type = USDT_ARG_CONST;
		return take_number(at + 1, &arg->value);
	}
	if (*at == '%') {
		arg->type = USDT_ARG_REG;
		return take_x86_reg(at, &arg->reg_off);
	}
	if (*at != '(')
		at = take_number(at, &arg->value);
	return at && *at == '(' ? take_x86_memory(at, arg) : NULL;
}

static const char *take_arm64_reg(const char *at, int16_t *offset)
{
	size_t size = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789");

	return find_arm64(at, size, offset) ? at + size : NULL;
}

/* "5", "x0", "[sp]", "[x29, 60]" */
static const char *take_arm64(const char *at, struct usdt_arg *arg)
{
	if (*at == '[') {
		arg->type = USDT_ARG_REG_DEREF;
		at = take_arm64_reg(at + 1, &arg->reg_off);
		if (at && *at == ',')
			at = take_number(skip_blanks(at + 1), &arg->value);
		return at && *at == ']' ? at + 1 : NULL;
	}
	arg->type = USDT_ARG_CONST;
	if (*at == '-' || (*at >= '0' && *at <= '9'))
		return take_number(at, &arg->value);
	arg->type = USDT_ARG_REG;
	return take_arm64_reg(at, &arg->reg_off);
}

/* "-4@": the size in bytes, negative for signed values. */
static const char *take_size(const char *at, struct usdt_arg *arg)
{
	uint64_t size;

	arg->is_signed = *at == '-';
	at += arg->is_signed;
	at = take_number(at, &size);
	if (!at || *at != '@' || (size != 1 && size != 2 && size != 4 && size != 8))
		return NULL;
	arg->bitshift = (int8_t)(64 - size * 8);
	return at + 1;
}

int usdt_parse_args(uint16_t machine, const char *args, struct usdt_spec *spec, struct error *err)
{
	const char *at = skip_blanks(args);
	struct usdt_arg *arg;

	memset(spec, 0, sizeof(*spec));
	if (machine != EM_X86_64 && machine != EM_AARCH64)
		return error_set(err, EOPNOTSUPP,
			"arguments of tracepoints are not supported on this machine (ELF machine "
			"%u)",
			machine);
	while (*at) {
		if (spec->count == USDT_ARGS_MAX)
			return error_set(err, E2BIG, "more than %d arguments: \"%.200s\"",
				USDT_ARGS_MAX, args);
		arg = &spec->args[spec->count++];
		at = take_size(at, arg);
		if (at)
			at = machine == EM_X86_64 ? take_x86(at, arg) : take_arm64(at, arg);
		if (!at || (*at && *at != ' ' && *at != '\t'))
			return error_set(err, EOPNOTSUPP,
				"argument %d of \"%.200s\" is not of a form that programs can read",
				spec->count, args);
		at = skip_blanks(at);
	}
	return 0;
}
