/* SPDX-License-Identifier: MIT */
/* Attaches sk_lookup programs (Linux 5.9) and flow dissectors (Linux 5.8) to network namespaces,
 * and netfilter programs (Linux 6.4) to the hooks of the caller's. */
#ifndef EBPF_ATTACH_NETNS_H
#define EBPF_ATTACH_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* The fd of a link, or -1. The namespace is that of a file (/run/netns/NAME, /proc/PID/ns/net);
 * without a path that of `fd`. */
int attach_netns(int prog_fd, uint32_t attach_type, const char *path, int fd, struct error *err);

struct attach_netfilter {
	uint32_t family; /* ABI_NFPROTO_* */
	uint32_t hook; /* below ABI_NF_HOOKS */
	int32_t priority; /* programs and modules of lower ones run first */
	bool defragment; /* packets come whole (Linux 6.6) */
};

/* The names of hooks, "pre_routing" and so on; NULL for others. */
const char *attach_netfilter_hook_name(uint32_t hook);

/* The fd of a link, or -1. */
int attach_netfilter(int prog_fd, const struct attach_netfilter *where, struct error *err);

#pragma GCC visibility pop

#endif
