/* SPDX-License-Identifier: MIT */
/*
 * C declarations, as users of BPF write them beside their programs, become BTF, laid out as gcc
 * and clang do for BPF, x86-64 and arm64.
 *
 * The text is one or more declarations, each closed by a semicolon but for the last, which is the
 * type that is meant: "u32", "char[16]", "struct { u32 pid; char comm[16]; }", or
 * "struct a { int x; }; typedef struct a a_t; struct { a_t pair[2]; }". Known are the types of C,
 * those of the kernel and of <stdint.h>, nested and anonymous structs, unions and enums, arrays,
 * bitfields, pointers, constant expressions with sizeof, and the attributes packed and aligned.
 */
#ifndef EBPF_C_DECL_H
#define EBPF_C_DECL_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { C_TEXT_MAX = 1 << 20 };

/*
 * A BTF section in native byte order, malloc()ed, and in it the id of the type that is meant. NULL
 * after an error, which begins with line:column where the text is wrong; its errno is EINVAL,
 * or ENOMEM.
 */
void *c_decl_compile(
	const char *text, size_t size, size_t *btf_size, uint32_t *id, struct error *err);

#pragma GCC visibility pop

#endif
