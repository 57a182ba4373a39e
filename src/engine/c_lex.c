/* SPDX-License-Identifier: MIT */
#include "c_lex.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

void c_lex_begin(struct c_lexer *lexer, const char *text, size_t size)
{
	*lexer = (struct c_lexer){text, text + size, 1, text};
}

static int lex_error(const struct c_token *token, struct error *err, const char *what)
{
	return error_set(err, EINVAL, "%u:%u: %s", token->line, token->column, what);
}

static bool looking_at(const struct c_lexer *lexer, const char *text)
{
	size_t size = strlen(text);

	return (size_t)(lexer->end - lexer->at) >= size && memcmp(lexer->at, text, size) == 0;
}

static void step(struct c_lexer *lexer)
{
	if (*lexer->at++ == '\n') {
		lexer->line++;
		lexer->line_start = lexer->at;
	}
}

static void set_place(const struct c_lexer *lexer, struct c_token *token)
{
	token->text = lexer->at;
	token->line = lexer->line;
	token->column = (uint32_t)(lexer->at - lexer->line_start) + 1;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int skip_blanks(struct c_lexer *lexer, struct c_token *token, struct error *err)
{
	for (;;) {
		set_place(lexer, token);
		if (looking_at(lexer, "//")) {
			while (lexer->at < lexer->end && *lexer->at != '\n')
				step(lexer);
		} else if (looking_at(lexer, "/*")) {
			lexer->at += 2;
			while (lexer->at < lexer->end && !looking_at(lexer, "*/"))
				step(lexer);
			if (lexer->at == lexer->end)
				return lex_error(token, err, "a comment without an end");
			lexer->at += 2;
		} else if (lexer->at < lexer->end && is_blank(*lexer->at)) {
			step(lexer);
		} else {
			return 0;
		}
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The value of a hexadecimal digit, 16 for what is none. */
static unsigned int digit_value(char c)
{
	if (is_digit(c))
		return (unsigned int)(c - '0');
	c |= 32;
	return c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10 : 16;
}

/* u, l, ul, llu, ...: they change nothing, as every number has 64 bits here. */
static bool is_suffix(const char *s, size_t size)
{
	size_t u = 0, l = 0, i;

	for (i = 0; i < size; i++) {
		u += (s[i] | 32) == 'u';
		l += (s[i] | 32) == 'l';
	}
	return u + l == size && u <= 1 && l <= 2;
}

static int read_number(struct c_lexer *lexer, struct c_token *token, struct error *err)
{
	const char *s = lexer->at, *end = lexer->at;
	unsigned int base = 10, digit;

	while (end < lexer->end && (is_letter(*end) || is_digit(*end)))
		end++;
	lexer->at = end;
	if (end - s > 1 && s[0] == '0') {
		base = (s[1] | 32) == 'x' ? 16 : (s[1] | 32) == 'b' ? 2 : 8;
		s += base == 8 ? 1 : 2;
		if (s == end)
			return lex_error(token, err, "a number without digits");
	}
	token->kind = C_NUMBER;
	token->number = 0;
	for (; s < end && (digit = digit_value(*s)) < base; s++) {
		if (token->number > (UINT64_MAX - digit) / base)
			return lex_error(token, err, "a number of more than 64 bits");
		token->number = token->number * base + digit;
	}
	if (!is_suffix(s, (size_t)(end - s)))
		return lex_error(token, err, "a malformed number");
	return 0;
}

/* 'a', or "..." without looking into it. */
static int read_quoted(struct c_lexer *lexer, struct c_token *token, struct error *err)
{
	char quote = *lexer->at++;

	while (lexer->at < lexer->end && *lexer->at != quote && *lexer->at != '\n') {
		if (*lexer->at == '\\' && lexer->end - lexer->at > 1)
			lexer->at++;
		step(lexer);
	}
	if (lexer->at == lexer->end || *lexer->at != quote)
		return lex_error(token, err, "a quote without an end");
	lexer->at++;
	token->kind = C_STRING;
	if (quote == '"')
		return 0;
	if (lexer->at - token->text != 3)
		return lex_error(token, err, "a character this library does not read");
	token->kind = C_NUMBER;
	token->number = (uint64_t)(int64_t)(signed char)token->text[1];
	return 0;
}

static int read_token(struct c_lexer *lexer, struct c_token *token, struct error *err)
{
	char c = *lexer->at;

	if (is_letter(c)) {
		token->kind = C_NAME;
		while (lexer->at < lexer->end && (is_letter(*lexer->at) || is_digit(*lexer->at)))
			lexer->at++;
		return 0;
	}
	if (is_digit(c))
		return read_number(lexer, token, err);
	if (c == '\'' || c == '"')
		return read_quoted(lexer, token, err);
	if (looking_at(lexer, "<<") || looking_at(lexer, ">>")) {
		token->kind = c == '<' ? C_SHIFT_LEFT : C_SHIFT_RIGHT;
		lexer->at += 2;
		return 0;
	}
	if (c <= ' ' || c > '~' || strchr("@`\\$#", c))
		return error_set(err, EINVAL,
			c > ' ' && c <= '~' ? "%u:%u: unexpected '%c'"
					    : "%u:%u: unexpected byte %u",
			token->line, token->column, (unsigned char)c);
	token->kind = c;
	lexer->at++;
	return 0;
}

int c_lex_next(struct c_lexer *lexer, struct c_token *token, struct error *err)
{
	*token = (struct c_token){.kind = C_END};
	if (skip_blanks(lexer, token, err) < 0)
		return -1;
	if (lexer->at < lexer->end && read_token(lexer, token, err) < 0)
		return -1;
	token->size = (size_t)(lexer->at - token->text);
	return 0;
}
