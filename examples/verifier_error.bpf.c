/* SPDX-License-Identifier: GPL-2.0 */
/* Counts packets, twice: once as the verifier does not like it, and once as it does. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("?xdp")
int count_wrong(struct xdp_md *xdp)
{
	__u32 queue = xdp->rx_queue_index;
	__u64 *count = bpf_map_lookup_elem(&packets, &queue);

	*count += 1;
	return XDP_PASS;
}

SEC("?xdp")
int count_right(struct xdp_md *xdp)
{
	__u32 queue = xdp->rx_queue_index;
	__u64 *count = bpf_map_lookup_elem(&packets, &queue);

	if (count)
		*count += 1;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
