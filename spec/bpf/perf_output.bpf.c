// SPDX-License-Identifier: MIT
/* Producers of perf samples, to be driven by test runs. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

/* How many samples each CPU has tried to send, and how many of these were refused. */
struct counters {
	__u64 sent;
	__u64 refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct numbered {
	__u64 number; /* counts from 1 on each CPU */
	__u32 cpu;
	__u32 filling[13]; /* differs between samples: PUC Lua 5.1 hashes every third byte only */
};

/* 64 bytes that tell what is missing. */
SEC("tc")
int emit_numbered(struct __sk_buff *skb)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct counters *c = bpf_map_lookup_elem(&counters, &cpu);
	struct numbered sample = {};
	int i;

	if (!c)
		return TC_ACT_SHOT;
	sample.number = ++c->sent;
	sample.cpu = cpu;
#pragma unroll
	for (i = 0; i < 13; i++)
		sample.filling[i] = (__u32)sample.number * 2654435761U;
	if (bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, &sample, sizeof(sample)) < 0)
		c->refused++;
	return TC_ACT_OK;
}

/* The packet, after 4 bytes with its length: samples of any size. */
SEC("tc")
int emit_packet(struct __sk_buff *skb)
{
	__u32 length = skb->len;
	long ret;

	ret = bpf_perf_event_output(
		skb, &events, BPF_F_CURRENT_CPU | (__u64)length << 32, &length, sizeof(length));
	return ret < 0 ? (int)-ret : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
