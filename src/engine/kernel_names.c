/* SPDX-License-Identifier: MIT */
#include "kernel_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kallsyms.h"

struct wanted {
	struct kernel_name *list;
	uint32_t count;
};

static int compare(const void *a, const void *b)
{
	const struct kernel_name *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The first of that address or above. */
static uint32_t find(const struct kernel_name *list, uint32_t count, uint64_t address)
{
	uint32_t low = 0, high = count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Several symbols may share an address: the first is taken. */
static int take_symbol(void *arg, const struct kallsyms_symbol *symbol, struct error *err)
{
	struct wanted *wanted = arg;
	struct kernel_name *entry;
	uint32_t i;

	(void)err;
	if (!symbol->address)
		return 0;
	for (i = find(wanted->list, wanted->count, symbol->address); i < wanted->count; i++) {
		entry = &wanted->list[i];
		if (entry->address != symbol->address || entry->name[0])
			break;
		snprintf(entry->name, sizeof(entry->name), "%s", symbol->name);
		snprintf(entry->module, sizeof(entry->module), "%s", symbol->module);
	}
	return 0;
}

int kernel_names_find(struct kernel_name *list, uint32_t count, struct error *err)
{
	struct wanted wanted = {list, count};
	uint32_t i;

	for (i = 0; i < count; i++)
		list[i].name[0] = list[i].module[0] = '\0';
	qsort(list, count, sizeof(*list), compare);
	return kallsyms_each(take_symbol, &wanted, err) < 0 ? -1 : 0;
}

const char *kernel_names_get(const struct kernel_name *list, uint32_t count, uint64_t address)
{
	uint32_t i = find(list, count, address);

	return i < count && list[i].address == address ? list[i].name : "";
}

static int take_base(void *arg, const struct kallsyms_symbol *symbol, struct error *err)
{
	uint64_t *base = arg;

	(void)err;
	if (strcmp(symbol->name, "__bpf_call_base") != 0)
		return 0;
	*base = symbol->address;
	return 1;
}

uint64_t kernel_names_call_base(void)
{
	struct error ignored;
	uint64_t base = 0;

	kallsyms_each(take_base, &base, &ignored);
	return base;
}
