// SPDX-License-Identifier: MIT
/* Programs to load, run and edit. variants: bigendian */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void store(__u32 key, __u64 value)
{
	bpf_map_update_elem(&counters, &key, &value, BPF_ANY);
}

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&counters, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

/* The constant is given by whoever loads it. */
SEC("tc")
int store_constant(struct __sk_buff *skb)
{
	__u64 value;

	asm volatile("%0 = MY_CONSTANT ll" : "=r"(value));
	store(1, value);
	return TC_ACT_OK;
}

SEC("xdp")
int grow_head(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, -200) ? XDP_ABORTED : XDP_PASS;
}

SEC("tc")
int grow_tail(struct __sk_buff *skb)
{
	return bpf_skb_change_tail(skb, 2000, 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int mark(struct __sk_buff *skb)
{
	skb->mark += 1;
	return -1;
}

SEC("raw_tp/bpf_test_finish")
int sum_arguments(struct bpf_raw_tracepoint_args *ctx)
{
	store(2, ctx->args[0] + ctx->args[1]);
	store(3, bpf_get_smp_processor_id());
	return 0;
}

struct addition {
	__u64 a, b, sum;
};

SEC("syscall")
int add(struct addition *ctx)
{
	ctx->sum = ctx->a + ctx->b;
	return 7;
}

SEC("tracepoint/sched/sched_process_exec")
int trace(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
