/* SPDX-License-Identifier: MIT */
/* Types as a C header that clang for the BPF machine compiles to the same layout. */
#ifndef EBPF_BTF_DUMP_H
#define EBPF_BTF_DUMP_H

#include "btf.h"

#pragma GCC visibility push(hidden)

/*
 * Writes the C of all types of that name and of what they need, or, for NULL, of all types but
 * the base's. `guard` is the macro that guards the header; NULL: "#pragma once". Returns 0 and
 * fresh memory, NUL-terminated, for the caller to free; or -1 with ENOENT (no type of that name),
 * ENOEXEC (types that contain themselves), EFBIG (types that take much more room as C) or ENOMEM.
 */
int btf_dump_c(struct btf *btf, const char *name, const char *guard, char **text, size_t *size,
	struct error *err);

#pragma GCC visibility pop

#endif
