// SPDX-License-Identifier: MIT
/* Producers of ring buffer samples, to be driven by test runs. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

enum { PACKET_MAX = 4096 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} others SEC(".maps");

struct packet {
	char bytes[PACKET_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} perf_events SEC(".maps");

/* 64 bytes with a field of each kind. */
struct event {
	__u64 number; /* counts from 1 on */
	__s64 negative;
	__u32 cpu;
	struct {
		__u32 addr;
		__u16 port;
		__s8 hops;
		_Bool open;
	} key;
	char comm[8];
	__u8 mac[6];
	__s16 args[3];
	union {
		__u32 low;
		__u64 wide;
	};
	__u32 three : 3;
	__s32 minus : 5;
	__u32 rest : 24;
};

struct event *unused_event;

volatile __u64 sent, refused;

static void fill(struct event *event)
{
	__u64 number = ++sent;

	__builtin_memset(event, 0, sizeof(*event));
	event->number = number;
	event->negative = -(__s64)number;
	event->cpu = bpf_get_smp_processor_id();
	event->key.addr = 0xfffffff0;
	event->key.port = 443;
	event->key.hops = -3;
	event->key.open = number & 1;
	event->comm[0] = 'a' + number % 26;
	event->comm[1] = 'z';
	event->mac[0] = 2;
	event->mac[5] = 0xff;
	event->args[0] = -1;
	event->args[1] = 2;
	event->args[2] = -3;
	event->wide = 0xfedcba9800000000;
	event->three = 5;
	event->minus = -7;
	event->rest = number & 0xffffff;
}

static int emit(void *map, __u64 flags)
{
	struct event *event = bpf_ringbuf_reserve(map, sizeof(*event), 0);

	if (!event) {
		sent++;
		refused++;
		return TC_ACT_SHOT;
	}
	fill(event);
	bpf_ringbuf_submit(event, flags);
	return TC_ACT_OK;
}

SEC("tc")
int emit_event(struct __sk_buff *skb)
{
	return emit(&events, 0);
}

/* At each fork on the system. */
SEC("raw_tp/sched_process_fork")
int emit_traced(void *context)
{
	return emit(&events, 0);
}

SEC("tc")
int emit_quietly(struct __sk_buff *skb)
{
	return emit(&events, BPF_RB_NO_WAKEUP);
}

SEC("tc")
int emit_other(struct __sk_buff *skb)
{
	return emit(&others, 0);
}

SEC("tc")
int emit_discarded(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (event)
		bpf_ringbuf_discard(event, 0);
	return TC_ACT_OK;
}

/* The same event as a perf sample. */
SEC("tc")
int emit_perf(struct __sk_buff *skb)
{
	struct event event;

	fill(&event);
	bpf_perf_event_output(skb, &perf_events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return TC_ACT_OK;
}

/* Its number is the time. */
SEC("tc")
int emit_timed(struct __sk_buff *skb)
{
	struct event event;

	fill(&event);
	event.number = bpf_ktime_get_ns();
	bpf_perf_event_output(skb, &perf_events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return TC_ACT_OK;
}

/* The packet: samples of any size. */
SEC("tc")
int emit_packet(struct __sk_buff *skb)
{
	__u32 length = skb->len - 1, zero = 0;
	struct packet *packet = bpf_map_lookup_elem(&packets, &zero);

	if (!packet || length >= PACKET_MAX)
		return TC_ACT_SHOT;
	/* Linux 6.1 knows of one more than this that it is not none, but of no comparison with 0. */
	barrier_var(length);
	length++;
	if (bpf_skb_load_bytes(skb, 0, packet, length) < 0)
		return TC_ACT_SHOT;
	return bpf_ringbuf_output(&events, packet, length, 0) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
