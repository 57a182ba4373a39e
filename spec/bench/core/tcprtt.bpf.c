// SPDX-License-Identifier: MIT
/* Round-trip times and what connections carried, told when they close. */
#include "core.h"

struct where {
	u32 address;
	u16 port, family;
};

struct connection {
	u64 received, acked;
	u32 rtt, retransmits, mss, window;
};

HASH(rtts, struct where, struct histogram);
HASH(connections, u64, struct connection);

const volatile bool by_peer;

static const struct histogram zero;

SEC("raw_tp/tcp_probe")
int probe(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct where key = {};

	if (by_peer) {
		key.address = BPF_CORE_READ(inet, sk.__sk_common.skc_daddr);
		key.port = BPF_CORE_READ(inet, sk.__sk_common.skc_dport);
		key.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	}
	bpf_map_update_elem(&rtts, &key, &zero, BPF_NOEXIST);
	count_in(bpf_map_lookup_elem(&rtts, &key), BPF_CORE_READ(tp, srtt_us) >> 3);
	return 0;
}

SEC("raw_tp/tcp_destroy_sock")
int destroy(struct bpf_raw_tracepoint_args *ctx)
{
	struct tcp_sock *tp = (struct tcp_sock *)ctx->args[0];
	u64 key = (u64)tp;
	struct connection c = {
		.received = BPF_CORE_READ(tp, bytes_received),
		.acked = BPF_CORE_READ(tp, bytes_acked),
		.rtt = BPF_CORE_READ(tp, srtt_us) >> 3,
		.retransmits = BPF_CORE_READ(tp, total_retrans),
		.mss = BPF_CORE_READ(tp, mss_cache),
		.window = BPF_CORE_READ(tp, snd_cwnd),
	};

	bpf_map_update_elem(&connections, &key, &c, BPF_ANY);
	return 0;
}
