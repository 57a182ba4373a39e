/* SPDX-License-Identifier: MIT */
/* The types of one struct btf by name; btf_find() makes it. */
#ifndef EBPF_BTF_INDEX_H
#define EBPF_BTF_INDEX_H

#pragma GCC visibility push(hidden)

struct btf_index;

/* NULL is fine. */
void btf_index_free(struct btf_index *index);

#pragma GCC visibility pop

#endif
