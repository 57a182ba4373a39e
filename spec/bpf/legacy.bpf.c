/* SPDX-License-Identifier: MIT */
/* variants: nodebug bigendian */
/* Maps as they were defined before BTF, and all else that works without it. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct definition {
	__u32 type;
	__u32 key_size;
	__u32 value_size;
	__u32 max_entries;
	__u32 flags;
	__u32 inner;
	__u32 reserved[2];
};

struct definition table SEC("maps") = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 100,
	.flags = BPF_F_NO_PREALLOC,
};

struct definition element SEC("maps") = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 16,
	.max_entries = 2,
};

struct definition outer SEC("maps") = {
	.type = BPF_MAP_TYPE_HASH_OF_MAPS,
	.key_size = 4,
	.value_size = 4,
	.max_entries = 5,
	.inner = 1,
};

int counter = 1;
static const char text[] = "legacy";

static __attribute__((noinline)) int count(int by)
{
	counter += by;
	return counter;
}

SEC("tracepoint/raw_syscalls/sys_enter")
int on_enter(void *ctx)
{
	__u32 key = 0;

	bpf_map_lookup_elem(&table, &key);
	bpf_trace_printk(text, sizeof(text));
	return count(1);
}

SEC("socket")
int on_packet(void *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&outer, &key) ? count(2) : 0;
}

char _license[] SEC("license") = "GPL";
