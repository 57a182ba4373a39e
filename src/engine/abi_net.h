/* SPDX-License-Identifier: MIT */
/* The part of the kernel's interface that attaches programs to the network and to cgroups, as of
 * Linux 6.18; see abi.h. */
#ifndef EBPF_ABI_NET_H
#define EBPF_ABI_NET_H

#include <stdint.h>

#include "abi.h"

/* Flags of BPF_PROG_ATTACH and, for the places among other programs, BPF_LINK_CREATE. */
enum {
	BPF_F_ALLOW_OVERRIDE = 1U << 0,
	BPF_F_ALLOW_MULTI = 1U << 1,
	BPF_F_REPLACE = 1U << 2,
	BPF_F_BEFORE = 1U << 3,
	BPF_F_AFTER = 1U << 4,
	BPF_F_ID = 1U << 5,
	BPF_F_PREORDER = 1U << 6,
	BPF_F_ANCHOR_LINK = 1U << 13, /* BPF_F_LINK: what is named is a link, not a program */
};

/* Flags of BPF_PROG_QUERY. */
enum { BPF_F_QUERY_EFFECTIVE = 1U << 0 };

/* Flags of netfilter links. */
enum { BPF_F_NETFILTER_IP_DEFRAG = 1U << 0 };

/* The places where netfilter calls programs, and the families of packets. */
enum { ABI_NF_HOOKS = 5, ABI_NFPROTO_IPV4 = 2, ABI_NFPROTO_IPV6 = 10 };

/* Of Linux 5.7: XDP_FLAGS_REPLACE, IFLA_XDP_EXPECTED_FD. */
enum { ABI_XDP_FLAGS_REPLACE = 1U << 4, ABI_IFLA_XDP_EXPECTED_FD = 8 };

struct abi_link_create_net {
	uint32_t prog_fd;
	uint32_t target; /* an fd, or the index of an interface */
	uint32_t attach_type;
	uint32_t flags;
	union {
		struct { /* tcx, netkit, cgroup */
			uint32_t relative; /* fd or id of a program or link */
			uint32_t pad;
			uint64_t expected_revision;
		} place;
		struct {
			uint32_t pf;
			uint32_t hooknum;
			int32_t priority;
			uint32_t flags;
		} netfilter;
	};
};

/* BPF_PROG_ATTACH, BPF_PROG_DETACH */
struct abi_prog_attach {
	uint32_t target;
	uint32_t attach_bpf_fd;
	uint32_t attach_type;
	uint32_t attach_flags;
	uint32_t replace_bpf_fd;
	uint32_t relative;
	uint64_t expected_revision;
};

struct abi_prog_query {
	uint32_t target;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags; /* out */
	uint64_t prog_ids;
	uint32_t count; /* in: room; out: how many there are */
	uint32_t pad;
	uint64_t prog_attach_flags; /* from here on since Linux 6.0 */
	uint64_t link_ids; /* from here on since Linux 6.6 */
	uint64_t link_attach_flags;
	uint64_t revision; /* out */
};

_Static_assert(sizeof(struct abi_link_create_net) == 32, "layout of BPF_LINK_CREATE");
_Static_assert(sizeof(struct abi_prog_attach) == 32, "layout of BPF_PROG_ATTACH");
_Static_assert(sizeof(struct abi_prog_query) == 64, "layout of BPF_PROG_QUERY");

#endif
