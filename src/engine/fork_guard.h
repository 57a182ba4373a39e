/* SPDX-License-Identifier: MIT */
/*
 * Tells the process that made something from a forked child that inherited it, without a system
 * call: a page that the kernel wipes in the child. Where the kernel cannot do that (before Linux
 * 4.14) it costs a getpid(2).
 */
#ifndef EBPF_FORK_GUARD_H
#define EBPF_FORK_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct fork_guard {
	volatile uint32_t *mark; /* 1 in the process that renewed it last, 0 in its children */
	int pid; /* where there is no mark */
};

/* Makes the guard hold in this process. Never fails. */
void fork_guard_open(struct fork_guard *guard);
void fork_guard_renew(struct fork_guard *guard);
void fork_guard_close(struct fork_guard *guard);

bool fork_guard_holds_pid(const struct fork_guard *guard);

/* Whether this is the process in which the guard was opened or renewed last. */
static inline bool fork_guard_holds(const struct fork_guard *guard)
{
	return guard->mark ? *guard->mark : fork_guard_holds_pid(guard);
}

#pragma GCC visibility pop

#endif
