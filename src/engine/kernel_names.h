/* SPDX-License-Identifier: MIT */
/* Which functions of the kernel addresses belong to. */
#ifndef EBPF_KERNEL_NAMES_H
#define EBPF_KERNEL_NAMES_H

#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { KERNEL_NAMES_SIZE = 128, KERNEL_NAMES_MODULE_SIZE = 56 };

struct kernel_name {
	uint64_t address;
	uint32_t index; /* the caller's */
	char name[KERNEL_NAMES_SIZE]; /* "": no function begins there, or the kernel hides it */
	char module[KERNEL_NAMES_MODULE_SIZE]; /* "": none */
};

/* Sorts the list by addresses, and fills in names. This reads all symbols, which takes tens of
 * milliseconds. */
int kernel_names_find(struct kernel_name *list, uint32_t count, struct error *err);

/* The name at an address of a list that has been sorted; "" when it is not there. */
const char *kernel_names_get(const struct kernel_name *list, uint32_t count, uint64_t address);

/* What the kernel counts the addresses of helpers from; 0: it is hidden. */
uint64_t kernel_names_call_base(void);

#pragma GCC visibility pop

#endif
