/* SPDX-License-Identifier: MIT */
/* Attaches programs to raw tracepoints: the tracepoint's own arguments, nothing copied. */
#ifndef EBPF_ATTACH_RAW_TRACEPOINT_H
#define EBPF_ATTACH_RAW_TRACEPOINT_H

#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* The fd of a link, or -1. A cookie other than 0 needs Linux 6.10. */
int attach_raw_tracepoint(int prog_fd, const char *name, uint64_t cookie, struct error *err);

#pragma GCC visibility pop

#endif
