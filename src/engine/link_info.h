/* SPDX-License-Identifier: MIT */
/* What the kernel tells about a BPF link of any type. Errors tell the reason alone. */
#ifndef EBPF_LINK_INFO_H
#define EBPF_LINK_INFO_H

#include "abi.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* LINK_INFO_ARRAYS: of numbers, one for each place that a link of many probes is attached to. */
enum { LINK_INFO_NAME_SIZE = 4096, LINK_INFO_ARRAYS = 3 };

struct link_info {
	struct abi_link_info kernel;
	uint32_t known; /* bytes of it that this kernel knows */
	char name[LINK_INFO_NAME_SIZE]; /* of the tracepoint, function, file or target it has */
};

/* BPF_OBJ_GET_INFO_BY_FD, with the name. Since Linux 5.8. */
int link_info_read(int fd, struct link_info *info, struct error *err);

/* How many numbers each array has; 0 for links that have no arrays. */
uint32_t link_info_count(const struct link_info *info);

/*
 * The arrays one behind the other, into LINK_INFO_ARRAYS * link_info_count() numbers: addresses and
 * cookies (kprobe_multi), offsets, offsets of reference counters and cookies (uprobe_multi). What
 * this kernel does not tell is 0.
 */
int link_info_read_arrays(int fd, struct link_info *info, uint64_t *room, struct error *err);

#pragma GCC visibility pop

#endif
