/* SPDX-License-Identifier: MIT */
/* The arms of BPF_LINK_CREATE for links that trace, and BPF_ITER_CREATE: see abi.h. */
#ifndef EBPF_ABI_TRACE_H
#define EBPF_ABI_TRACE_H

#include <stdint.h>

struct abi_link_tracing {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t target_btf_id;
	uint32_t pad;
	uint64_t cookie;
};

struct abi_link_kprobe_multi {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t multi_flags;
	uint32_t count;
	uint64_t symbols;
	uint64_t addresses;
	uint64_t cookies;
};

struct abi_link_uprobe_multi {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t pad;
};

/* Of multi_flags. */
enum { BPF_F_KPROBE_MULTI_RETURN = 1, BPF_F_UPROBE_MULTI_RETURN = 1 };

struct abi_link_iter {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t info; /* union abi_iter_info */
	uint32_t info_len;
	uint32_t pad;
};

union abi_iter_info {
	uint32_t map_fd;
	struct {
		uint32_t order;
		uint32_t fd;
		uint64_t id;
	} cgroup;
	struct {
		uint32_t tid;
		uint32_t pid;
		uint32_t pid_fd;
	} task;
};

/* What an iterator over control groups visits, and in which order. */
enum {
	BPF_CGROUP_ITER_ORDER_UNSPEC,
	BPF_CGROUP_ITER_SELF_ONLY,
	BPF_CGROUP_ITER_DESCENDANTS_PRE,
	BPF_CGROUP_ITER_DESCENDANTS_POST,
	BPF_CGROUP_ITER_ANCESTORS_UP,
	BPF_CGROUP_ITER_CHILDREN,
};

struct abi_iter_create {
	uint32_t link_fd;
	uint32_t flags;
};

_Static_assert(sizeof(struct abi_link_kprobe_multi) == 48, "layout of links to many kprobes");
_Static_assert(sizeof(struct abi_link_uprobe_multi) == 64, "layout of links to many uprobes");
_Static_assert(sizeof(union abi_iter_info) == 16, "layout of union bpf_iter_link_info");

#endif
