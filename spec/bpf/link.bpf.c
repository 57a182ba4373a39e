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

extern int LINUX_KERNEL_VERSION __kconfig;

static __always_inline int renamed(void *ctx, int cookies_since)
{
	__u32 process = bpf_get_current_pid_tgid() >> 32;
	__u64 cookie = 0, none = 0, *count;

	if (LINUX_KERNEL_VERSION >= cookies_since)
		cookie = bpf_get_attach_cookie(ctx);

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
	return renamed(ctx, KERNEL_VERSION(6, 10, 0));
}

SEC("raw_tp")
int raw_anywhere(void *ctx)
{
	return renamed(ctx, KERNEL_VERSION(6, 10, 0));
}

SEC("tp/task/task_rename")
int event(void *ctx)
{
	return renamed(ctx, KERNEL_VERSION(5, 15, 0));
}

SEC("tp")
int event_anywhere(void *ctx)
{
	return renamed(ctx, KERNEL_VERSION(5, 15, 0));
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
