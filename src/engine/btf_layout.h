/* SPDX-License-Identifier: MIT */
/*
 * How a C compiler for the BPF machine lays out structs and unions, learnt from their BTF, which
 * says where members are, but not which attributes put them there.
 */
#ifndef EBPF_BTF_LAYOUT_H
#define EBPF_BTF_LAYOUT_H

#include "btf.h"

#pragma GCC visibility push(hidden)

struct btf_layout {
	const struct btf *btf;
	uint8_t *known; /* by id, what has been found out */
	uint32_t depth;
};

/* `layout` must be all zero; btf_layout_free() is due whether it succeeded or not. */
int btf_layout_init(struct btf_layout *layout, const struct btf *btf, struct error *err);
void btf_layout_free(struct btf_layout *layout);

/* The bytes that values of the type are aligned to; 1 also for what has no size. */
uint32_t btf_layout_align(struct btf_layout *layout, uint32_t id);

/* Whether the struct or union is as it is only by __attribute__((packed)). */
bool btf_layout_packed(struct btf_layout *layout, uint32_t id);

#pragma GCC visibility pop

#endif
