/* SPDX-License-Identifier: MIT */
/* Which CPUs there are. Per-CPU map values have one slot for each *possible* CPU, perf rings
 * exist on each *online* one; either set may have gaps. */
#ifndef EBPF_CPU_H
#define EBPF_CPU_H

#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { CPU_MAX = 8192 };

struct cpu_set {
	uint64_t bits[CPU_MAX / 64];
	uint32_t count; /* how many are set */
	uint32_t last; /* the highest one set */
};

/* Parses a kernel CPU list ("0-3,8,10-11"). */
int cpu_parse(const char *list, struct cpu_set *set, struct error *err);

/* /sys/devices/system/cpu/possible and .../online. */
int cpu_possible(struct cpu_set *set, struct error *err);
int cpu_online(struct cpu_set *set, struct error *err);

static inline int cpu_is_set(const struct cpu_set *set, uint32_t cpu)
{
	return cpu < CPU_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1);
}

#pragma GCC visibility pop

#endif
