/* SPDX-License-Identifier: MIT */
/* Programs that count how often they run: at renames of tasks, which a process does to itself
 * alone by writing /proc/self/comm, and at packets. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* By process, so that others' renames do not show. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4096);
} renames SEC(".maps"), cookies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 2);
} packets SEC(".maps");

static int renamed(void *ctx)
{
	__u32 process = bpf_get_current_pid_tgid() >> 32;
	__u64 cookie = bpf_get_attach_cookie(ctx), none = 0, *count;

	bpf_map_update_elem(&cookies, &process, &cookie, BPF_ANY);
	bpf_map_update_elem(&renames, &process, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&renames, &process);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

SEC("raw_tp/task_rename")
int raw(void *ctx)
{
	return renamed(ctx);
}

SEC("raw_tp")
int raw_anywhere(void *ctx)
{
	return renamed(ctx);
}

SEC("tp/task/task_rename")
int event(void *ctx)
{
	return renamed(ctx);
}

SEC("tp")
int event_anywhere(void *ctx)
{
	return renamed(ctx);
}

static int arrived(__u32 slot)
{
	__u64 *count = bpf_map_lookup_elem(&packets, &slot);

	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return arrived(0);
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	return arrived(1);
}

SEC("lwt_in")
int unattachable(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
