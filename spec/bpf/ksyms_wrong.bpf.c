// SPDX-License-Identifier: GPL-2.0
/* Symbols of the kernel that are there, but are declared as what they are not. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const struct bpf_prog *bpf_prog_active __ksym;
extern int bpf_rcu_read_lock(int a, int b) __ksym;

SEC("?tc")
int variable(struct __sk_buff *skb)
{
	return (long)&bpf_prog_active;
}

SEC("?tc")
int function(struct __sk_buff *skb)
{
	return bpf_rcu_read_lock(1, 2);
}

/* Inlined functions of one name are in many places. */
extern const void init_once __ksym;

SEC("?tc")
int ambiguous(struct __sk_buff *skb)
{
	return (long)&init_once;
}

char LICENSE[] SEC("license") = "GPL";
