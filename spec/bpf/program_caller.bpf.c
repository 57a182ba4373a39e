// SPDX-License-Identifier: MIT
/* Calls functions that another object defines. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int add_one(int x);
extern int add_many(int x);

SEC("tc")
int call_one(struct __sk_buff *skb)
{
	return add_one(40) + add_one(0);
}

SEC("tc")
int call_many(struct __sk_buff *skb)
{
	return add_many(40);
}

char _license[] SEC("license") = "GPL";
