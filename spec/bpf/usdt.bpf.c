/* SPDX-License-Identifier: GPL-2.0 */
/* Programs at statically defined tracepoints, which note their arguments by process. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <asm/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#define BPF_USDT_MAX_SPEC_CNT 4
#include <bpf/usdt.bpf.h>

struct call {
	__u64 count;
	__s64 cookie;
	__s64 args[6];
	__s32 arg_count;
	char text[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct call);
	__uint(max_entries, 4096);
} calls SEC(".maps");

SEC("usdt")
int point(struct pt_regs *ctx)
{
	__u32 process = bpf_get_current_pid_tgid() >> 32;
	struct call none = {}, *call;
	long arg;
	int i;

	bpf_map_update_elem(&calls, &process, &none, BPF_NOEXIST);
	call = bpf_map_lookup_elem(&calls, &process);
	if (!call)
		return 0;
	__sync_fetch_and_add(&call->count, 1);
	call->cookie = bpf_usdt_cookie(ctx);
	call->arg_count = bpf_usdt_arg_cnt(ctx);
	for (i = 0; i < 6; i++) {
		if (bpf_usdt_arg(ctx, i, &arg) == 0)
			call->args[i] = arg;
	}
	if (call->arg_count > 1)
		bpf_probe_read_user_str(call->text, sizeof(call->text), (void *)call->args[1]);
	return 0;
}

SEC("?usdt/traced.so:traced:silent")
int named(struct pt_regs *ctx)
{
	__u32 process = bpf_get_current_pid_tgid() >> 32;
	struct call none = {}, *call;

	bpf_map_update_elem(&calls, &process, &none, BPF_NOEXIST);
	call = bpf_map_lookup_elem(&calls, &process);
	if (call)
		__sync_fetch_and_add(&call->count, 1);
	return 0;
}

/* Loaded for a link of many places, where the kernel has those. */
SEC("?uprobe.multi")
int point_multi(struct pt_regs *ctx)
{
	return named(ctx);
}

char LICENSE[] SEC("license") = "GPL";
