/* SPDX-License-Identifier: MIT */
/*
 * Keeps the round-trip time and the retransmits of each TCP connection that a process of a cgroup
 * accepts or makes, for the process to look up by the addresses it sees.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { CONNECTIONS = 65536, INET = 2, INET6 = 10 };

struct peer {
	__u8 address[16]; /* of IPv4: the first four bytes, the others zero */
	__u32 port; /* theirs */
	__u32 local_port;
};

struct tcp_info {
	__u32 rtt; /* smoothed, microseconds */
	__u32 retransmits; /* segments */
	__u32 lost; /* segments that are thought to be lost now */
	__u32 window; /* congestion window, segments */
	__u64 sent; /* bytes that the peer has got */
	__u64 received;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS);
	__type(key, struct peer);
	__type(value, struct tcp_info);
} connections SEC(".maps");

static __always_inline void read_peer(struct bpf_sock_ops *ctx, struct peer *peer)
{
	__u32 *address = (__u32 *)peer->address;

	/* An IPv4 connection of a socket for both has addresses of both. */
	if (ctx->family == INET || ctx->remote_ip6[2] == bpf_htonl(0xffff)) {
		address[0] = ctx->remote_ip4;
	} else {
		address[0] = ctx->remote_ip6[0];
		address[1] = ctx->remote_ip6[1];
		address[2] = ctx->remote_ip6[2];
		address[3] = ctx->remote_ip6[3];
	}
	peer->port = bpf_ntohl(ctx->remote_port);
	peer->local_port = ctx->local_port;
}

static __always_inline void update(struct bpf_sock_ops *ctx)
{
	struct tcp_info info = {
		.rtt = ctx->srtt_us >> 3,
		.retransmits = ctx->total_retrans,
		.lost = ctx->lost_out,
		.window = ctx->snd_cwnd,
		.sent = ctx->bytes_acked,
		.received = ctx->bytes_received,
	};
	struct peer peer = {};

	read_peer(ctx, &peer);
	bpf_map_update_elem(&connections, &peer, &info, BPF_ANY);
}

SEC("sockops")
int tcp_info(struct bpf_sock_ops *ctx)
{
	struct peer peer = {};

	switch (ctx->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		/* From now on, tell of each measured round trip, each retransmit, and the end. */
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_RTT_CB_FLAG |
						       BPF_SOCK_OPS_RETRANS_CB_FLAG |
						       BPF_SOCK_OPS_STATE_CB_FLAG);
		update(ctx);
		break;
	case BPF_SOCK_OPS_RTT_CB:
	case BPF_SOCK_OPS_RETRANS_CB:
		update(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE) {
			read_peer(ctx, &peer);
			bpf_map_delete_elem(&connections, &peer);
		}
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
