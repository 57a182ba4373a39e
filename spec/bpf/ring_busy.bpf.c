// SPDX-License-Identifier: MIT
/* A producer that keeps its record unfinished until it is told to go on. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

/* Some seconds: nobody must hang because a test failed. */
enum { STEPS = 1 << 20, ROUNDS = 1000 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

volatile __u32 reserved, go;

static long step(__u32 i, void *context)
{
	return go != 0;
}

static long round(__u32 i, void *context)
{
	bpf_loop(STEPS, step, context, 0);
	return go != 0;
}

static void wait(void)
{
	__u64 context = 0;

	reserved = 1;
	bpf_loop(ROUNDS, round, &context, 0);
}

SEC("tc")
int submit_late(struct __sk_buff *skb)
{
	__u64 *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record)
		return TC_ACT_SHOT;
	*record = 1;
	wait();
	bpf_ringbuf_submit(record, 0);
	return TC_ACT_OK;
}

SEC("tc")
int discard_late(struct __sk_buff *skb)
{
	__u64 *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record)
		return TC_ACT_SHOT;
	wait();
	bpf_ringbuf_discard(record, 0);
	return TC_ACT_OK;
}

SEC("tc")
int submit(struct __sk_buff *skb)
{
	__u64 record = 2;

	bpf_ringbuf_output(&events, &record, sizeof(record), 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
