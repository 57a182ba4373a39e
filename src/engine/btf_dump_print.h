/* SPDX-License-Identifier: MIT */
/* Single declarations in C. Part of btf_dump, which sees to their order. */
#ifndef EBPF_BTF_DUMP_PRINT_H
#define EBPF_BTF_DUMP_PRINT_H

#include "btf.h"
#include "btf_dump_names.h"
#include "btf_layout.h"

#pragma GCC visibility push(hidden)

struct btf_printer {
	struct btf *btf;
	struct btf_layout layout;
	struct btf_dump_names names;
	char *text;
	size_t size, room, limit;
	uint32_t depth;
	bool failed; /* error says why; nothing more is written */
	struct error *error;
};

/* `printer` must be all zero; btf_printer_free() is due whether it succeeded or not. */
int btf_printer_init(struct btf_printer *printer, struct btf *btf, struct error *err);
void btf_printer_free(struct btf_printer *printer);

void btf_print(struct btf_printer *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "struct name;" */
void btf_print_forward(struct btf_printer *p, uint32_t id);

/* "struct name { ... };" for a struct, union or enum, with or without a name. */
void btf_print_definition(struct btf_printer *p, uint32_t id);

/* "typedef ... name;" */
void btf_print_typedef(struct btf_printer *p, uint32_t id);

#pragma GCC visibility pop

#endif
