// SPDX-License-Identifier: GPL-2.0
/* A function of a module of the kernel, nf_conntrack. Returns 0, or the line of the wrong answer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

struct nf_conn {
	unsigned long status;
} __attribute__((preserve_access_index));

/* The kernel's, which looks at its size. */
struct bpf_ct_opts___spec {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
	__u32 tuple_size, struct bpf_ct_opts___spec *opts, __u32 opts_size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

SEC("tc")
int connection(struct __sk_buff *skb)
{
	struct bpf_ct_opts___spec opts = {.netns_id = -1, .l4proto = 6};
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *found;

	if (bpf_rcu_read_lock) {
		bpf_rcu_read_lock();
		bpf_rcu_read_unlock();
	}
	found = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (found) {
		bpf_ct_release(found);
		return __LINE__;
	}
	CHECK(opts.error == -2); /* ENOENT */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
