/* SPDX-License-Identifier: MIT */
/* variants: bigendian */
/* Maps that are shared by name or hold other things, tail calls, and programs that load only when asked for. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 16);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} shared SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 4);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = {[0] = &first, [3] = &second},
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} unrelated SEC(".maps");

int tail_first(struct __sk_buff *skb);
int tail_third(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, 4);
	__uint(max_entries, 4);
	__array(values, int(void *));
} tails SEC(".maps") = {
	.values = {[0] = (void *)&tail_first, [2] = (void *)&tail_third},
};

SEC("tc")
int tail_first(struct __sk_buff *skb)
{
	return 100;
}

SEC("tc")
int tail_third(struct __sk_buff *skb)
{
	return 300;
}

/* Jumps to the program in the slot that the length of the packet tells. */
SEC("tc")
int jump(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &tails, skb->len - 64);
	return 1;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 key = 1;
	__u64 one = 1, *value = bpf_map_lookup_elem(&shared, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	else
		bpf_map_update_elem(&shared, &key, &one, BPF_ANY);
	return 0;
}

/* The number in the only element of the map in slot 3. */
SEC("tc")
int look_inside(struct __sk_buff *skb)
{
	__u32 slot = 3, key = 0, *value;
	void *inner = bpf_map_lookup_elem(&outer, &slot);

	if (!inner)
		return -1;
	value = bpf_map_lookup_elem(inner, &key);
	return value ? *value : -2;
}

SEC("?xdp")
int optional(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("nobody/knows")
int unknown(void *ctx)
{
	return 5;
}

char LICENSE[] SEC("license") = "GPL";
