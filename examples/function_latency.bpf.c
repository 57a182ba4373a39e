/* SPDX-License-Identifier: MIT */
/* How long calls of a function of user space take, by powers of two of microseconds. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { SLOTS = 24, THREADS = 10240 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREADS);
	__type(key, __u64);
	__type(value, __u64);
} entered SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

SEC("uprobe")
int function_entered(void *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();

	bpf_map_update_elem(&entered, &thread, &now, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int function_returned(void *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid(), microseconds, *start, *count;
	__u32 slot = 0;

	start = bpf_map_lookup_elem(&entered, &thread);
	if (!start)
		return 0;
	microseconds = (bpf_ktime_get_ns() - *start) / 1000;
	bpf_map_delete_elem(&entered, &thread);
	for (; slot < SLOTS - 1 && microseconds; slot++)
		microseconds >>= 1;
	count = bpf_map_lookup_elem(&slots, &slot);
	if (count)
		*count += 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
