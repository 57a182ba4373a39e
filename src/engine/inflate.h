/* SPDX-License-Identifier: MIT */
/* Unpacks gzip files (RFC 1952) in memory: the kernel keeps its configuration as one. */
#ifndef EBPF_INFLATE_H
#define EBPF_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#pragma GCC visibility push(hidden)

bool inflate_is_gzip(const void *data, size_t size);

/*
 * Unpacks the first member of a gzip file into fresh memory, NUL-terminated, for the caller to
 * free. Returns -1 with ENOEXEC (malformed, cut off, or its checksum is wrong), EFBIG (more than
 * `limit` bytes come out) or ENOMEM.
 */
int inflate_gzip(const void *data, size_t size, size_t limit, char **out, size_t *out_size,
	struct error *err);

#pragma GCC visibility pop

#endif
