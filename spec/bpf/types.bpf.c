// SPDX-License-Identifier: MIT
/* Maps whose keys and values are structs, and a producer of samples that are. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

enum state { STATE_NEW, STATE_SEEN = 7 };

struct address {
	__u8 bytes[4];
	__be16 port;
	__u16 flags : 3, length : 13;
};

struct key {
	struct address from;
	union {
		__u32 number;
		char name[4];
	};
};

struct stats {
	__u64 packets;
	__u64 bytes;
	enum state state;
	_Bool fresh;
	char label[8];
	__s16 moves[2][3];
	struct {
		__u32 first, last;
	} times;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__type(key, struct key);
	__type(value, struct stats);
} stats SEC(".maps");

struct guarded {
	__u32 number;
	struct bpf_spin_lock lock;
	__u64 total;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct guarded);
} guarded SEC(".maps");

struct counts {
	__u64 packets;
	__u32 errors;
	char label[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

struct event {
	__u32 length;
	__u64 number;
	char label[5];
};

/* Types that no map and no global variable has do not come into the object. */
const struct event *unused_event;

typedef struct {
	__s32 x, y;
} point;

struct large {
	__u64 number;
	__u32 filling[300];
};

point origin;
static __u64 number;

SEC("tc")
int emit(struct __sk_buff *skb)
{
	struct event event = {.length = skb->len, .number = ++number, .label = "hello"};
	struct key key = {
		.from = {.bytes = {10, 0, 0, 1}, .port = 0x5000, .length = 99}, .number = 5};
	struct stats *s = bpf_map_lookup_elem(&stats, &key);
	__u32 zero = 0;
	struct counts *c = bpf_map_lookup_elem(&counts, &zero);

	if (s) {
		s->packets++;
		s->bytes += skb->len;
		s->state = STATE_SEEN;
		s->fresh = 0;
		s->moves[1][2]--;
	}
	if (c) {
		c->packets++;
		c->errors += 2;
	}
	bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return TC_ACT_OK;
}

/* A sample beyond what is decoded on the C stack. */
static struct large large;

SEC("tc")
int emit_large(struct __sk_buff *skb)
{
	large.number++;
	large.filling[0] = 1;
	large.filling[299] = (__u32)large.number;
	bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, &large, sizeof(large));
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
