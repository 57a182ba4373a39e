/* SPDX-License-Identifier: MIT */
/*
 * Tells each program that starts: a perf sample per exec, and a count per command.
 *
 * Raw tracepoints alone are used: they need neither tracefs nor type information of the kernel.
 * Which file is to be executed is seen where the system call begins; that it was executed is
 * seen at sched_process_exec. A hash carries the sample from the one to the other.
 */
#include <linux/bpf.h>
#include <asm/ptrace.h>
#include <asm/unistd.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct exec {
	__u32 pid;
	__u32 uid;
	char comm[16];
	char filename[128];
};

/* By thread. An exec that fails leaves its entry behind, so the least recently used make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, struct exec);
	__uint(max_entries, 1024);
} begun SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, char[16]);
	__type(value, __u64);
	__uint(max_entries, 1024);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

/* `argument` is the register that holds the address of the file name. */
static int begin(const void *argument)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct exec exec = {};
	const void *filename;

	bpf_probe_read_kernel(&filename, sizeof(filename), argument);
	bpf_probe_read_user_str(exec.filename, sizeof(exec.filename), filename);
	bpf_map_update_elem(&begun, &thread, &exec, BPF_ANY);
	return 0;
}

/* Runs at every system call of the machine, so it does nothing before it has seen the number.
 * The arguments: the registers, the number. */
SEC("raw_tp/sys_enter")
int exec_begins(struct bpf_raw_tracepoint_args *ctx)
{
	const struct pt_regs *regs = (const struct pt_regs *)ctx->args[0];

	if (ctx->args[1] == __NR_execve)
		return begin(&PT_REGS_PARM1_SYSCALL(regs));
	if (ctx->args[1] == __NR_execveat)
		return begin(&PT_REGS_PARM2_SYSCALL(regs));
	return 0;
}

static void count(const char *comm)
{
	__u64 none = 0, *n;

	bpf_map_update_elem(&counts, comm, &none, BPF_NOEXIST);
	n = bpf_map_lookup_elem(&counts, comm);
	if (n)
		__sync_fetch_and_add(n, 1);
}

/* The arguments: the task, the id its thread had before the exec made it the leader, the binary. */
SEC("raw_tp/sched_process_exec")
int exec_succeeds(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_get_current_pid_tgid();
	__u64 thread = now >> 32 << 32 | (__u32)ctx->args[1];
	struct exec *exec = bpf_map_lookup_elem(&begun, &thread);

	if (!exec)
		return 0; /* it began before we looked */
	exec->pid = now >> 32;
	exec->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(exec->comm, sizeof(exec->comm));
	count(exec->comm);
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, exec, sizeof(*exec));
	bpf_map_delete_elem(&begun, &thread);
	return 0;
}
