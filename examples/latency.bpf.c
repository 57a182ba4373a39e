/* SPDX-License-Identifier: MIT */
/* How long system calls take: the time from the tracepoint where one begins to that where it ends,
 * counted by powers of two. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum { BUCKETS = 32 };

/* Of the process to watch; 0: all. */
const volatile __u32 process = 0;

/* By thread: when its system call began. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, __u64);
	__uint(max_entries, 10240);
} began SEC(".maps");

/* How many took less than two to the power of the index, in nanoseconds, and no less than half that. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, BUCKETS);
} histogram SEC(".maps");

SEC("tp/raw_syscalls/sys_enter")
int call_begins(void *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid(), now;

	if (process && thread >> 32 != process)
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&began, &thread, &now, BPF_ANY);
	return 0;
}

static __u32 bucket_of(__u64 duration)
{
	__u32 bucket = 0;
	int i;

	for (i = 0; i < BUCKETS - 1 && duration; i++) {
		duration >>= 1;
		bucket++;
	}
	return bucket;
}

SEC("tp/raw_syscalls/sys_exit")
int call_ends(void *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *start = bpf_map_lookup_elem(&began, &thread), *count;
	__u32 bucket;

	if (!start)
		return 0;
	bucket = bucket_of(bpf_ktime_get_ns() - *start);
	bpf_map_delete_elem(&began, &thread);
	count = bpf_map_lookup_elem(&histogram, &bucket);
	if (count)
		*count += 1;
	return 0;
}
