/* SPDX-License-Identifier: MIT */
/* variants: nodebug */
/* Calls and global variables that show in a result, for the specs of the object parser. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile int constant = 3;
const volatile int own_constant SEC(".rodata.own") = 70;
volatile int variable = 1000;
static volatile int other_variable = 20000;
volatile int zero;
static volatile int counter;

static __attribute__((noinline)) int local(int x)
{
	counter++;
	return x + constant;
}

__attribute__((noinline)) int global(int x)
{
	return local(x) + own_constant;
}

static __attribute__((noinline, section("library"))) int in_library(int x)
{
	return global(x) + variable;
}

SEC("socket")
__attribute__((noinline)) int inner(struct __sk_buff *ctx)
{
	/* A caller may pass anything for what is not used, which the verifier refuses. */
	asm volatile("" : : "r"(ctx));
	return in_library(zero) + other_variable;
}

/* 21073 from inner(), 3 from local(), 200000 for its two calls. */
SEC("socket")
int outer(struct __sk_buff *ctx)
{
	counter = 0;
	return inner(ctx) + local(zero) + counter * 100000;
}

char _license[] SEC("license") = "GPL";
