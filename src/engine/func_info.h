/* SPDX-License-Identifier: MIT */
/*
 * What the kernel wants to know of functions before it takes the address of one: which there are,
 * and that they are static (check_pseudo_func, since Linux 5.13). The least BTF that says so is
 * made here, so that instructions can have callbacks wherever they come from.
 */
#ifndef EBPF_FUNC_INFO_H
#define EBPF_FUNC_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* What a program is loaded with: made here, or from the object's own BTF. */
struct func_info {
	int btf_fd; /* -1: none */
	struct abi_func_info *records; /* one for each function, ascending */
	uint32_t count;
	const struct abi_line_info *lines; /* of source; ascending */
	uint32_t line_count; /* 0: none */
};

/* Whether instructions, in native byte order, take the address of a function. */
bool func_info_needed(const struct bpf_insn *code, uint32_t count);

/* Tells the kernel what functions the instructions have; `name` is for the first one. `token`: see
 * token.h. Returns 0, or a negative errno with nothing to release. */
int func_info_make(struct func_info *info, const char *name, const struct bpf_insn *code,
	uint32_t count, int token);

void func_info_release(struct func_info *info);

#pragma GCC visibility pop

#endif
