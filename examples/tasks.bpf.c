/* SPDX-License-Identifier: MIT */
/* Lists the processes: an iterator, which the kernel runs for each task, and whose output is read
 * like a file. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* What we need of the kernel's types; where the fields are is found out when this is loaded. */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
	char comm[16];
	unsigned int flags;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

enum { PF_KTHREAD = 0x00200000 };

SEC("iter/task")
int list(struct bpf_iter__task *ctx)
{
	static const char format[] = "%d %d %d %s\n";
	struct task_struct *task = ctx->task;
	__u64 values[4];

	/* Threads other than the first of a process are left out. */
	if (!task || task->pid != task->tgid)
		return 0;
	values[0] = task->tgid;
	values[1] = task->real_parent->tgid;
	values[2] = (task->flags & PF_KTHREAD) != 0;
	values[3] = (__u64)(long)task->comm;
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), values, sizeof(values));
	return 0;
}
