/* SPDX-License-Identifier: MIT */
/* Maps and a good program come before one that the verifier refuses. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 16);
} table SEC(".maps");

int number = 1;

SEC("xdp")
int a_good_one(struct xdp_md *ctx)
{
	return number;
}

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&table, &key);

	return *value; /* which may be NULL */
}

char LICENSE[] SEC("license") = "GPL";
