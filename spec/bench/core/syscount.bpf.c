// SPDX-License-Identifier: MIT
/* How often, and for how long, which system calls run, by process or by control group. */
#include "core.h"

struct sums {
	u64 count, time;
	char comm[NAME_ROOM];
};

HASH(started, u32, u64);
HASH(calls, u64, struct sums);

const volatile bool by_process, by_cgroup, failed_only;
const volatile int only_error;

static const struct sums zero;

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&started, &tid, &now, BPF_ANY);
	return 0;
}

SEC("raw_tp/sys_exit")
int leave(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	u32 tid = (u32)bpf_get_current_pid_tgid();
	u64 *since = bpf_map_lookup_elem(&started, &tid), key;
	struct sums *value;
	long ret = ctx->args[1];

	if (!since || (failed_only && ret >= 0) || (only_error && ret != -only_error))
		return 0;
	if (by_process)
		key = BPF_CORE_READ(task, tgid);
	else if (by_cgroup)
		key = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	else
		key = BPF_CORE_READ(regs, orig_ax);
	bpf_map_update_elem(&calls, &key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&calls, &key);
	if (!value)
		return 0;
	BPF_CORE_READ_STR_INTO(&value->comm, task, group_leader, comm);
	__sync_fetch_and_add(&value->count, 1);
	__sync_fetch_and_add(&value->time, bpf_ktime_get_ns() - *since);
	return 0;
}
