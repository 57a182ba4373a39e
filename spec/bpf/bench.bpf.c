// SPDX-License-Identifier: MIT
/* One 64-byte sample a run, for the benchmark of the perf reader. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

SEC("tc")
int send_sample(struct __sk_buff *skb)
{
	__u64 sample[8] = {skb->len};

	bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, sample, sizeof(sample));
	return 0;
}

char _license[] SEC("license") = "GPL";
