/* SPDX-License-Identifier: MIT */
#include "func_info.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "sys.h"
#include "token.h"

enum { MAGIC = 0xeb9f, VERSION = 1, INT_ID = 1, PROTO_ID, FIRST_FUNC_ID, NAME_SIZE = 20 };

struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len, type_off, type_len, str_off, str_len;
};

struct record {
	uint32_t name_off, info, size_or_type;
};

/* int, a function that returns one, and the functions themselves, each of that type. */
struct blob {
	struct header header;
	struct record integer;
	uint32_t encoding;
	struct record prototype;
	struct record functions[];
};

static bool takes_address(const struct bpf_insn *insn)
{
	return insn->code == BPF_LD_IMM64 && insn->src_reg == BPF_PSEUDO_FUNC;
}

bool func_info_needed(const struct bpf_insn *code, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (takes_address(&code[i]))
			return true;
		if (code[i].code == BPF_LD_IMM64)
			i++;
	}
	return false;
}

/* Marks where functions begin in `starts`, one byte an instruction; returns how many do. Targets
 * that are not there are left for the verifier to refuse. */
static uint32_t find_functions(uint8_t *starts, const struct bpf_insn *code, uint32_t count)
{
	uint32_t i, n = 0;
	int64_t target;

	starts[0] = 1;
	for (i = 0; i < count; i++) {
		target = (int64_t)i + 1 + code[i].imm;
		if ((takes_address(&code[i]) ||
			    (code[i].code == BPF_JMP_CALL && code[i].src_reg == BPF_PSEUDO_CALL)) &&
			target >= 0 && target < count)
			starts[target] = 1;
		if (code[i].code == BPF_LD_IMM64)
			i++;
	}
	for (i = 0; i < count; i++)
		n += starts[i];
	return n;
}

/* A name that BTF takes: of an identifier's characters alone. */
static void write_name(char *out, const char *name)
{
	size_t i;

	snprintf(out, NAME_SIZE, "%s", isalpha((unsigned char)name[0]) ? name : "main");
	for (i = 0; out[i]; i++) {
		if (!isalnum((unsigned char)out[i]))
			out[i] = '_';
	}
}

static uint32_t info_of(uint32_t kind)
{
	return kind << 24; /* vlen 0, which makes a function static */
}

/* Fills in the types, and behind them the strings: the empty one, "int", and a name in NAME_SIZE
 * bytes for each function. */
static void fill(struct blob *blob, const char *name, uint32_t functions, uint32_t strings)
{
	static const char first[] = "\0int";
	char *text = (char *)&blob->functions[functions];
	uint32_t i, offset = sizeof(first);

	blob->header = (struct header){.magic = MAGIC,
		.version = VERSION,
		.hdr_len = sizeof(blob->header),
		.type_len = (uint32_t)(text - (char *)&blob->integer),
		.str_off = (uint32_t)(text - (char *)&blob->integer),
		.str_len = strings};
	blob->integer = (struct record){1, info_of(BTF_KIND_INT), sizeof(int32_t)};
	blob->encoding = BTF_INT_SIGNED << 24 | 32;
	blob->prototype = (struct record){0, info_of(BTF_KIND_FUNC_PROTO), INT_ID};
	memcpy(text, first, sizeof(first));
	for (i = 0; i < functions; i++, offset += NAME_SIZE) {
		blob->functions[i] = (struct record){offset, info_of(BTF_KIND_FUNC), PROTO_ID};
		if (i == 0)
			write_name(text + offset, name);
		else
			snprintf(text + offset, NAME_SIZE, "function_%x", i);
	}
}

static int load_btf(const char *name, uint32_t functions, int token)
{
	uint32_t strings = sizeof("\0int") + functions * NAME_SIZE;
	size_t size = sizeof(struct blob) + functions * sizeof(struct record) + strings;
	struct abi_btf_load attr = {0};
	struct blob *blob;
	int fd;

	blob = calloc(1, size);
	if (!blob)
		return -ENOMEM;
	fill(blob, name, functions, strings);
	attr.btf = sys_ptr(blob);
	attr.btf_size = (uint32_t)size;
	fd = token_load_btf(&attr, token);
	free(blob);
	return fd;
}

static int make_records(struct func_info *info, const struct bpf_insn *code, uint32_t count)
{
	uint8_t *starts = calloc(count, 1);
	uint32_t i, n = 0;

	if (!starts)
		return -ENOMEM;
	info->count = find_functions(starts, code, count);
	info->records = calloc(info->count, sizeof(*info->records));
	for (i = 0; info->records && i < count; i++) {
		if (!starts[i])
			continue;
		info->records[n].insn_off = i;
		info->records[n].type_id = FIRST_FUNC_ID + n;
		n++;
	}
	free(starts);
	return info->records ? 0 : -ENOMEM;
}

int func_info_make(struct func_info *info, const char *name, const struct bpf_insn *code,
	uint32_t count, int token)
{
	int ret;

	*info = (struct func_info){.btf_fd = -1};
	ret = make_records(info, code, count);
	if (ret == 0) {
		ret = load_btf(name, info->count, token);
		info->btf_fd = ret;
	}
	if (ret < 0)
		func_info_release(info);
	return ret < 0 ? ret : 0;
}

void func_info_release(struct func_info *info)
{
	if (info->btf_fd >= 0)
		sys_close(info->btf_fd);
	free(info->records);
	*info = (struct func_info){.btf_fd = -1};
}
