/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that are verified against what they are to be attached to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tp_btf/task_rename")
int BPF_PROG(renamed, void *task, const char *comm)
{
	return 0;
}

/* Its section leaves the tracepoint open. */
SEC("?tp_btf")
int BPF_PROG(some_tracepoint)
{
	return 0;
}

SEC("?tp_btf/no_such_tracepoint")
int BPF_PROG(no_tracepoint)
{
	return 0;
}

struct bpf_iter_meta;
struct task_struct;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

SEC("iter/task")
int tasks(struct bpf_iter__task *context)
{
	return 0;
}

SEC("iter.s/task")
int tasks_sleepable(struct bpf_iter__task *context)
{
	return 0;
}

SEC("?iter/no_such_thing")
int no_iterator(void *context)
{
	return 0;
}

SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(enter, int a)
{
	return 0;
}

SEC("?fentry/vmlinux:bpf_fentry_test1")
int BPF_PROG(enter_in_vmlinux, int a)
{
	return 0;
}

SEC("?fentry/no_such_module:some_function")
int BPF_PROG(enter_in_module)
{
	return 0;
}

SEC("?fexit/bpf_fentry_test1")
int BPF_PROG(leave, int a, int result)
{
	return 0;
}

SEC("?fmod_ret/bpf_modify_return_test")
int BPF_PROG(modify, int a, int *b, int result)
{
	return 0;
}

SEC("?fentry/no_such_function")
int BPF_PROG(no_function)
{
	return 0;
}

SEC("?lsm/file_open")
int BPF_PROG(open_file, void *file)
{
	return 0;
}

SEC("?lsm.s/file_open")
int BPF_PROG(open_file_sleepable, void *file)
{
	return 0;
}

SEC("?lsm_cgroup/socket_bind")
int BPF_PROG(bind_socket, void *socket, void *address, int length)
{
	return 1;
}

SEC("?lsm/no_such_hook")
int BPF_PROG(no_hook)
{
	return 0;
}

/* A program with a function that others can take the place of. */
__noinline int replaceable(struct xdp_md *context)
{
	int answer = 7;

	barrier_var(answer);
	return context ? answer : 0;
}

SEC("xdp")
int calls_replaceable(struct xdp_md *context)
{
	return replaceable(context);
}

SEC("?freplace/replaceable")
int replacement(struct xdp_md *context)
{
	return 99;
}

SEC("?freplace")
int some_replacement(struct xdp_md *context)
{
	return 99;
}

/* Traces a function of another program. */
SEC("?fentry/replaceable")
int BPF_PROG(enter_replaceable, struct xdp_md *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
