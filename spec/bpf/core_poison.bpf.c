// SPDX-License-Identifier: GPL-2.0
/* Programs that ask for what the kernel lacks, or what is not clear. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define PORTABLE __attribute__((preserve_access_index))

struct task_struct {
	int pid;
	struct {
		int deep[4];
	} no_such_field;
} PORTABLE;

struct no_such_struct {
	int field;
} PORTABLE;

enum bpf_prog_type___poison { BPF_PROG_TYPE_NONSENSE };

struct widget {
	int level; /* a short in the target */
	struct {
		int x;
	} part;
} PORTABLE;

struct split {
	int field;
} PORTABLE;

char data[256];

SEC("tc")
int missing_field(struct __sk_buff *skb)
{
	struct task_struct *t = (void *)data;

	return t->no_such_field.deep[2];
}

SEC("tc")
int missing_type(struct __sk_buff *skb)
{
	struct no_such_struct *s = (void *)data;

	return s->field;
}

SEC("tc")
int missing_value(struct __sk_buff *skb)
{
	return bpf_core_enum_value(enum bpf_prog_type___poison, BPF_PROG_TYPE_NONSENSE);
}

SEC("tc")
int other_size(struct __sk_buff *skb)
{
	struct widget *w = (void *)data;

	return w->level;
}

SEC("tc")
int module_type(struct __sk_buff *skb)
{
	return bpf_core_type_id_kernel(struct widget);
}

SEC("tc")
int ambiguous(struct __sk_buff *skb)
{
	struct split *s = (void *)data;

	return s->field;
}

static __attribute__((noinline)) int ask(void *memory)
{
	struct no_such_struct *s = memory;

	return s->field;
}

SEC("tc")
int in_function(struct __sk_buff *skb)
{
	return ask(data) + 1;
}

char LICENSE[] SEC("license") = "GPL";
