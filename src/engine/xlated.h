/* SPDX-License-Identifier: MIT */
/*
 * Instructions read back from the kernel. The verifier leaves numbers in them that mean something
 * to itself alone; here they become what a program to load has, and names of what is called.
 */
#ifndef EBPF_XLATED_H
#define EBPF_XLATED_H

#include "abi.h"
#include "error.h"
#include "insn.h"

#pragma GCC visibility push(hidden)

/* `funcs` says where functions begin; the symbols of the list, what they are called. Names of the
 * kernel's functions are added as far as it tells them. */
int xlated_describe(struct insns *list, const struct abi_func_info *funcs, uint32_t func_count,
	struct error *err);

#pragma GCC visibility pop

#endif
