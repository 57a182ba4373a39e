/* SPDX-License-Identifier: MIT */
/* variants: bigendian */
/* What an object file may define, for the specs of the object parser. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define __ulong(name, value) enum { name##_value = value } name

struct key {
	__u32 a;
	__u16 b;
};

struct value {
	__u64 packets;
	__u64 bytes;
	char name[13];
};

typedef const struct value renamed_value;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct key);
	__type(value, renamed_value);
	__uint(max_entries, 1000);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE);
	__uint(numa_node, 3);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} by_type SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(key_size, 6);
	__uint(value_size, 12345);
	__uint(max_entries, 1 << 20);
	__uint(pinning, LIBBPF_PIN_NONE);
} by_size SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__type(value, __u32[3]);
	__uint(max_entries, 10);
	__ulong(map_extra, 0xc0ffee);
} bloom SEC(".maps");

/* The types are for the reader: the kernel wants no sizes. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__type(value, struct value);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(value, struct value);
} events SEC(".maps");

/* A type of map that this library does not know the name of. */
struct unknown {
	__uint(type, 4242);
	__uint(key_size, 1);
};
typedef struct unknown unknown_t;
unknown_t unknown SEC(".maps");

int global_data = 7;
static volatile int static_data = 8;
const volatile int global_constant = 9;
int global_zero;
static volatile __u64 static_zero[3];
int own_data[3] SEC(".data.own") = {1, 2, 3};
const volatile int own_constant SEC(".rodata.own") = 4;
int own_zero SEC(".bss.own");

static __attribute__((noinline)) int helper(int x)
{
	return x * 3 + bpf_get_prandom_u32();
}

/* Called from its own section only, and calls on. */
__attribute__((noinline)) int shared(int x)
{
	return helper(x) + 3;
}

static __attribute__((noinline, section("library"))) int in_library(int x)
{
	return shared(x) * (bpf_get_prandom_u32() | 1);
}

static long callback(void *map, void *key, void *value, void *context)
{
	return bpf_get_prandom_u32() + helper(2);
}

extern int elsewhere(int x);
extern const void symbol __ksym;

SEC("xdp")
__attribute__((noinline)) int first(struct xdp_md *ctx)
{
	static_data++;
	static_zero[2]++;
	global_zero += global_data + global_constant + own_data[2] + own_constant + own_zero;
	bpf_for_each_map_elem(&by_type, callback, 0, 0);
	return shared(global_zero) + in_library(1);
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	__u64 constant;

	asm("%0 = CONSTANT ll" : "=r"(constant));
	bpf_ringbuf_output(&ring, &constant, sizeof(constant), 0);
	return constant + (long)&symbol;
}

SEC("?fentry.s/bpf_fentry_test1")
int optional(__u64 *ctx)
{
	return elsewhere(1);
}

SEC("cgroup_skb/ingress")
int cgroup(struct __sk_buff *skb)
{
	return first((void *)skb) + 1;
}

SEC("nonsense/name")
int unspecified(void *ctx)
{
	return helper(5);
}

SEC("xdp.frags/cpumap")
int frags(struct xdp_md *ctx)
{
	return 2;
}

char _license[] SEC("license") = "Dual MIT/GPL";
__u32 _version SEC("version") = 0x051234;
