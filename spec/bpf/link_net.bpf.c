/* SPDX-License-Identifier: MIT */
/* Programs of the network and of cgroups that count how often they run, tell in which order, and
 * let pass or refuse. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 64);
} counts SEC(".maps");

/* Each program that runs appends its digit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} order SEC(".maps");

static void count(__u32 slot)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &slot);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static void append(__u32 digit)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&order, &zero);

	count(digit);
	if (n)
		*n = *n * 10 + digit;
}

SEC("xdp")
int xdp_one(struct xdp_md *ctx)
{
	count(1);
	return XDP_PASS;
}

SEC("xdp")
int xdp_two(struct xdp_md *ctx)
{
	count(2);
	return XDP_PASS;
}

SEC("xdp")
int xdp_three(struct xdp_md *ctx)
{
	count(3);
	return XDP_PASS;
}

SEC("xdp/cpumap")
int xdp_map(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Only datagrams of UDP, since others come by themselves. */
static int is_udp(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	return (void *)(ip + 1) <= end && skb->protocol == bpf_htons(ETH_P_IP) &&
	       ip->protocol == IPPROTO_UDP;
}

static int pass(struct __sk_buff *skb, __u32 digit, int verdict)
{
	if (!is_udp(skb))
		return TC_ACT_UNSPEC;
	append(digit);
	return verdict;
}

SEC("tcx/ingress")
int tcx_one(struct __sk_buff *skb)
{
	return pass(skb, 1, TC_ACT_UNSPEC);
}

SEC("tcx/ingress")
int tcx_two(struct __sk_buff *skb)
{
	return pass(skb, 2, TC_ACT_UNSPEC);
}

SEC("tcx/ingress")
int tcx_three(struct __sk_buff *skb)
{
	return pass(skb, 3, TC_ACT_UNSPEC);
}

SEC("tcx/egress")
int tcx_four(struct __sk_buff *skb)
{
	return pass(skb, 4, TC_ACT_UNSPEC);
}

SEC("tc")
int tc_one(struct __sk_buff *skb)
{
	return pass(skb, 1, TC_ACT_UNSPEC);
}

SEC("tc")
int tc_two(struct __sk_buff *skb)
{
	return pass(skb, 2, TC_ACT_UNSPEC);
}

SEC("tc")
int tc_drop(struct __sk_buff *skb)
{
	return pass(skb, 3, TC_ACT_SHOT);
}

SEC("netkit/primary")
int netkit_one(struct __sk_buff *skb)
{
	count(1);
	return TC_ACT_UNSPEC;
}

SEC("netkit/peer")
int netkit_two(struct __sk_buff *skb)
{
	count(2);
	return TC_ACT_UNSPEC;
}

struct bpf_nf_ctx;

SEC("netfilter")
int nf_pass(struct bpf_nf_ctx *ctx)
{
	append(1);
	return 1; /* NF_ACCEPT */
}

SEC("netfilter")
int nf_drop(struct bpf_nf_ctx *ctx)
{
	append(2);
	return 0; /* NF_DROP */
}

/* Keeps three bytes behind the header of UDP. */
SEC("socket")
int filter_cut(struct __sk_buff *skb)
{
	count(1);
	return sizeof(struct udphdr) + 3;
}

SEC("socket")
int filter_drop(struct __sk_buff *skb)
{
	count(2);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 2);
} group SEC(".maps");

SEC("sk_reuseport")
int choose_second(struct sk_reuseport_md *ctx)
{
	__u32 key = 1;

	count(1);
	bpf_sk_select_reuseport(ctx, &group, &key, 0);
	return SK_PASS;
}

SEC("sk_reuseport")
int choose_first(struct sk_reuseport_md *ctx)
{
	__u32 key = 0;

	count(2);
	bpf_sk_select_reuseport(ctx, &group, &key, 0);
	return SK_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4);
} sockets SEC(".maps");

/* Whatever port it is, the socket in the map gets it. */
SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct bpf_sock *sk;
	__u32 key = 0;

	count(1);
	sk = bpf_map_lookup_elem(&sockets, &key);
	if (!sk)
		return SK_PASS;
	bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return SK_PASS;
}

SEC("sk_lookup")
int refuse(struct bpf_sk_lookup *ctx)
{
	count(2);
	return SK_DROP;
}

SEC("tc")
int tc_hash(struct __sk_buff *skb)
{
	bpf_set_hash_invalid(skb);
	bpf_get_hash_recalc(skb);
	return TC_ACT_UNSPEC;
}

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	count(1);
	return BPF_DROP;
}

SEC("flow_dissector")
int dissect_too(struct __sk_buff *skb)
{
	count(2);
	return BPF_DROP;
}

SEC("sk_msg")
int msg_pass(struct sk_msg_md *msg)
{
	count(1);
	return SK_PASS;
}

SEC("sk_msg")
int msg_drop(struct sk_msg_md *msg)
{
	count(2);
	return SK_DROP;
}

/* Sends what a socket gets back to the sender. */
SEC("sk_skb/stream_verdict")
int skb_echo(struct __sk_buff *skb)
{
	count(3);
	return bpf_sk_redirect_map(skb, &sockets, 0, 0);
}

SEC("sk_skb/stream_parser")
int skb_parse(struct __sk_buff *skb)
{
	count(4);
	return skb->len;
}

SEC("sk_skb/verdict")
int skb_drop(struct __sk_buff *skb)
{
	count(5);
	return SK_DROP;
}

SEC("action")
int unattachable(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
