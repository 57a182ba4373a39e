/* SPDX-License-Identifier: MIT */
/* Attaches a program to many functions by one link: of the kernel (Linux 5.18), or of one file
 * (Linux 6.6). */
#ifndef EBPF_ATTACH_MULTI_H
#define EBPF_ATTACH_MULTI_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct attach_multi {
	uint32_t
		attach_type; /* BPF_TRACE_KPROBE_MULTI and so on: what the program was loaded for */
	bool is_return;
	uint32_t count;
	const char *const *symbols; /* kprobes: one of these two */
	const uint64_t *addresses;
	const char *path; /* uprobes: these */
	const uint64_t *offsets;
	const uint64_t *ref_ctr_offsets; /* or NULL */
	uint32_t pid; /* 0: all processes */
	const uint64_t *cookies; /* or NULL */
};

/* The fd of a link, or -1. */
int attach_multi_kprobe(int prog_fd, const struct attach_multi *multi, struct error *err);
int attach_multi_uprobe(int prog_fd, const struct attach_multi *multi, struct error *err);

#pragma GCC visibility pop

#endif
