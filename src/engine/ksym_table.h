/* SPDX-License-Identifier: MIT */
/* The functions of the running kernel by address: for names in stacks. */
#ifndef EBPF_KSYM_TABLE_H
#define EBPF_KSYM_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct ksym {
	uint64_t address;
	uint32_t
		name; /* offsets into the table's text; those of all functions of a module are one */
	uint32_t module;
};

struct ksym_table {
	struct ksym *symbols; /* ascending by address */
	uint32_t count;
	uint32_t room;
	char *text;
	size_t text_size;
	size_t text_room;
};

/* Reads /proc/kallsyms. EPERM: the kernel hides the addresses from the caller. `table` must be all
 * zero; ksym_table_free() is due whatever comes of it. */
int ksym_table_read(struct ksym_table *table, struct error *err);

/* The last function that begins at or below the address; NULL when there is none. */
const struct ksym *ksym_table_find(const struct ksym_table *table, uint64_t address);

static inline const char *ksym_table_text(const struct ksym_table *table, uint32_t offset)
{
	return table->text + offset;
}

void ksym_table_free(struct ksym_table *table);

#pragma GCC visibility pop

#endif
