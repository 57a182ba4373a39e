/* SPDX-License-Identifier: MIT */
/* What can be done to a BPF link of any type, once it is there. Errors tell the reason alone. */
#ifndef EBPF_ATTACH_LINK_H
#define EBPF_ATTACH_LINK_H

#include "abi.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum { ATTACH_LINK_NAME_SIZE = 256 };

struct attach_link_info {
	struct abi_link_info kernel;
	char name[ATTACH_LINK_NAME_SIZE]; /* of the tracepoint, where the link has one */
};

/* What a perf event link is attached to (perf_event.type). */
enum {
	BPF_PERF_EVENT_UNSPEC,
	BPF_PERF_EVENT_UPROBE,
	BPF_PERF_EVENT_URETPROBE,
	BPF_PERF_EVENT_KPROBE,
	BPF_PERF_EVENT_KRETPROBE,
	BPF_PERF_EVENT_TRACEPOINT,
	BPF_PERF_EVENT_EVENT,
};

/* BPF_OBJ_GET_INFO_BY_FD, with the name of the tracepoint. Since Linux 5.8. */
int attach_link_info(int fd, struct attach_link_info *info, struct error *err);

/* Puts another program in the place of the present one, in one step (Linux 5.7). */
int attach_link_update(int fd, int prog_fd, struct error *err);

/* Takes the program off its hook; the link stays, without effect (Linux 5.9). */
int attach_link_detach(int fd, struct error *err);

#pragma GCC visibility pop

#endif
