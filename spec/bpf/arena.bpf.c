/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that programs and user space share page by page, with pointers in it. This compiler knows no
 * address spaces, so the instruction that makes a pointer of an arena one that can be followed stands
 * here as bytes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { PAGE = 4096, PAGES = 8 };

struct {
	__uint(type, 33); /* BPF_MAP_TYPE_ARENA, of Linux 6.9 */
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PAGES);
} arena SEC(".maps");

extern void *bpf_arena_alloc_pages(
	void *map, void *address, __u32 count, int node, __u64 flags) __ksym;

/* r1 = the address of r1 in the arena, for the kernel. */
#define KERNEL_POINTER(pointer)                                                                    \
	({                                                                                         \
		register void *cast asm("r1") = (pointer);                                         \
		asm volatile(".byte 0xbf, 0x11\n\t.short 1\n\t.long 1" : "+r"(cast));              \
		cast;                                                                              \
	})

/* A list, the newest first. */
struct node {
	struct node *next;
	__u64 number;
};

struct node *head;
__u64 allocated;

/* Takes a page, and puts two numbers into a list in it. */
SEC("syscall")
int make_list(void *ctx)
{
	void *page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
	struct node *first, *second;

	if (!page)
		return 1;
	allocated = (__u64)page;
	first = KERNEL_POINTER(page);
	first->next = 0;
	first->number = 1000;
	second = KERNEL_POINTER(page + sizeof(struct node));
	second->next = page;
	second->number = 234;
	head = page + sizeof(struct node);
	return 0;
}

/* The sum of a list that user space may have changed. */
SEC("syscall")
int add_up(void *ctx)
{
	struct node *at = head, *node;
	__u32 sum = 0, i;

	for (i = 0; i < 16 && at; i++) {
		node = KERNEL_POINTER(at);
		sum += node->number;
		at = node->next;
	}
	/* Verified for an arena only when it mentions one. */
	asm volatile("" ::"r"(&arena));
	return sum;
}

/* Later compilers put what has the attribute address_space(1) into this section. */
#define IN_ARENA SEC(".addr_space.1")

__u64 step IN_ARENA = 5;
struct node first_node IN_ARENA = {.number = 100};
__u32 zeroes[3000] IN_ARENA;

/* Counts up by what user space sets. */
SEC("syscall")
int count_up(void *ctx)
{
	__u64 *by = KERNEL_POINTER(&step);
	__u64 amount = *by;
	struct node *node = KERNEL_POINTER(&first_node);

	node->number += amount;
	/* Verified for an arena only when it mentions one. */
	asm volatile("" ::"r"(&arena));
	return node->number;
}

char LICENSE[] SEC("license") = "GPL";
