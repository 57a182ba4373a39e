/* SPDX-License-Identifier: MIT */
/* Counts the packets and bytes that arrive at and leave an interface. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

enum { INGRESS, EGRESS, DIRECTIONS };

struct traffic {
	__u64 packets;
	__u64 bytes;
};

/* Every CPU counts for itself, so nothing is shared or lost. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct traffic);
	__uint(max_entries, DIRECTIONS);
} traffic SEC(".maps");

static int add(struct __sk_buff *skb, __u32 direction)
{
	struct traffic *sum = bpf_map_lookup_elem(&traffic, &direction);

	if (sum) {
		sum->packets++;
		sum->bytes += skb->len;
	}
	return TC_ACT_UNSPEC; /* on to the next program */
}

SEC("tcx/ingress")
int count_ingress(struct __sk_buff *skb)
{
	return add(skb, INGRESS);
}

SEC("tcx/egress")
int count_egress(struct __sk_buff *skb)
{
	return add(skb, EGRESS);
}

char LICENSE[] SEC("license") = "MIT";
