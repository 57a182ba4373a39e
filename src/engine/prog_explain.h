/* SPDX-License-Identifier: MIT */
/*
 * Says why a program was not loaded, in one line: what the verifier found fault with, at which
 * instruction of which function, the line of C it came from, and what to do about it where that is
 * known; else what may have kept the kernel from verifying it.
 */
#ifndef EBPF_PROG_EXPLAIN_H
#define EBPF_PROG_EXPLAIN_H

#include "error.h"
#include "prog_load.h"

#pragma GCC visibility push(hidden)

/* `code` is the negative errno of loading `spec`, `log` the verifier's words, NULL or "" when there
 * are none. Always returns -1. */
int prog_explain(const struct prog_load *spec, int code, const char *log, struct error *err);

#pragma GCC visibility pop

#endif
