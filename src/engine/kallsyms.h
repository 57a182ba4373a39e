/* SPDX-License-Identifier: MIT */
/* The kernel's symbols, of itself and of its modules: /proc/kallsyms. */
#ifndef EBPF_KALLSYMS_H
#define EBPF_KALLSYMS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct kallsyms_symbol {
	uint64_t address; /* 0: the kernel hides it; see kallsyms_each() */
	char type; /* as nm(1) prints it */
	const char *name;
	const char *module; /* "": of the kernel itself */
};

/* Returns 0 to go on, 1 to stop, -1 with an error. */
typedef int (*kallsyms_visit)(void *arg, const struct kallsyms_symbol *symbol, struct error *err);

/*
 * Calls `visit` for each symbol, in the kernel's order; a name may come several times. Without
 * CAP_SYSLOG, or with the sysctl kernel.kptr_restrict at 2, all addresses are 0. Reading them all
 * takes the kernel tens of milliseconds. Returns what the last call of `visit` did; -1 also when
 * the file cannot be read (ENOENT: no CONFIG_KALLSYMS, or no /proc).
 */
int kallsyms_each(kallsyms_visit visit, void *arg, struct error *err);

/* Whether the kernel has a symbol of that name: 1, 0, or -1 with an error. */
int kallsyms_has(const char *name, struct error *err);

#pragma GCC visibility pop

#endif
