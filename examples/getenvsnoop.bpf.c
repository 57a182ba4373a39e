/* SPDX-License-Identifier: MIT */
/* Tells which variables of its environment a program asks for: a probe on getenv() of the C library
 * and one on its return. */
#include <linux/bpf.h>
#include <asm/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct lookup {
	__u32 pid;
	__u32 found;
	char comm[16];
	char name[48];
};

/* By thread, from the call to the return. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, struct lookup);
	__uint(max_entries, 1024);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

SEC("uprobe/libc.so.6:getenv")
int getenv_begins(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct lookup lookup = {.pid = thread >> 32};

	bpf_get_current_comm(lookup.comm, sizeof(lookup.comm));
	bpf_probe_read_user_str(lookup.name, sizeof(lookup.name), (void *)PT_REGS_PARM1(ctx));
	bpf_map_update_elem(&calls, &thread, &lookup, BPF_ANY);
	return 0;
}

SEC("uretprobe/libc.so.6:getenv")
int getenv_ends(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct lookup *lookup = bpf_map_lookup_elem(&calls, &thread);

	if (!lookup)
		return 0;
	lookup->found = PT_REGS_RC(ctx) != 0;
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, lookup, sizeof(*lookup));
	bpf_map_delete_elem(&calls, &thread);
	return 0;
}
