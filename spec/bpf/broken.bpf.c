// SPDX-License-Identifier: GPL-2.0
/* Programs that the verifier refuses, each for another reason. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct value {
	struct bpf_spin_lock lock;
	__u32 index;
	__u32 numbers[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct value);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} table SEC(".maps");

const volatile __u32 constant = 1;

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
struct sock_common {
	int skc_hash;
} __attribute__((preserve_access_index));
extern int bpf_sock_destroy(struct sock_common *sock) __ksym __weak;
extern const int bpf_prog_active __ksym __weak;

static struct value *first(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&values, &key);
}

SEC("?tc")
int null_value(struct __sk_buff *skb)
{
	__u32 key = 0, *value = bpf_map_lookup_elem(&table, &key);

	return *value;
}

SEC("?tc")
int value_bounds(struct __sk_buff *skb)
{
	struct value *value = first();

	return value ? value->numbers[skb->len] : 0;
}

SEC("?tc")
int value_end(struct __sk_buff *skb)
{
	struct value *value = first();

	return value ? *(__u32 *)((char *)value + sizeof(*value)) : 0;
}

SEC("?xdp")
int packet_bounds(struct xdp_md *xdp)
{
	char *data = (void *)(long)xdp->data;

	return data[13];
}

SEC("?socket")
int packet_write(struct __sk_buff *skb)
{
	skb->len = 5;
	return 0;
}

SEC("?tc")
int context_bounds(struct __sk_buff *skb)
{
	return *(__u32 *)((char *)skb + 1000);
}

SEC("?tc")
int context_moved(struct __sk_buff *skb)
{
	return *(__u32 *)((char *)skb + (skb->len & 4));
}

SEC("?tc")
int pointer_times(struct __sk_buff *skb)
{
	__u64 p = (__u64)skb;

	asm volatile("%0 *= 3" : "+r"(p));
	return *(int *)p;
}

SEC("?tc")
int scalar_as_pointer(struct __sk_buff *skb)
{
	return *(int *)(long)skb->len;
}

SEC("?tc")
int not_initialised(struct __sk_buff *skb)
{
	int x;

	asm volatile("%0 = r8" : "=r"(x));
	return x;
}

SEC("?tc")
int stack_bounds(struct __sk_buff *skb)
{
	asm volatile("*(u64 *)(r10 - 520) = %0" ::"r"(0L));
	return 0;
}

static __noinline int large_frame(int n)
{
	volatile char frame[300];

	frame[n & 255] = (char)n;
	return frame[0];
}

static __noinline int large_caller(int n)
{
	volatile char frame[300];

	frame[n & 255] = (char)n;
	return large_frame(n) + frame[0];
}

SEC("?tc")
int stack_of_calls(struct __sk_buff *skb)
{
	return large_caller(skb->len);
}

SEC("?tc")
int endless(struct __sk_buff *skb)
{
	int i = 0;

	while (skb->len)
		asm volatile("" : "+r"(i));
	return i;
}

SEC("?tc")
int constant_write(struct __sk_buff *skb)
{
	*(volatile __u32 *)&constant = 2;
	return 0;
}

SEC("?tc")
int unreleased(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};

	return bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0) != 0;
}

SEC("?tc")
int locked_exit(struct __sk_buff *skb)
{
	struct value *value = first();

	if (value)
		bpf_spin_lock(&value->lock);
	return 0;
}

SEC("?tc")
int locked_call(struct __sk_buff *skb)
{
	struct value *value = first();

	if (!value)
		return 0;
	bpf_spin_lock(&value->lock);
	value->index = bpf_get_prandom_u32();
	bpf_spin_unlock(&value->lock);
	return 0;
}

SEC("?tc")
int wrong_argument(struct __sk_buff *skb)
{
	__u32 key = 0;

	return bpf_map_delete_elem((void *)(long)skb->len, &key);
}

SEC("?tc")
int wrong_map(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &values, 0);
	return 0;
}

SEC("?xdp")
int other_types_helper(struct xdp_md *xdp)
{
	char byte;

	return bpf_skb_load_bytes(xdp, 0, &byte, 1);
}

SEC("?tc")
int no_helper(struct __sk_buff *skb)
{
	long (*helper)(void *) = (void *)9999;

	return helper(skb);
}

SEC("?tc")
int gpl_helper(struct __sk_buff *skb)
{
	char byte;

	bpf_probe_read_kernel(&byte, 1, skb);
	return byte;
}

SEC("?tc")
int gpl_kfunc(struct __sk_buff *skb)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}

SEC("?xdp")
int other_types_kfunc(struct xdp_md *xdp)
{
	return bpf_sock_destroy((void *)xdp);
}

SEC("?tc")
int kernel_variable(struct __sk_buff *skb)
{
	return *(int *)bpf_this_cpu_ptr(&bpf_prog_active);
}

SEC("?cgroup_skb/ingress")
int return_value(struct __sk_buff *skb)
{
	return 5;
}

/* Verified for any argument that its type allows. */
__noinline int global(__u32 *number)
{
	return number ? *number : 0;
}

SEC("?tc")
int global_argument(struct __sk_buff *skb)
{
	return global((void *)skb);
}

char LICENSE[] SEC("license") = "GPL";
