/* SPDX-License-Identifier: MIT */
/*
 * Attaches programs to hooks that run lists of them: those of cgroups (links: Linux 5.7), and tcx
 * (Linux 6.6) and netkit (Linux 6.7) of network interfaces; and to sockmaps, which run one of each
 * kind (links: Linux 6.10).
 */
#ifndef EBPF_ATTACH_HOOK_H
#define EBPF_ATTACH_HOOK_H

#include <stdint.h>

#include "attachment.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum attach_hook_kind {
	ATTACH_HOOK_CGROUP,
	ATTACH_HOOK_TCX,
	ATTACH_HOOK_NETKIT,
	ATTACH_HOOK_SOCKMAP,
};

struct attach_hook {
	enum attach_hook_kind kind;
	uint32_t attach_type;
	const char *name; /* the path of the cgroup, the name of the interface; NULL: `number` */
	int number; /* an fd of the cgroup or map, the index of the interface */
	uint32_t flags; /* BPF_F_* */
	uint32_t relative; /* fd or id of the program or link that it goes before or after */
	int replaced; /* with BPF_F_REPLACE: the fd of the program whose place it takes */
	uint64_t expected_revision; /* of the hook's list; 0: any */
};

/* The fd of a link, or -1. */
int attach_hook_link(int prog_fd, const struct attach_hook *hook, struct error *err);

/* The same by BPF_PROG_ATTACH, which makes no link: fills `a`. Returns 0 or -1. */
int attach_hook_program(
	int prog_fd, const struct attach_hook *hook, struct attachment *a, struct error *err);

#pragma GCC visibility pop

#endif
