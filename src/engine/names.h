/* SPDX-License-Identifier: MIT */
/* The field's names of map, program, attach and link types, as bpftool prints them. */
#ifndef EBPF_NAMES_H
#define EBPF_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct names_table {
	const char *what; /* "map type", for messages */
	const char *const *names;
	uint32_t count;
};

extern const struct names_table names_map_types;
extern const struct names_table names_prog_types;
extern const struct names_table names_attach_types;
extern const struct names_table names_link_types;

/* What else links are described by, as bpftool prints it. Those of cgroups are ways to walk them. */
extern const struct names_table names_cgroup_orders;
extern const struct names_table names_perf_types;
extern const struct names_table names_perf_hardware;
extern const struct names_table names_perf_software;

/* The name of a number, or NULL when this table does not know it. */
const char *names_of(const struct names_table *table, uint32_t id);

/* The number of a name; false when there is none. */
bool names_find(const struct names_table *table, const char *name, uint32_t *id);

#pragma GCC visibility pop

#endif
