/* SPDX-License-Identifier: MIT */
/* Text that grows as it is written. */
#ifndef EBPF_TEXT_H
#define EBPF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

/* All zero: empty. */
struct text {
	char *bytes; /* NUL-terminated; NULL: nothing has been written */
	size_t size, room;
	bool failed; /* memory ran out; nothing more is written */
};

/* Leaves an empty text. */
void text_free(struct text *text);

void text_add(struct text *text, const char *bytes, size_t size);
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes away what is beyond `size` bytes. */
void text_cut(struct text *text, size_t size);

#pragma GCC visibility pop

#endif
