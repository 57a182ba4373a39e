// SPDX-License-Identifier: MIT
/* A function that calls nothing. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("library")
__attribute__((noinline)) int add_one(int x)
{
	return x + 1;
}

char _license[] SEC("license") = "GPL";
