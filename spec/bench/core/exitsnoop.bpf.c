// SPDX-License-Identifier: MIT
/* Who ends, how, and after how long. */
#include "core.h"

struct record {
	u64 started, ended;
	u32 pid, tid, ppid, signal;
	int code;
	char comm[NAME_ROOM];
};

const volatile bool failed_only, threads_too;

EVENTS(events);

SEC("raw_tp/sched_process_exit")
int ended(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct record event = {};
	int code = BPF_CORE_READ(task, exit_code);

	event.pid = BPF_CORE_READ(task, tgid);
	event.tid = BPF_CORE_READ(task, pid);
	if ((failed_only && !code) || (!threads_too && event.pid != event.tid))
		return 0;
	event.started = BPF_CORE_READ(task, start_time);
	event.ended = bpf_ktime_get_ns();
	event.ppid = BPF_CORE_READ(task, real_parent, tgid);
	event.signal = code & 0xff;
	event.code = code >> 8;
	BPF_CORE_READ_STR_INTO(&event.comm, task, comm);
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}
