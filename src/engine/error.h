/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, in words. An engine function that fails fills a caller-owned struct error
 * and returns a negative value (or NULL); only the system call wrappers of sys.h, which have
 * nothing to add, return a bare negative errno. What is written below holds no control characters.
 */
#ifndef EBPF_ERROR_H
#define EBPF_ERROR_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

enum { ERROR_TEXT_SIZE = 4096 };

struct error {
	int code; /* an errno, or 0 when no errno describes it */
	char text[ERROR_TEXT_SIZE];
};

/* An errno of this kernel: its symbol ("EPERM") and its meaning in lower case. */
struct error_errno {
	int code;
	const char *name;
	const char *text;
};

/* Every errno the kernel may answer, ended by a NULL name. */
extern const struct error_errno error_errnos[];

/* Fills `e` with `code` and the formatted text. Always returns -1, so it can end a function. */
int error_set(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, followed by ": <meaning of code> (<name of code>)". `code` may be negative. */
int error_errno(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts the formatted text and ": " in front of what `e` says already. Always returns -1. */
int error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the formatted text to what `e` says already. Always returns -1. */
int error_append(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "operation not permitted (EPERM)" for an errno of either sign; cut to `size`. */
void error_describe(int code, char *out, size_t size);

#pragma GCC visibility pop

#endif
