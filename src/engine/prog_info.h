/* SPDX-License-Identifier: MIT */
/* What the kernel tells about a program, arrays and all. Errors tell the reason alone. */
#ifndef EBPF_PROG_INFO_H
#define EBPF_PROG_INFO_H

#include "abi.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum prog_info_array {
	PROG_INFO_MAP_IDS, /* u32 */
	PROG_INFO_XLATED, /* bytes: the instructions as the verifier left them */
	PROG_INFO_JITED, /* bytes: machine code, one function behind the other */
	PROG_INFO_KSYMS, /* u64: where each function's code begins; 0: hidden */
	PROG_INFO_LENGTHS, /* u32: bytes of each function's code */
	PROG_INFO_FUNCS, /* struct abi_func_info */
	PROG_INFO_LINES, /* struct abi_line_info */
	PROG_INFO_JITED_LINES, /* u64: the address of the code of each line; 0: hidden */
	PROG_INFO_TAGS, /* BPF_TAG_SIZE bytes for each function */
	PROG_INFO_ARRAYS,
};

#define PROG_INFO_WANT(array) (1U << (array))

/* All zeros: nothing. */
struct prog_info {
	struct abi_prog_info kernel;
	uint32_t known; /* bytes of it that this kernel knows */
	void *arrays[PROG_INFO_ARRAYS]; /* NULL: not wanted, or not told */
	uint32_t counts[PROG_INFO_ARRAYS];
};

/* Asks for the arrays of the set `want` besides numbers. What the kernel withholds is no error. */
int prog_info_read(int fd, struct prog_info *info, uint32_t want, struct error *err);

/* Leaves all zeros. */
void prog_info_free(struct prog_info *info);

#pragma GCC visibility pop

#endif
