/* SPDX-License-Identifier: MIT */
/* Counts the packets and bytes that arrive, by the protocol of the IP header. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* One slot per protocol number; every CPU counts for itself, so nothing is shared or lost. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 256);
} packets SEC(".maps"), bytes SEC(".maps");

static void add(void *map, __u32 key, __u64 amount)
{
	__u64 *sum = bpf_map_lookup_elem(map, &key);

	if (sum)
		*sum += amount;
}

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	__u32 protocol;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && (void *)(ip + 1) <= end)
		protocol = ip->protocol;
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end)
		protocol = ip6->nexthdr;
	else
		return XDP_PASS;
	add(&packets, protocol, 1);
	add(&bytes, protocol, (__u64)(end - data));
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "MIT";
