/* SPDX-License-Identifier: MIT */
/* What the name of a program's ELF section says about the program. */
#ifndef EBPF_SECTIONS_H
#define EBPF_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum {
	SECTION_SLEEPABLE = 1 << 0, /* loaded with BPF_F_SLEEPABLE */
	SECTION_XDP_FRAGS = 1 << 1, /* loaded with BPF_F_XDP_HAS_FRAGS */
	SECTION_ATTACH_OPTIONAL = 1 << 2, /* old kernels refuse the attach type: retry without */
	SECTION_BTF_TARGET = 1 << 3, /* the target is looked up in the kernel's BTF */
	SECTION_ATTACH = 1 << 4, /* there is an attach type; else attach_type is 0 */
};

struct section_def {
	/* "xdp" matches itself; "tp+" matches "tp" and "tp/target"; "x/" would need a target. */
	const char *pattern;
	uint32_t prog_type;
	uint32_t attach_type;
	uint32_t flags;
};

struct section_match {
	const struct section_def *def; /* NULL: the name says nothing */
	const char *target; /* behind the slash, inside the name; or NULL */
	bool autoload; /* false: the name begins with '?' */
};

extern const struct section_def section_defs[];
extern const uint32_t section_def_count;

/* The first definition that matches `name`, by libbpf's rules; `match` points into `name`. */
void sections_match(const char *name, struct section_match *match);

#pragma GCC visibility pop

#endif
