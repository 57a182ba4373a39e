/* SPDX-License-Identifier: MIT */
/* One listening socket serves a range of ports, of whatever address. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

/* Set before the program is loaded. */
const volatile __u32 first_port = 0;
const volatile __u32 last_port = 0;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} server SEC(".maps");

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct bpf_sock *sk;
	__u32 key = 0;

	if (ctx->protocol != IPPROTO_TCP || ctx->local_port < first_port ||
		ctx->local_port > last_port)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&server, &key);
	if (!sk)
		return SK_PASS;
	bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "MIT";
