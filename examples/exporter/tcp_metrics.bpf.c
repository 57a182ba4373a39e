/* SPDX-License-Identifier: MIT */
/* How many TCP connections servers get on which port, and how long they last. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum { BUCKETS = 27, SOCKETS = 65536, PORTS = 1024 };

/* What is needed of the kernel's structs; where the fields lie is found out at load time. */
struct sock_common {
	__u16 skc_num; /* the local port */
	__u16 skc_family;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

enum { ESTABLISHED = 1, SYN_RECEIVED = 3, CLOSED = 7, TCP = 6 };

struct port {
	__u16 number;
	__u16 family;
};

struct connections {
	__u64 accepted;
	__u64 closed;
};

struct durations {
	__u64 sum; /* microseconds */
	__u64 buckets[BUCKETS]; /* by powers of two of microseconds */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PORTS);
	__type(key, struct port);
	__type(value, struct connections);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, PORTS);
	__type(key, struct port);
	__type(value, struct durations);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} durations SEC(".maps");

/* A connection that was accepted. The socket has lost its port by the time it is closed. */
struct connection {
	__u64 since;
	struct port port;
};

/* By the address of the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SOCKETS);
	__type(key, __u64);
	__type(value, struct connection);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} open_connections SEC(".maps");

static const struct connections no_connections;
static const struct durations no_durations;

static __always_inline __u32 bucket_of(__u64 microseconds)
{
	__u32 bucket;

	for (bucket = 0; bucket < BUCKETS - 1; bucket++) {
		microseconds >>= 1;
		if (!microseconds)
			break;
	}
	return bucket;
}

static void accepted(struct sock *sk, __u64 socket)
{
	struct connection connection = {.since = bpf_ktime_get_ns()};
	struct connections *c;

	connection.port.number = BPF_CORE_READ(sk, __sk_common.skc_num);
	connection.port.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	bpf_map_update_elem(&open_connections, &socket, &connection, BPF_ANY);
	bpf_map_update_elem(&connections, &connection.port, &no_connections, BPF_NOEXIST);
	c = bpf_map_lookup_elem(&connections, &connection.port);
	if (c)
		__sync_fetch_and_add(&c->accepted, 1);
}

static void closed(__u64 socket)
{
	struct connection *found = bpf_map_lookup_elem(&open_connections, &socket), connection;
	struct connections *c;
	struct durations *d;
	__u64 microseconds;
	__u32 bucket;

	if (!found)
		return; /* not one that this machine accepted */
	connection = *found;
	bpf_map_delete_elem(&open_connections, &socket);
	c = bpf_map_lookup_elem(&connections, &connection.port);
	if (c)
		__sync_fetch_and_add(&c->closed, 1);
	bpf_map_update_elem(&durations, &connection.port, &no_durations, BPF_NOEXIST);
	d = bpf_map_lookup_elem(&durations, &connection.port);
	microseconds = (bpf_ktime_get_ns() - connection.since) / 1000;
	bucket = bucket_of(microseconds);
	if (!d || bucket >= BUCKETS)
		return;
	d->sum += microseconds;
	d->buckets[bucket]++;
}

/* Tracepoint sock:inet_sock_set_state(sk, oldstate, newstate). */
SEC("raw_tp/inet_sock_set_state")
int tcp_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	int before = (int)ctx->args[1], now = (int)ctx->args[2];

	if (BPF_CORE_READ(sk, sk_protocol) != TCP)
		return 0;
	if (before == SYN_RECEIVED && now == ESTABLISHED)
		accepted(sk, (__u64)sk);
	else if (now == CLOSED)
		closed((__u64)sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
