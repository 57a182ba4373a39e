// SPDX-License-Identifier: GPL-2.0
/*
 * CO-RE relocations against the running kernel, with definitions of its types that are not whole.
 * The programs return 0, or the line of the first answer that is wrong.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

#define PORTABLE __attribute__((preserve_access_index))

struct task_struct {
	char comm[16];
	int tgid;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	unsigned int in_execve : 1;
	int pid;
} PORTABLE;

struct mm_struct {
	unsigned long task_size;
} PORTABLE;

struct task_struct___before_5_14 {
	long state;
} PORTABLE;

struct task_struct___later {
	unsigned int __state;
} PORTABLE;

/* Both are inside of structs without a name in the kernel's. */
struct sk_buff {
	int (*never)(void);
	unsigned int cloned : 1;
	unsigned short protocol;
} PORTABLE;

/* The program's own: the headers have it whole, which is another kernel's. */
enum bpf_prog_type___core { BPF_PROG_TYPE_XDP___core = 1000 };

__u32 task_id, task_size;

SEC("tc")
int task(struct __sk_buff *skb)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u64 ids = bpf_get_current_pid_tgid();
	char comm[16], known[16];
	int i;

	CHECK(BPF_CORE_READ(t, pid) == (int)ids);
	CHECK(BPF_CORE_READ(t, tgid) == (int)(ids >> 32));
	CHECK(BPF_CORE_READ(t, group_leader, pid) == (int)(ids >> 32));
	CHECK(BPF_CORE_READ(t, mm, task_size) != 0);
	CHECK(BPF_CORE_READ_BITFIELD_PROBED(t, in_execve) == 0);
	CHECK(bpf_core_read_str(comm, sizeof(comm), &t->comm) > 1);
	CHECK(bpf_get_current_comm(known, sizeof(known)) == 0);
	for (i = 0; i < 16 && comm[i]; i++)
		CHECK(comm[i] == known[i]);
	return 0;
}

SEC("tc")
int flavours(struct __sk_buff *skb)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct task_struct___before_5_14 *before = (void *)t;
	struct task_struct___later *later = (void *)t;
	long state = -1;

	CHECK(bpf_core_field_exists(before->state) != bpf_core_field_exists(later->__state));
	if (bpf_core_field_exists(before->state))
		state = BPF_CORE_READ(before, state);
	else
		state = BPF_CORE_READ(later, __state);
	CHECK(state == 0); /* it runs */
	return 0;
}

SEC("tc")
int types(struct __sk_buff *skb)
{
	CHECK(bpf_core_type_exists(struct task_struct));
	CHECK(bpf_core_type_size(struct task_struct) > 1000);
	CHECK(bpf_core_field_size(struct task_struct, comm) == 16);
	CHECK(bpf_core_field_exists(struct sk_buff, protocol));
	CHECK(bpf_core_field_exists(struct sk_buff, cloned));
	CHECK(!bpf_core_field_exists(struct sk_buff, never));
	CHECK(bpf_core_enum_value(enum bpf_prog_type___core, BPF_PROG_TYPE_XDP___core) ==
		BPF_PROG_TYPE_XDP);
	task_id = bpf_core_type_id_kernel(struct task_struct);
	task_size = bpf_core_type_size(struct task_struct);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
