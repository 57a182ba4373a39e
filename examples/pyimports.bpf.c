/* SPDX-License-Identifier: MIT */
/* Tells which modules Python programs import: CPython has a tracepoint of user space (USDT) where it
 * begins to look for one, and one where it is done. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <asm/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "GPL";

struct import {
	__u32 pid;
	__u32 found;
	char module[56];
};

/* Types that no map and no function names are left out of the object, unless a variable has them. */
const struct import *unused __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

SEC("usdt/python3:python:import__find__load__done")
int BPF_USDT(imported, const char *module, int found)
{
	struct import import = {.found = found != 0};

	import.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_probe_read_user_str(import.module, sizeof(import.module), module);
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &import, sizeof(import));
	return 0;
}
