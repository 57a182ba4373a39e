/* SPDX-License-Identifier: MIT */
/* variants: bigendian */
/* What the kernel does with the BTF of programs and maps. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <linux/time.h>

#define noinline __attribute__((noinline))
#define tagged   __attribute__((btf_decl_tag("a tag")))

struct position {
	__u16 x, y;
};

struct locked {
	struct bpf_spin_lock lock;
	__u32 count;
	struct position position;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct position);
	__type(value, struct locked);
	__uint(max_entries, 8);
} guarded SEC(".maps");

struct timed {
	struct bpf_timer timer;
	__u64 fired;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct timed);
	__uint(max_entries, 1);
} timers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct position);
} by_socket SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct position);
} by_task SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, struct position);
	__uint(max_entries, 8);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__type(value, struct position);
	__uint(max_entries, 8);
} bloom SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct position);
	__uint(max_entries, 1);
} inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
	__array(values, struct inner);
} outer SEC(".maps") = {.values = {&inner}};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

int first = 1;
static volatile int hidden_from_others = 2;
int last tagged = 3;
const volatile struct position origin = {4, 5};
float unused_float;
int __attribute__((btf_type_tag("of a pointer"))) * tagged_pointer;
static volatile int calls;

static long add(__u32 index, void *sum)
{
	*(int *)sum += index;
	return 0;
}

/* 0 + 1 + ... + 9 */
SEC("xdp")
int loop(struct xdp_md *ctx)
{
	int sum = 0;

	bpf_loop(10, add, &sum, 0);
	return sum;
}

static long count(void *map, struct position *key, struct locked *value, int *sum)
{
	*sum += key->x + key->y;
	return 0;
}

/* The coordinates of all keys. */
SEC("xdp")
int for_each(struct xdp_md *ctx)
{
	int sum = 0;

	bpf_for_each_map_elem(&guarded, count, &sum, 0);
	return sum;
}

SEC("xdp")
int lock(struct xdp_md *ctx)
{
	struct position key = {1, 2};
	struct locked *value = bpf_map_lookup_elem(&guarded, &key);
	int seen = -1;

	if (value) {
		bpf_spin_lock(&value->lock);
		seen = value->count++;
		bpf_spin_unlock(&value->lock);
	}
	return seen;
}

static int fire(void *map, __u32 *key, struct timed *value)
{
	value->fired++;
	return 0;
}

SEC("xdp")
int start_timer(struct xdp_md *ctx)
{
	struct timed *value;
	__u32 key = 0;

	value = bpf_map_lookup_elem(&timers, &key);
	if (!value || bpf_timer_init(&value->timer, &timers, CLOCK_MONOTONIC))
		return 1;
	bpf_timer_set_callback(&value->timer, fire);
	return bpf_timer_start(&value->timer, 0, 0) ? 2 : 0;
}

/* Verified by what its type allows, and so not for a pointer to anything. */
noinline int by_type(int x)
{
	calls++;
	return x * 2;
}

/* Verified with each caller, as it is not for others. */
__hidden noinline int with_caller(void *p)
{
	calls++;
	return *(int *)p;
}

SEC("xdp")
int functions(struct xdp_md *ctx)
{
	int seven = 7 + (ctx->rx_queue_index & 0);

	return by_type(with_caller(&seven)) + hidden_from_others + first + last + origin.y;
}

extern const void bpf_prog_put __ksym __weak;

SEC("?xdp")
int elsewhere(struct xdp_md *ctx)
{
	return &bpf_prog_put != (void *)0;
}

/* The verifier refuses it in a line that tells why. */
SEC("?xdp")
int refused(struct xdp_md *ctx)
{
	struct position key = {1, 2};
	struct locked *value = bpf_map_lookup_elem(&guarded, &key);

	return value->count; /* without a look */
}

char _license[] SEC("license") = "GPL";
