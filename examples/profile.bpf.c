/* SPDX-License-Identifier: MIT */
/* Counts stacks: a program that the clock of each CPU runs so many times a second. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/perf_event.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Of the process to watch; 0: all. */
const volatile __u32 process = 0;

struct sample {
	__u32 pid;
	__s32 kernel_stack; /* ids in `stacks`; negative: none */
	__s32 user_stack;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, PERF_MAX_STACK_DEPTH * sizeof(__u64));
	__uint(max_entries, 10240);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct sample);
	__type(value, __u64);
	__uint(max_entries, 10240);
} counts SEC(".maps");

SEC("perf_event")
int take_sample(struct bpf_perf_event_data *ctx)
{
	struct sample sample = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 none = 0, *count;

	if (process && sample.pid != process)
		return 0;
	bpf_get_current_comm(sample.comm, sizeof(sample.comm));
	sample.kernel_stack = bpf_get_stackid(ctx, &stacks, 0);
	sample.user_stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	bpf_map_update_elem(&counts, &sample, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&counts, &sample);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}
