/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that end by bpf_throw(), and functions that run in their place then. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_throw(__u64 cookie) __ksym __attribute__((noreturn));

#define exception_callback(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

__u64 cookie;

static __noinline int add_up(int a, int b)
{
	cookie = a;
	return a + b;
}

/* Nothing refers to it but the tags. */
__noinline int double_it(__u64 c)
{
	return add_up(c, c);
}

__noinline int negate_it(__u64 c)
{
	return c == 21 ? 7 : 8;
}

/* No callback is to be hidden. */
__hidden __noinline int hidden_it(__u64 c)
{
	return c + 1;
}

/* Has a tag as soon as the letter is put right. */
static __attribute__((btf_decl_tag("exception_cal1back:double_it"))) __noinline int check(
	struct __sk_buff *skb, int limit)
{
	if (skb->len > limit)
		bpf_throw(21);
	return skb->len;
}

SEC("tc")
int uncaught(struct __sk_buff *skb)
{
	check(skb, 64);
	return 1;
}

SEC("tc")
exception_callback(double_it) int caught(struct __sk_buff *skb)
{
	check(skb, 64);
	return 1;
}

/* Has a function in common with its callback. */
SEC("tc")
exception_callback(double_it) int caught_as_well(struct __sk_buff *skb)
{
	check(skb, add_up(60, 4));
	return hidden_it(0);
}

SEC("tc")
exception_callback(negate_it) int caught_otherwise(struct __sk_buff *skb)
{
	check(skb, 64);
	return 1;
}

/* Calls what is its callback. */
SEC("?tc")
exception_callback(double_it) int calling(struct __sk_buff *skb)
{
	if (double_it(skb->len) == 3)
		bpf_throw(0);
	return 1;
}

SEC("?tc")
exception_callback(double_it) __attribute__((
	btf_decl_tag("exception_callback:negate_it"))) int caught_twice(struct __sk_buff *skb)
{
	bpf_throw(skb->len);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
