/* SPDX-License-Identifier: MIT */
/*
 * Finds out, after the kernel said no, why: nothing here runs on a happy path. What is known is
 * appended to the error's text; what is not known is not guessed.
 */
#ifndef EBPF_PROBE_H
#define EBPF_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* Capabilities an operation needs. CAP_SYS_ADMIN stands in for each of them, and is the only one
 * of use before Linux 5.8. */
enum probe_need {
	PROBE_BPF = 1 << 0,
	PROBE_PERFMON = 1 << 1,
	PROBE_NET_ADMIN = 1 << 2,
	PROBE_SYS_ADMIN = 1 << 3, /* CAP_SYS_ADMIN itself: opening objects by their id */
	PROBE_NETLINK = 1 << 4, /* CAP_NET_ADMIN itself, on any kernel */
};

/* What loading a program of that type needs. */
uint32_t probe_program_needs(uint32_t prog_type);

/*
 * When `err` is an EPERM or EACCES, appends which of the capabilities `needs` the calling thread
 * lacks; of 0, for what today's kernels let everybody do, only those that an old one wants. When an EPERM comes although it has them all, appends what else may forbid it: a user
 * namespace, the limit of locked memory (before Linux 5.11), seccomp, lockdown. Always returns -1.
 */
int probe_explain_privilege(struct error *err, uint32_t needs);

/* Which of the capabilities `needs` the calling thread lacks, and their names behind what the error
 * says already. */
uint32_t probe_lacking(uint32_t needs);
void probe_append_needs(struct error *err, uint32_t needs);

/* The running kernel's version as KERNEL_VERSION() packs it, where distributions name theirs
 * otherwise the one it was made from; 0 when it cannot be told. */
uint32_t probe_kernel_version(void);

/* Whether programs of kprobes can ask for the cookie they were attached with (Linux 5.15). */
bool probe_has_attach_cookie(void);

#pragma GCC visibility pop

#endif
