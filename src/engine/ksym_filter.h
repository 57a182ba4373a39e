/* SPDX-License-Identifier: MIT */
/* Which functions of the kernel can be probed by one link, by a pattern of names. */
#ifndef EBPF_KSYM_FILTER_H
#define EBPF_KSYM_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct ksym_filter {
	uint64_t *addresses; /* since Linux 6.5; else NULL */
	const char **names; /* the older way, ascending, each once; else NULL */
	char *text; /* which the names lie in */
	uint32_t count;
};

/*
 * What tracefs says can be probed and matches the pattern (see glob.h). By address where tracefs
 * tells those, as names need not be unique. ksym_filter_free() is due whatever comes of it.
 * ENOENT: nothing matches.
 */
int ksym_filter(const char *pattern, struct ksym_filter *found, struct error *err);

/* The same on the texts of available_filter_functions_addrs, and of available_filter_functions,
 * which is changed and belongs to `found` from then on. 0, or a negative errno. */
int ksym_filter_addresses(const char *text, const char *pattern, struct ksym_filter *found);
int ksym_filter_names(char *text, const char *pattern, struct ksym_filter *found);

void ksym_filter_free(struct ksym_filter *found);

#pragma GCC visibility pop

#endif
