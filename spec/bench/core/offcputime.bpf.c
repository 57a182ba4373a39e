// SPDX-License-Identifier: MIT
/* Where tasks leave the CPU, and for how long. */
#include "core.h"

struct where {
	u32 pid, tgid;
	int user_stack, kernel_stack;
};

struct sums {
	u64 time;
	char comm[NAME_ROOM];
};

HASH(left, u32, u64);
HASH(times, struct where, struct sums);

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(u32));
	__uint(value_size, 127 * sizeof(u64));
} stacks SEC(".maps");

const volatile bool kernel_threads_too;
const volatile u64 least = 1000;

SEC("raw_tp/sched_switch")
int switched(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *before = (struct task_struct *)ctx->args[1];
	struct task_struct *next = (struct task_struct *)ctx->args[2];
	u32 pid = BPF_CORE_READ(before, pid);
	u64 now = bpf_ktime_get_ns(), *since, time;
	struct sums *value, fresh = {};
	struct where key = {};

	if (pid && (kernel_threads_too || BPF_CORE_READ(before, mm)))
		bpf_map_update_elem(&left, &pid, &now, BPF_ANY);
	pid = BPF_CORE_READ(next, pid);
	since = bpf_map_lookup_elem(&left, &pid);
	if (!since)
		return 0;
	time = now - *since;
	bpf_map_delete_elem(&left, &pid);
	if (time < least)
		return 0;
	key.pid = pid;
	key.tgid = BPF_CORE_READ(next, tgid);
	key.user_stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	key.kernel_stack = bpf_get_stackid(ctx, &stacks, 0);
	BPF_CORE_READ_STR_INTO(&fresh.comm, next, comm);
	bpf_map_update_elem(&times, &key, &fresh, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&times, &key);
	if (value)
		__sync_fetch_and_add(&value->time, time);
	return 0;
}
