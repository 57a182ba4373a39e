// SPDX-License-Identifier: MIT
/* Whom the kernel kills when memory runs out, and what they used. */
#include "core.h"

struct record {
	u32 pid, victim, score;
	u64 total, data, stack, shared, locked, pages;
	char comm[NAME_ROOM], victim_comm[NAME_ROOM];
};

EVENTS(events);

SEC("raw_tp/mark_victim")
int killed(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct record event = {};

	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.victim = BPF_CORE_READ(task, tgid);
	event.score = BPF_CORE_READ(task, signal, oom_score_adj);
	event.total = BPF_CORE_READ(mm, total_vm);
	event.data = BPF_CORE_READ(mm, data_vm);
	event.stack = BPF_CORE_READ(mm, stack_vm);
	event.locked = BPF_CORE_READ(mm, locked_vm);
	event.pages = BPF_CORE_READ(mm, map_count);
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	BPF_CORE_READ_STR_INTO(&event.victim_comm, task, comm);
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}
