/* SPDX-License-Identifier: GPL-2.0 */
/* Programs for each way to trace. Each notes, by process, how often it ran and what it saw, so that
 * what other processes do does not show. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <asm/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct hit {
	__u64 count;
	__u64 cookie;
	__s64 first;
	__s64 second;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct hit);
	__uint(max_entries, 4096);
} hits SEC(".maps");

/* By cookie: how often. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64);
	__type(value, __u64);
	__uint(max_entries, 64);
} cookies SEC(".maps");

static __always_inline int note_hit(__u64 cookie, __s64 first, __s64 second)
{
	__u32 process = bpf_get_current_pid_tgid() >> 32;
	struct hit none = {}, *hit;

	bpf_map_update_elem(&hits, &process, &none, BPF_NOEXIST);
	hit = bpf_map_lookup_elem(&hits, &process);
	if (!hit)
		return 0;
	__sync_fetch_and_add(&hit->count, 1);
	hit->cookie = cookie;
	hit->first = first;
	hit->second = second;
	return 0;
}

static __always_inline void note_cookie(__u64 cookie)
{
	__u64 none = 0, *count;

	bpf_map_update_elem(&cookies, &cookie, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&cookies, &cookie);
	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("uprobe")
int user(struct pt_regs *ctx)
{
	return note_hit(0, (int)PT_REGS_PARM1(ctx), (int)PT_REGS_PARM2(ctx));
}

SEC("uprobe")
int user_cookie(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	note_cookie(cookie);
	return note_hit(cookie, (int)PT_REGS_PARM1(ctx), (int)PT_REGS_PARM2(ctx));
}

SEC("uretprobe")
int user_return(struct pt_regs *ctx)
{
	return note_hit(0, (int)PT_REGS_RC(ctx), 0);
}

SEC("?uprobe.multi")
int user_multi(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	note_cookie(cookie);
	return note_hit(cookie, (int)PT_REGS_PARM1(ctx), 0);
}

SEC("?uretprobe.multi")
int user_multi_return(struct pt_regs *ctx)
{
	return note_hit(0, (int)PT_REGS_RC(ctx), 0);
}

SEC("?uprobe.session")
int user_session(struct pt_regs *ctx)
{
	return note_hit(0, 0, 0);
}

/* Where the C library enters the kernel: exists in every process. */
SEC("?uprobe/libc.so.6:getppid")
int user_section(struct pt_regs *ctx)
{
	return note_hit(0, 0, 0);
}

SEC("?kprobe/__x64_sys_getpgid")
int kernel(struct pt_regs *ctx)
{
	return note_hit(0, 0, 0);
}

SEC("?kprobe")
int kernel_cookie(struct pt_regs *ctx)
{
	return note_hit(bpf_get_attach_cookie(ctx), 0, 0);
}

SEC("?kretprobe")
int kernel_return(struct pt_regs *ctx)
{
	return note_hit(0, PT_REGS_RC(ctx), 0);
}

SEC("?ksyscall/getpgid")
int system_call(struct pt_regs *ctx)
{
	return note_hit(0, 0, 0);
}

SEC("?kretsyscall/getpgid")
int system_call_return(struct pt_regs *ctx)
{
	return note_hit(0, PT_REGS_RC(ctx), 0);
}

SEC("?kprobe.multi")
int kernel_multi(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	note_cookie(cookie);
	return note_hit(cookie, 0, 0);
}

SEC("?kprobe.session")
int kernel_session(struct pt_regs *ctx)
{
	return note_hit(0, 0, 0);
}

SEC("?perf_event")
int sampled(struct bpf_perf_event_data *ctx)
{
	return note_hit(0, 0, 0);
}

SEC("?perf_event")
int sampled_cookie(struct bpf_perf_event_data *ctx)
{
	return note_hit(bpf_get_attach_cookie(ctx), 0, 0);
}

SEC("?tp_btf/task_rename")
int BPF_PROG(renamed, void *task, const char *comm)
{
	return note_hit(0, 0, 0);
}

SEC("?tp_btf/task_rename")
int BPF_PROG(renamed_cookie, void *task, const char *comm)
{
	return note_hit(bpf_get_attach_cookie(ctx), 0, 0);
}

SEC("?fentry/__x64_sys_getpgid")
int BPF_PROG(entered)
{
	return note_hit(0, 0, 0);
}

SEC("?fentry/__x64_sys_getpgid")
int BPF_PROG(entered_cookie)
{
	return note_hit(bpf_get_attach_cookie(ctx), 0, 0);
}

SEC("?fexit/__x64_sys_getpgid")
int BPF_PROG(left, const struct pt_regs *regs, long result)
{
	return note_hit(0, result, 0);
}

/* Where the function begins, and where it returns. */
SEC("?fsession/__x64_sys_getpgid")
int BPF_PROG(through)
{
	return note_hit(0, 0, 0);
}

SEC("?fmod_ret/bpf_modify_return_test")
int BPF_PROG(modified, int a, int *b, int result)
{
	note_hit(0, a, 0);
	return 77;
}

/* A file is opened. */
SEC("?lsm/file_open")
int BPF_PROG(opened, void *file, int result)
{
	note_hit(0, 0, 0);
	return result;
}

SEC("?lsm_cgroup/socket_create")
int BPF_PROG(socket_created, int family, int type, int protocol, int kern)
{
	note_hit(0, family, type);
	return 1;
}

/* What freplace puts another function in the place of. */
__noinline int replaceable(struct __sk_buff *skb)
{
	int answer = 7;

	barrier_var(answer);
	return skb ? answer : 0;
}

__noinline int also_replaceable(struct __sk_buff *skb)
{
	int answer = 8;

	barrier_var(answer);
	return skb ? answer : 0;
}

SEC("tc")
int replaced(struct __sk_buff *skb)
{
	return replaceable(skb) * 100 + also_replaceable(skb);
}

SEC("?freplace/replaceable")
int replacement(struct __sk_buff *skb)
{
	return 9;
}

char LICENSE[] SEC("license") = "GPL";
