// SPDX-License-Identifier: MIT
/* Changes of state of TCP sockets, with addresses and ports, and how long each state lasted. */
#include "core.h"

struct record {
	__u8 source[16], target[16];
	u64 socket, since;
	u32 family, pid;
	int before, now;
	u16 source_port, target_port;
	char comm[NAME_ROOM];
};

HASH(since, struct sock *, u64);
EVENTS(events);

enum { INET = 2, TCP = 6 };

SEC("tracepoint/sock/inet_sock_set_state")
int changed(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct sock *sk = (struct sock *)ctx->skaddr;
	struct record event = {};
	u64 now = bpf_ktime_get_ns(), *last;

	if (ctx->protocol != TCP)
		return 0;
	last = bpf_map_lookup_elem(&since, &sk);
	event.since = last ? now - *last : 0;
	event.socket = (u64)sk;
	event.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event.before = ctx->oldstate;
	event.now = ctx->newstate;
	event.source_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	event.target_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	event.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	if (event.family == INET) {
		bpf_core_read(event.source, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(event.target, 4, &sk->__sk_common.skc_daddr);
	} else {
		bpf_core_read(event.source, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(event.target, 16, &sk->__sk_common.skc_v6_daddr);
	}
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	if (ctx->newstate == TCP_CLOSE)
		bpf_map_delete_elem(&since, &sk);
	else
		bpf_map_update_elem(&since, &sk, &now, BPF_ANY);
	return 0;
}
