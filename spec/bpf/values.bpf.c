/* SPDX-License-Identifier: MIT */
/* variants: bigendian */
/* Maps that hold maps and programs, with initial elements. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 3);
};

struct inner inner_a SEC(".maps");
struct inner inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 8);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values =
		{
			[1] = &inner_b,
			[4] = &inner_a,
		},
};

/* The inner definition has no name of its own. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(key_size, 4);
	__uint(max_entries, 2);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_HASH);
			__type(key, __u16);
			__type(value, __u32);
			__uint(max_entries, 9);
		});
} anonymous SEC(".maps");

int called(void *ctx);
int main_program(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, 4);
	__uint(max_entries, 3);
	__array(values, int(void *));
} programs SEC(".maps") = {
	.values =
		{
			[2] = &called,
			[0] = &main_program,
		},
};

SEC("socket")
int called(void *ctx)
{
	return 7;
}

SEC("socket")
int main_program(void *ctx)
{
	__u32 key = 1;

	bpf_map_lookup_elem(&anonymous, &key);
	if (bpf_map_lookup_elem(&outer, &key))
		bpf_tail_call(ctx, &programs, 2);
	return 0;
}

char _license[] SEC("license") = "GPL";
