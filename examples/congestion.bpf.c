// SPDX-License-Identifier: GPL-2.0
/*
 * A congestion control for TCP that keeps the window as wide as it is told, whatever happens. The
 * struct at the end is registered with the kernel, whose TCP calls the functions in it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* As much of the kernel's structs as is needed here. Fields and members are found by their names. */
#define PORTABLE __attribute__((preserve_access_index))

struct sock {
	int unused;
} PORTABLE;

struct tcp_sock {
	__u32 snd_cwnd;
} PORTABLE;

struct tcp_congestion_ops {
	void (*init)(struct sock *sk);
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
};

/* Segments that may be on their way at once. Set before loading. */
const volatile __u32 window = 10;

__u64 connections, acknowledged;

SEC("struct_ops/fixed_init")
void BPF_PROG(fixed_init, struct sock *sk)
{
	((struct tcp_sock *)sk)->snd_cwnd = window;
	__sync_fetch_and_add(&connections, 1);
}

SEC("struct_ops/fixed_ssthresh")
__u32 BPF_PROG(fixed_ssthresh, struct sock *sk)
{
	return window;
}

SEC("struct_ops/fixed_cong_avoid")
void BPF_PROG(fixed_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	((struct tcp_sock *)sk)->snd_cwnd = window;
	__sync_fetch_and_add(&acknowledged, acked);
}

SEC("struct_ops/fixed_undo_cwnd")
__u32 BPF_PROG(fixed_undo_cwnd, struct sock *sk)
{
	return window;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops fixed = {
	.init = (void *)fixed_init,
	.ssthresh = (void *)fixed_ssthresh,
	.cong_avoid = (void *)fixed_cong_avoid,
	.undo_cwnd = (void *)fixed_undo_cwnd,
	.name = "ebpf_fixed",
};

char LICENSE[] SEC("license") = "GPL";
