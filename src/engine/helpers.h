/* SPDX-License-Identifier: MIT */
/* The kernel's helper functions by name and number, as uapi/linux/bpf.h lists them. The kernel takes
 * no new ones (since Linux 6.2; what came later are kfuncs). */
#ifndef EBPF_HELPERS_H
#define EBPF_HELPERS_H

#include "names.h"

#pragma GCC visibility push(hidden)

/* "bpf_map_lookup_elem" is 1; 0 is "bpf_unspec", which no program may call. */
extern const struct names_table helpers;

#pragma GCC visibility pop

#endif
