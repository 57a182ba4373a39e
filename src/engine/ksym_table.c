/* SPDX-License-Identifier: MIT */
#include "ksym_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kallsyms.h"

static int no_memory(struct error *err)
{
	return error_errno(err, ENOMEM, "read the kernel's symbols");
}

static int add_text(struct ksym_table *t, const char *text, uint32_t *offset, struct error *err)
{
	size_t size = strlen(text) + 1, room;
	char *grown;

	if (size > t->text_room - t->text_size) {
		room = t->text_room ? t->text_room * 2 : 1 << 20;
		if (room > UINT32_MAX)
			return no_memory(err);
		grown = realloc(t->text, room);
		if (!grown)
			return no_memory(err);
		t->text = grown;
		t->text_room = room;
	}
	*offset = (uint32_t)t->text_size;
	memcpy(t->text + t->text_size, text, size);
	t->text_size += size;
	return 0;
}

static int add_symbol(struct ksym_table *t, const struct ksym *symbol, struct error *err)
{
	struct ksym *grown;
	uint32_t room;

	if (t->count == t->room) {
		room = t->room ? t->room * 2 : 1 << 15;
		if (room > UINT32_MAX / 4)
			return no_memory(err);
		grown = realloc(t->symbols, room * sizeof(*grown));
		if (!grown)
			return no_memory(err);
		t->symbols = grown;
		t->room = room;
	}
	t->symbols[t->count++] = *symbol;
	return 0;
}

/* Symbols of a module come one after the other. */
static int visit(void *arg, const struct kallsyms_symbol *symbol, struct error *err)
{
	struct ksym_table *t = arg;
	struct ksym copy = {.address = symbol->address};

	if (!strchr("tTwW", symbol->type) || !symbol->address)
		return 0;
	if (add_text(t, symbol->name, &copy.name, err) < 0)
		return -1;
	if (t->count &&
		strcmp(ksym_table_text(t, t->symbols[t->count - 1].module), symbol->module) == 0)
		copy.module = t->symbols[t->count - 1].module;
	else if (add_text(t, symbol->module, &copy.module, err) < 0)
		return -1;
	return add_symbol(t, &copy, err);
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct ksym *)a)->address, y = ((const struct ksym *)b)->address;

	return (x > y) - (x < y);
}

int ksym_table_read(struct ksym_table *table, struct error *err)
{
	if (kallsyms_each(visit, table, err) < 0)
		return -1;
	if (!table->count)
		return error_set(err, EPERM,
			"the kernel hides the addresses of its symbols: needs CAP_SYSLOG, and a "
			"sysctl kernel.kptr_restrict below 2");
	qsort(table->symbols, table->count, sizeof(*table->symbols), by_address);
	return 0;
}

const struct ksym *ksym_table_find(const struct ksym_table *table, uint64_t address)
{
	uint32_t low = 0, high = table->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (table->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &table->symbols[low - 1] : NULL;
}

void ksym_table_free(struct ksym_table *table)
{
	free(table->symbols);
	free(table->text);
	memset(table, 0, sizeof(*table));
}
