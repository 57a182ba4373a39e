/* SPDX-License-Identifier: MIT */
/* Which version of Linux brought what. Versions are as KERNEL_VERSION() packs them. */
#ifndef EBPF_SINCE_H
#define EBPF_SINCE_H

#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

#pragma GCC visibility push(hidden)

/* 0: no version that is known here. */
uint32_t since_helper(uint32_t helper);
uint32_t since_prog_type(uint32_t type);
uint32_t since_attach_type(uint32_t type);

/* Of what an instruction does, whose name is put into `what`; 0 when there is nothing special. */
uint32_t since_insn(const struct bpf_insn *insn, const char **what);

/* "5.15" */
enum { SINCE_TEXT = 16 };
void since_print(uint32_t version, char out[SINCE_TEXT]);

#pragma GCC visibility pop

#endif
