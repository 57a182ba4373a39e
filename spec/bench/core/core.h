/* SPDX-License-Identifier: MIT */
/* What the tools have in common, which bench.bpf.c and its like are modelled on. */
#ifndef BENCH_CORE_H
#define BENCH_CORE_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define HASH(map, key_type, value_type)                                                            \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 10240);                                                        \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} map SEC(".maps")

#define EVENTS(map)                                                                                \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);                                       \
		__uint(key_size, sizeof(u32));                                                     \
		__uint(value_size, sizeof(u32));                                                   \
	} map SEC(".maps")

enum { SLOTS = 27, NAME_ROOM = 16 };

struct histogram {
	u32 slots[SLOTS];
};

static __always_inline u32 log2_slot(u64 value)
{
	u32 slot = 0;

	for (int i = 5; i >= 0; i--) {
		if (value >> (1 << i)) {
			value >>= 1 << i;
			slot += 1 << i;
		}
	}
	return slot < SLOTS ? slot : SLOTS - 1;
}

static __always_inline void count_in(struct histogram *h, u64 value)
{
	if (h)
		__sync_fetch_and_add(&h->slots[log2_slot(value) & 15], 1);
}

char _license[] SEC("license") = "GPL";

#endif
