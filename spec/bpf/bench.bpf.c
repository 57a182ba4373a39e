// SPDX-License-Identifier: MIT
/* One 64-byte sample a run, for the benchmark of the perf reader. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

static int send(struct __sk_buff *skb, __u64 first)
{
	__u64 sample[8] = {first, skb->len};

	bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, sample, sizeof(sample));
	return 0;
}

SEC("tc")
int send_same(struct __sk_buff *skb)
{
	return send(skb, 1);
}

/* No two samples are the same, so LuaJIT, which keeps each string once, makes one for each. */
SEC("tc")
int send_different(struct __sk_buff *skb)
{
	return send(skb, bpf_ktime_get_ns());
}

char _license[] SEC("license") = "GPL";
