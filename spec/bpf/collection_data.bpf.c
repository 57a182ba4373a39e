/* SPDX-License-Identifier: MIT */
/* Global variables of every kind, and calls in every direction, for whole collections. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

/* Before they are set: what a program has to see at its first run. */
int data = 1000;
static volatile int static_data = 234;
__u64 zero; /* .bss */
static volatile __u32 runs; /* .bss */
__u32 own_data SEC(".data.own") = 5;
const volatile __u32 constant = 77;
static const volatile __u32 static_constant = 88;
const volatile __u32 own_constant SEC(".rodata.own") = 99;
static const char text[] = "text";

/* Only what a loader sets makes this loadable: unless the verifier knows `safe`, it finds the read through a
 * register that was never written. */
const volatile int safe = 1;

SEC("xdp")
int variables(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&zero, data + static_data);
	runs++;
	own_data += own_constant;
	return constant + static_constant;
}

SEC("xdp")
int pruned(struct xdp_md *ctx)
{
	int result = XDP_PASS;

	if (!safe)
		asm volatile("r9 = r10; r9 += 8; %0 = *(u64 *)(r9 + 0)" : "=r"(result)::"r9");
	return result;
}

/* Calls: in its own section, in another, in .text; static and global. */
static __attribute__((noinline)) int static_text(int x)
{
	return x * 2 + (zero == ~0ULL);
}

__attribute__((noinline)) int global_text(int x)
{
	return static_text(x) + 1;
}

static __attribute__((noinline, section("library"))) int in_library(int x)
{
	return global_text(x) + static_text(x);
}

SEC("tc")
__attribute__((noinline)) int called_program(struct __sk_buff *skb)
{
	return global_text(skb->len) & 0xff;
}

SEC("tc")
int calls(struct __sk_buff *skb)
{
	return in_library(10) + called_program(skb);
}

/* Function pointers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4);
} elements SEC(".maps");

struct sum {
	__u64 values, calls;
};

static long add_element(void *map, __u32 *key, __u64 *value, struct sum *sum)
{
	sum->values += *value;
	sum->calls++;
	return 0;
}

static long count_round(__u32 index, struct sum *sum)
{
	sum->calls += static_text(index);
	return 0;
}

SEC("tc")
int callbacks(struct __sk_buff *skb)
{
	struct sum sum = {};

	bpf_for_each_map_elem(&elements, add_element, &sum, 0);
	bpf_loop(3, count_round, &sum, 0);
	return sum.values * 100 + sum.calls;
}

SEC("tc")
int add_letters(struct __sk_buff *skb)
{
	int i, sum = 0;

	for (i = 0; i < sizeof(text); i++)
		sum += *(volatile const char *)&text[i];
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
