/* SPDX-License-Identifier: GPL-2.0 */
/* Congestion controls in programs: tables of functions of the kernel's that programs take the place
 * of. The struct is what this object knows of the kernel's: other members, in another order. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PORTABLE __attribute__((preserve_access_index))

struct sock {
	int unused;
} PORTABLE;

struct inet_connection_sock {
	int unused;
} PORTABLE;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 snd_cwnd;
	__u32 snd_ssthresh;
	__u32 snd_cwnd_cnt;
} PORTABLE;

struct tcp_congestion_ops {
	char name[16];
	__u32 flags;
	__u32 key;
	void (*init)(struct sock *sk);
	void (*release)(struct sock *sk);
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void *owner;
};

/* How often each was called. */
__u64 inits, releases, acks;

SEC("struct_ops/count_init")
void BPF_PROG(count_init, struct sock *sk)
{
	__sync_fetch_and_add(&inits, 1);
}

SEC("struct_ops/count_release")
void BPF_PROG(count_release, struct sock *sk)
{
	__sync_fetch_and_add(&releases, 1);
}

SEC("struct_ops/halve")
__u32 BPF_PROG(halve, struct sock *sk)
{
	return 2;
}

SEC("struct_ops/count_acks")
void BPF_PROG(count_acks, struct sock *sk, __u32 ack, __u32 acked)
{
	__sync_fetch_and_add(&acks, 1);
}

SEC("struct_ops/undo")
__u32 BPF_PROG(undo, struct sock *sk)
{
	return 10;
}

/* In no table, so that nothing asks for it. */
SEC("?struct_ops/spare")
__u32 BPF_PROG(spare, struct sock *sk)
{
	return 3;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops counting = {
	.name = "ebpf_counting",
	.init = (void *)count_init,
	.release = (void *)count_release,
	.ssthresh = (void *)halve,
	.cong_avoid = (void *)count_acks,
	.undo_cwnd = (void *)undo,
};

/* The same name: to take the place of the first. */
SEC("?.struct_ops.link")
struct tcp_congestion_ops quiet = {
	.name = "ebpf_counting",
	.ssthresh = (void *)halve,
	.cong_avoid = (void *)count_acks,
	.undo_cwnd = (void *)undo,
};

/* Registered without a link. */
SEC(".struct_ops")
struct tcp_congestion_ops registered = {
	.name = "ebpf_registered",
	.init = (void *)count_init,
	.release = (void *)count_release,
	.ssthresh = (void *)halve,
	.cong_avoid = (void *)count_acks,
	.undo_cwnd = (void *)undo,
};

/* Only when asked for. */
SEC("?.struct_ops.link")
struct tcp_congestion_ops optional = {
	.name = "ebpf_optional",
	.ssthresh = (void *)halve,
	.cong_avoid = (void *)count_acks,
	.undo_cwnd = (void *)undo,
};

/* What a later kernel may know. */
struct tcp_congestion_ops___later {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*of_tomorrow)(struct sock *sk);
	__u32 budget;
	struct {
		__u64 low, high;
	} range;
	char name[16];
};

/* Loaded only if the kernel has the member. */
SEC("struct_ops/tomorrow")
void BPF_PROG(tomorrow, struct sock *sk)
{
}

SEC("?.struct_ops.link")
struct tcp_congestion_ops___later later = {
	.name = "ebpf_later",
	.ssthresh = (void *)halve,
	.cong_avoid = (void *)count_acks,
	.undo_cwnd = (void *)undo,
	.of_tomorrow = (void *)tomorrow,
};

/* A struct that no kernel has. */
struct no_such_ops {
	int number;
	void (*function)(void);
};

SEC("?.struct_ops")
struct no_such_ops unknown = {
	.number = 5,
};

char LICENSE[] SEC("license") = "GPL";
