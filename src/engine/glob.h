/* SPDX-License-Identifier: MIT */
/* Patterns of names, as probes on many functions take them: '*' is any text, '?' any one byte. */
#ifndef EBPF_GLOB_H
#define EBPF_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

/* Whether the whole of `size` bytes at `text` match. Takes at most size times the pattern's length
 * steps, whatever the pattern. */
bool glob_match(const char *pattern, const char *text, size_t size);

#pragma GCC visibility pop

#endif
