/* SPDX-License-Identifier: GPL-2.0 */
/* Types such as a kernel has of structs of functions, for trying what other kernels may have. */
struct refcount {
	int refs;
};

struct bpf_struct_ops_common_value {
	struct refcount refcnt;
	unsigned int state;
};

struct tcp_congestion_ops {
	unsigned int (*ssthresh)(void *sk);
	void (*cong_avoid)(void *sk, unsigned int ack, unsigned int acked);
	unsigned int (*undo_cwnd)(void *sk);
	char name[16];
	void *owner;
	unsigned int key;
	unsigned int flags;
	unsigned int low_bits : 3, high_bits : 5;
	void (*init)(void *sk);
	void (*release)(void *sk);
} __attribute__((aligned(64)));

struct bpf_struct_ops_tcp_congestion_ops {
	struct bpf_struct_ops_common_value common;
	struct tcp_congestion_ops data;
};

void bpf_lsm_file_open(void *file)
{
}

struct bpf_struct_ops_tcp_congestion_ops used_by_nobody;
