/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that do without maps: what they need them for is not reached, or is. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct cell {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} details SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct cell);
} outer SEC(".maps") = {.values = {&details}};

const volatile int detailed = 0;
__u64 detail SEC(".data.details") = 5;

struct spec_no_such_type {
	int field;
} __attribute__((preserve_access_index));

static __noinline int add_to(void *map, __u64 number)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(map, &key);

	if (value)
		*value += number;
	return value != 0;
}

static __noinline int add_detail(void)
{
	detail++;
	return add_to(&details, detail);
}

/* By a constant */
SEC("xdp")
int by_constant(struct xdp_md *ctx)
{
	int added = add_to(&counts, 1);

	if (detailed)
		added += add_detail();
	return added;
}

/* By what the kernel has */
SEC("xdp")
int by_type(struct xdp_md *ctx)
{
	if (bpf_core_type_exists(struct spec_no_such_type))
		return add_to(&details, 1);
	return 10;
}

/* By nothing */
SEC("xdp")
int unguarded(struct xdp_md *ctx)
{
	return add_to(&details, 1);
}

SEC("xdp")
int unguarded_data(struct xdp_md *ctx)
{
	return detail++;
}

SEC("?xdp")
int nested(struct xdp_md *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&outer, &key) ? 1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
