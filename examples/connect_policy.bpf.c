/* SPDX-License-Identifier: MIT */
/* Lets the processes of a cgroup connect to the networks that a map lists, and to no others. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* In network byte order, as the kernel has it. */
struct network {
	__u32 prefix_length;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct network);
	__type(value, __u32);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} allowed SEC(".maps");

/* How often an address was refused. The least recently used make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u8[4]);
	__type(value, __u64);
	__uint(max_entries, 1024);
} refused SEC(".maps");

static void count(const __u8 *address)
{
	__u64 none = 0, *n;

	bpf_map_update_elem(&refused, address, &none, BPF_NOEXIST);
	n = bpf_map_lookup_elem(&refused, address);
	if (n)
		__sync_fetch_and_add(n, 1);
}

/* 1 lets the connect() go on; 0 makes it fail with EPERM. */
SEC("cgroup/connect4")
int connect_policy(struct bpf_sock_addr *ctx)
{
	struct network host = {.prefix_length = 32};

	__builtin_memcpy(host.address, &(__u32){ctx->user_ip4}, sizeof(host.address));
	if (bpf_map_lookup_elem(&allowed, &host))
		return 1;
	count(host.address);
	return 0;
}

char LICENSE[] SEC("license") = "MIT";
