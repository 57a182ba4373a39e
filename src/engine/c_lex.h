/* SPDX-License-Identifier: MIT */
/* The words of C declarations. */
#ifndef EBPF_C_LEX_H
#define EBPF_C_LEX_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum c_token_kind {
	C_END,
	C_NAME,
	C_NUMBER, /* an integer, or a character like 'a' */
	C_STRING, /* "...", which only attributes have */
	C_SHIFT_LEFT, /* << */
	C_SHIFT_RIGHT, /* >> */
	/* Any other kind is the one character the token consists of. */
};

struct c_token {
	int kind;
	const char *text; /* in the source */
	size_t size;
	uint64_t number; /* of C_NUMBER */
	uint32_t line, column; /* counted from 1, in bytes */
};

struct c_lexer {
	const char *at, *end;
	uint32_t line;
	const char *line_start;
};

void c_lex_begin(struct c_lexer *lexer, const char *text, size_t size);

/* Reads the next token, over blanks and comments. On failure the error begins with the place. */
int c_lex_next(struct c_lexer *lexer, struct c_token *token, struct error *err);

#pragma GCC visibility pop

#endif
