/* SPDX-License-Identifier: GPL-2.0 */
/* Iterators: programs that print a line for each object of the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

struct bpf_iter__cgroup {
	struct bpf_iter_meta *meta;
	struct cgroup *cgroup;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct cgroup {
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1024);
} numbers SEC(".maps");

/* Text in an array of its own: kernels before 5.13 have no snprintf-like macro to need it. */
#define PRINT(seq, format, ...)                                                                    \
	({                                                                                         \
		static const char fmt[] = format;                                                  \
		__u64 args[] = {__VA_ARGS__};                                                      \
		bpf_seq_printf(seq, fmt, sizeof(fmt), args, sizeof(args));                         \
	})

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		PRINT(ctx->meta->seq, "%d %d\n", task->tgid, task->pid);
	return 0;
}

/* Much output, whose lines do not end where what is read at once does. */
SEC("iter/task")
int verbose(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	int i;

	if (!task || ctx->meta->seq_num)
		return 0;
	for (i = 0; i < 200; i++)
		PRINT(ctx->meta->seq, "line %d of a text that is longer than a page, all in all\n",
			i);
	return 0;
}

SEC("iter/bpf_map_elem")
int elements(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key;
	__u64 *value = ctx->value;

	if (key && value)
		PRINT(ctx->meta->seq, "%d=%d\n", *key, *value);
	return 0;
}

SEC("?iter/cgroup")
int cgroups(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *cgroup = ctx->cgroup;

	if (cgroup)
		PRINT(ctx->meta->seq, "%llu\n", cgroup->kn->id);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
