/* SPDX-License-Identifier: MIT */
/*
 * Reads the small parts of assembly text: words, names, numbers, comments. What is tried and does
 * not fit is remembered, so that an error can say what was expected at the place where reading got
 * farthest.
 */
#ifndef EBPF_ASM_SCAN_H
#define EBPF_ASM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

enum { ASM_EXPECTED = 8 };

/* Something that would have fit: literal text, or a description. */
struct asm_expected {
	const char *text;
	int size;
	bool is_literal;
};

struct asm_scan {
	const char *text, *end;
	const char *at;
	bool is_log; /* the statement has an opcode in front, as in a verifier's log: ";" begins a
		      * comment */
	const char *farthest;
	struct asm_expected expected[ASM_EXPECTED]; /* there */
	uint32_t expected_count;
	const char *complaint; /* instead of what was expected there */
	const char *complaint_at;
	bool is_quiet; /* nothing is noted */
};

struct asm_number {
	uint64_t value; /* in two's complement */
	bool is_negative;
	bool is_hex;
};

/* Forgets what was expected. */
void asm_scan_begin(struct asm_scan *s);

/* Notes what is expected at the present place; always false. */
bool asm_scan_expect(struct asm_scan *s, const char *what);

/* Notes what is wrong with the text from `at` to the present place; always false. */
bool asm_scan_complain(struct asm_scan *s, const char *at, const char *what);

/* Passes over blanks and comments, not beyond the end of the line. */
void asm_scan_blanks(struct asm_scan *s);

/* Whether the statement ends at the present place. */
bool asm_scan_at_end(const struct asm_scan *s);

/* Passes over what ends a statement: the rest of the line when only a comment is left of it. */
bool asm_scan_end(struct asm_scan *s);

/* Passes over blank lines and comments before a statement; false at the end of the text. */
bool asm_scan_next(struct asm_scan *s);

/* A piece of literal text; words must end where it ends. */
bool asm_scan_literal(struct asm_scan *s, const char *text, size_t size);

/* A name, in quotes or not, as a string; POOL_NAME_MAX bytes at most. */
bool asm_scan_name(struct asm_scan *s, char name[POOL_NAME_MAX + 1]);

/* "r0" to "r15", or "w0" with that letter. */
bool asm_scan_register(struct asm_scan *s, char letter, unsigned int *number);

/* Digits: decimal, 0x, 0b or 0 octal is not. With a sign when `is_signed`. */
bool asm_scan_number(struct asm_scan *s, struct asm_number *number);

/* Fills the error with the line, the column and what is wrong there. Always returns -1. */
int asm_scan_fail(const struct asm_scan *s, struct error *err);

/* The same for a given place and message. */
int asm_scan_fail_at(const struct asm_scan *s, const char *at, struct error *err,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#pragma GCC visibility pop

#endif
