// SPDX-License-Identifier: MIT
/* How long tasks wait for a CPU, by name space of process ids. */
#include "core.h"

struct task_struct___before_5_14 {
	long state;
} __attribute__((preserve_access_index));

const volatile u32 only_tgid;

HASH(queued, u32, u64);
HASH(waits, u32, struct histogram);

static const struct histogram zero;

static int enqueue(struct task_struct *task)
{
	u32 pid = BPF_CORE_READ(task, pid);
	u64 now = bpf_ktime_get_ns();

	if (!pid || (only_tgid && only_tgid != BPF_CORE_READ(task, tgid)))
		return 0;
	bpf_map_update_elem(&queued, &pid, &now, BPF_ANY);
	return 0;
}

static long state_of(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

static u32 name_space_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	unsigned int level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
	return BPF_CORE_READ(upid.ns, ns.inum);
}

SEC("raw_tp/sched_wakeup")
int wakeup(struct bpf_raw_tracepoint_args *ctx)
{
	return enqueue((struct task_struct *)ctx->args[0]);
}

SEC("raw_tp/sched_wakeup_new")
int wakeup_new(struct bpf_raw_tracepoint_args *ctx)
{
	return enqueue((struct task_struct *)ctx->args[0]);
}

SEC("raw_tp/sched_switch")
int switched(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *before = (struct task_struct *)ctx->args[1];
	struct task_struct *next = (struct task_struct *)ctx->args[2];
	u32 pid = BPF_CORE_READ(next, pid), key;
	u64 *since;

	if (state_of(before) == 0)
		enqueue(before);
	since = bpf_map_lookup_elem(&queued, &pid);
	if (!since)
		return 0;
	key = name_space_of(next);
	bpf_map_update_elem(&waits, &key, &zero, BPF_NOEXIST);
	count_in(bpf_map_lookup_elem(&waits, &key), bpf_ktime_get_ns() - *since);
	bpf_map_delete_elem(&queued, &pid);
	return 0;
}
