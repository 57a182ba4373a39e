// SPDX-License-Identifier: MIT
/* Functions for other objects to call; the section's name says nothing of a type. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int add_one(int x);

SEC("library")
__attribute__((noinline)) int add_many(int x)
{
	return add_one(x) + add_one(x);
}

char _license[] SEC("license") = "GPL";
