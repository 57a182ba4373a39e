/* SPDX-License-Identifier: MIT */
/* A program for each hook of cgroups: it counts, and refuses while `deny` says so. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} order SEC(".maps");

/* By slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 64);
} deny SEC(".maps");

static int judge(__u32 slot)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &slot);
	__u32 *denied = bpf_map_lookup_elem(&deny, &slot);

	if (n)
		__sync_fetch_and_add(n, 1);
	return !denied || !*denied;
}

static int in_order(__u32 digit)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&order, &zero);

	if (n)
		*n = *n * 10 + digit;
	return judge(digit);
}

/* Sections that are the same but for the names. */
#define HOOK(section, name, context, slot)                                                         \
	SEC(section) int name(struct context *ctx)                                                 \
	{                                                                                          \
		return judge(slot);                                                                \
	}

#define ORDERED(name, slot)                                                                        \
	SEC("cgroup/connect4") int name(struct bpf_sock_addr *ctx)                                 \
	{                                                                                          \
		return in_order(slot);                                                             \
	}

/* Some types have hooks that cannot refuse. */
#define WATCH(section, name, context, slot)                                                        \
	SEC(section) int name(struct context *ctx)                                                 \
	{                                                                                          \
		judge(slot);                                                                       \
		return 1;                                                                          \
	}

/* clang-format off */
ORDERED(connect4_one, 1)
ORDERED(connect4_two, 2)
ORDERED(connect4_three, 3)
HOOK("cgroup_skb/ingress", skb_ingress, __sk_buff, 10)
HOOK("cgroup_skb/egress", skb_egress, __sk_buff, 11)
HOOK("cgroup/skb", skb_either, __sk_buff, 12)
HOOK("cgroup/sock_create", sock_create, bpf_sock, 13)
WATCH("cgroup/sock_release", sock_release, bpf_sock, 14)
HOOK("cgroup/sock", sock, bpf_sock, 15)
HOOK("cgroup/post_bind4", post_bind4, bpf_sock, 16)
HOOK("cgroup/post_bind6", post_bind6, bpf_sock, 17)
HOOK("cgroup/bind4", bind4, bpf_sock_addr, 18)
HOOK("cgroup/bind6", bind6, bpf_sock_addr, 19)
HOOK("cgroup/connect4", connect4, bpf_sock_addr, 20)
HOOK("cgroup/connect6", connect6, bpf_sock_addr, 21)
HOOK("cgroup/connect_unix", connect_unix, bpf_sock_addr, 22)
HOOK("cgroup/sendmsg4", sendmsg4, bpf_sock_addr, 23)
HOOK("cgroup/sendmsg6", sendmsg6, bpf_sock_addr, 24)
HOOK("cgroup/sendmsg_unix", sendmsg_unix, bpf_sock_addr, 25)
WATCH("cgroup/recvmsg4", recvmsg4, bpf_sock_addr, 26)
WATCH("cgroup/recvmsg6", recvmsg6, bpf_sock_addr, 27)
WATCH("cgroup/recvmsg_unix", recvmsg_unix, bpf_sock_addr, 28)
WATCH("cgroup/getpeername4", getpeername4, bpf_sock_addr, 29)
WATCH("cgroup/getpeername6", getpeername6, bpf_sock_addr, 30)
WATCH("cgroup/getpeername_unix", getpeername_unix, bpf_sock_addr, 31)
WATCH("cgroup/getsockname4", getsockname4, bpf_sock_addr, 32)
WATCH("cgroup/getsockname6", getsockname6, bpf_sock_addr, 33)
WATCH("cgroup/getsockname_unix", getsockname_unix, bpf_sock_addr, 34)
HOOK("cgroup/sysctl", sysctl, bpf_sysctl, 35)
HOOK("cgroup/getsockopt", getsockopt, bpf_sockopt, 36)
HOOK("cgroup/setsockopt", setsockopt, bpf_sockopt, 37)
HOOK("cgroup/dev", dev, bpf_cgroup_dev_ctx, 38)
WATCH("sockops", tcp_events, bpf_sock_ops, 39)
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";
