// SPDX-License-Identifier: GPL-2.0
/*
 * Symbols of the kernel: addresses, variables, functions; ones that are there, and ones that are not.
 * The programs return 0, or the line of the first answer that is wrong.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

#define ksym_exists(symbol) (!!(void *)&(symbol))

/* Addresses */
extern const void bpf_prog_put __ksym;
extern const void bpf_map_put __ksym __weak;
extern const void spec_no_such_symbol __ksym __weak;

__u64 address, weak_address;

SEC("tc")
int addresses(struct __sk_buff *skb)
{
	address = (__u64)&bpf_prog_put;
	weak_address = (__u64)&bpf_map_put;
	CHECK(address);
	CHECK(!ksym_exists(spec_no_such_symbol));
	return 0;
}

/* Variables; both are per CPU. */
struct rq {
	int cpu;
} __attribute__((preserve_access_index));

extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym __weak;
extern const int cpu_number___old __ksym __weak;
extern const int spec_no_such_variable __ksym __weak;

static __noinline int active_here(void)
{
	const int *active = bpf_this_cpu_ptr(&bpf_prog_active);

	return *active;
}

SEC("raw_tp")
int variables(void *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	const struct rq *rq = bpf_per_cpu_ptr(&runqueues, cpu);

	CHECK(rq);
	CHECK(rq->cpu == cpu);
	CHECK(!bpf_per_cpu_ptr(&runqueues, 1 << 20));
	CHECK(active_here() >= 0);
	CHECK(!ksym_exists(spec_no_such_variable));
	return 0;
}

SEC("tc")
int flavoured_variable(struct __sk_buff *skb)
{
	if (!ksym_exists(cpu_number___old))
		return 0; /* later kernels on x86 have it elsewhere */
	CHECK(*(int *)bpf_this_cpu_ptr(&cpu_number___old) == bpf_get_smp_processor_id());
	return 0;
}

/* Functions. The kernel's struct bpf_iter_num. */
struct bpf_iter_num {
	__u64 opaque[1];
} __attribute__((aligned(8)));

struct sk_buff {
	unsigned int len;
} __attribute__((preserve_access_index));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern void *bpf_cast_to_kern_ctx(void *context) __ksym;
extern void bpf_rcu_read_lock___any(void) __ksym __weak;
extern void bpf_rcu_read_unlock___any(void) __ksym __weak;
extern void spec_no_such_kfunc(int argument) __ksym __weak;
/* It has one argument. */
extern void *bpf_cast_to_kern_ctx___two(void *context, int more) __ksym __weak;

static __noinline int sum_to(int n)
{
	struct bpf_iter_num it;
	int *i, sum = 0;

	bpf_iter_num_new(&it, 0, n);
	while ((i = bpf_iter_num_next(&it)))
		sum += *i;
	bpf_iter_num_destroy(&it);
	return sum;
}

SEC("tc")
int functions(struct __sk_buff *skb)
{
	struct sk_buff *kernel = bpf_cast_to_kern_ctx(skb);

	CHECK(kernel->len == skb->len);
	CHECK(sum_to(101) == 5050);
	return 0;
}

SEC("tc")
int weak_functions(struct __sk_buff *skb)
{
	CHECK(ksym_exists(bpf_rcu_read_lock___any));
	bpf_rcu_read_lock___any();
	bpf_rcu_read_unlock___any();
	CHECK(!ksym_exists(spec_no_such_kfunc));
	if (ksym_exists(spec_no_such_kfunc))
		spec_no_such_kfunc(1);
	CHECK(!ksym_exists(bpf_cast_to_kern_ctx___two));
	return 0;
}

/* No kfunc, but a function with an address. */
struct bpf_map {
	int id;
} __attribute__((preserve_access_index));

extern void bpf_map_put_with_uref(struct bpf_map *map) __ksym __weak;

SEC("tc")
int function_address(struct __sk_buff *skb)
{
	CHECK(ksym_exists(bpf_map_put_with_uref));
	CHECK(!ksym_exists(spec_no_such_kfunc));
	return 0;
}

/* Neither asks first. */
SEC("?tc")
int poisoned(struct __sk_buff *skb)
{
	spec_no_such_kfunc(1);
	return 0;
}

SEC("?tc")
int of_another_type(struct __sk_buff *skb)
{
	return bpf_cast_to_kern_ctx___two(skb, 1) != 0;
}

char LICENSE[] SEC("license") = "GPL";
