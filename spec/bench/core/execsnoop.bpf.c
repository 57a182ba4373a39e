// SPDX-License-Identifier: MIT
/* Who executes what, who is the parent, and what came of it. */
#include "core.h"

struct record {
	u32 pid, tgid, ppid, uid;
	int result;
	u32 size;
	char comm[NAME_ROOM];
	char file[128];
};

const volatile bool ignore_failed = true;
const volatile u32 only_uid = (u32)-1;

static const struct record empty_event;

HASH(running, u32, struct record);
EVENTS(events);

SEC("tracepoint/syscalls/sys_enter_execve")
int enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u64 id = bpf_get_current_pid_tgid();
	u32 pid = (u32)id, uid = (u32)bpf_get_current_uid_gid();
	struct record *event;

	if (only_uid != (u32)-1 && only_uid != uid)
		return 0;
	if (bpf_map_update_elem(&running, &pid, &empty_event, BPF_NOEXIST))
		return 0;
	event = bpf_map_lookup_elem(&running, &pid);
	if (!event)
		return 0;
	event->pid = pid;
	event->tgid = id >> 32;
	event->uid = uid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->size = bpf_probe_read_user_str(
		event->file, sizeof(event->file), (const char *)ctx->args[0]);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_execve")
int exit_execve(struct trace_event_raw_sys_exit *ctx)
{
	u32 pid = (u32)bpf_get_current_pid_tgid();
	struct record *event = bpf_map_lookup_elem(&running, &pid);

	if (!event)
		return 0;
	if (!ignore_failed || ctx->ret >= 0) {
		event->result = ctx->ret;
		bpf_get_current_comm(event->comm, sizeof(event->comm));
		bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, event, sizeof(*event));
	}
	bpf_map_delete_elem(&running, &pid);
	return 0;
}
