/* SPDX-License-Identifier: MIT */
#include "asm_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "asm_forms.h"

void asm_scan_begin(struct asm_scan *s)
{
	s->farthest = s->at;
	s->expected_count = 0;
	s->complaint = NULL;
}

/* Whether the present place is the farthest; what was noted before it is forgotten. */
static bool is_farthest(struct asm_scan *s)
{
	if (s->is_quiet || s->at < s->farthest)
		return false;
	if (s->at > s->farthest)
		asm_scan_begin(s);
	return true;
}

static bool expect(struct asm_scan *s, struct asm_expected what)
{
	const struct asm_expected *known;
	uint32_t i;

	if (!is_farthest(s))
		return false;
	for (i = 0; i < s->expected_count; i++) {
		known = &s->expected[i];
		if (known->size == what.size &&
			memcmp(known->text, what.text, (size_t)what.size) == 0)
			return false;
	}
	if (s->expected_count < ASM_EXPECTED)
		s->expected[s->expected_count++] = what;
	return false;
}

bool asm_scan_expect(struct asm_scan *s, const char *what)
{
	return expect(s, (struct asm_expected){.text = what, .size = (int)strlen(what)});
}

bool asm_scan_complain(struct asm_scan *s, const char *at, const char *what)
{
	if (is_farthest(s) && !s->complaint) {
		s->complaint = what;
		s->complaint_at = at;
	}
	return false;
}

static bool starts(const struct asm_scan *s, const char *with)
{
	size_t size = strlen(with);

	return (size_t)(s->end - s->at) >= size && memcmp(s->at, with, size) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

void asm_scan_blanks(struct asm_scan *s)
{
	const char *close;

	for (;;) {
		while (s->at < s->end && is_blank(*s->at))
			s->at++;
		if (!starts(s, "/*"))
			return;
		for (close = s->at + 2; close + 1 < s->end; close++) {
			if (close[0] == '*' && close[1] == '/')
				break;
		}
		if (close + 1 >= s->end)
			return;
		s->at = close + 2;
	}
}

/* "#" is a comment where it does not follow a word at once, as in "call bpf_get_prandom_u32#7". */
static bool at_comment(const struct asm_scan *s)
{
	if (s->at == s->end)
		return false;
	if (*s->at == '#')
		return s->at == s->text || !asm_is_name((unsigned char)s->at[-1]);
	return starts(s, "//") || (*s->at == ';' && s->is_log);
}

static void skip_line(struct asm_scan *s)
{
	const char *end = memchr(s->at, '\n', (size_t)(s->end - s->at));

	s->at = end ? end : s->end;
}

bool asm_scan_at_end(const struct asm_scan *s)
{
	return s->at == s->end || *s->at == '\n' || *s->at == ';' || at_comment(s);
}

bool asm_scan_end(struct asm_scan *s)
{
	asm_scan_blanks(s);
	if (!asm_scan_at_end(s))
		return asm_scan_expect(s, "the end of the instruction");
	if (at_comment(s))
		skip_line(s);
	else if (s->at < s->end)
		s->at++;
	s->is_log = false;
	return true;
}

/* Whether nothing but blanks is before the present place in its line: there, ";" begins a comment,
 * as before the lines of source that objdump and bpftool write. */
static bool is_line_start(const struct asm_scan *s)
{
	const char *p = s->at;

	while (p > s->text && is_blank(p[-1]))
		p--;
	return p == s->text || p[-1] == '\n';
}

bool asm_scan_next(struct asm_scan *s)
{
	for (;;) {
		asm_scan_blanks(s);
		if (s->at == s->end)
			return false;
		if (at_comment(s) || (*s->at == ';' && is_line_start(s)))
			skip_line(s);
		else if (*s->at == '\n' || *s->at == ';')
			s->at++;
		else
			return true;
	}
}

static bool is_word_at(const struct asm_scan *s, const char *at)
{
	return at < s->end && asm_is_name((unsigned char)*at);
}

bool asm_scan_literal(struct asm_scan *s, const char *text, size_t size)
{
	asm_scan_blanks(s);
	if ((size_t)(s->end - s->at) < size || memcmp(s->at, text, size) != 0 ||
		(asm_is_name((unsigned char)text[size - 1]) && is_word_at(s, s->at + size)))
		return expect(s, (struct asm_expected){text, (int)size, true});
	s->at += size;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One character of a quoted name, with "\" and what follows read as one. -1: it is none. */
static int quoted_char(const struct asm_scan *s, const char **at)
{
	const char *p = *at;
	int high, low;

	if (p == s->end || !*p || *p == '\n')
		return -1;
	if (*p != '\\') {
		*at = p + 1;
		return (unsigned char)*p;
	}
	p++;
	if (p < s->end && (*p == '"' || *p == '\\')) {
		*at = p + 1;
		return *p;
	}
	if (s->end - p < 3 || *p != 'x')
		return -1;
	high = hex_digit(p[1]);
	low = hex_digit(p[2]);
	if (high < 0 || low < 0 || !(high | low))
		return -1;
	*at = p + 3;
	return high << 4 | low;
}

static bool scan_quoted(struct asm_scan *s, char name[POOL_NAME_MAX + 1])
{
	const char *p = s->at + 1;
	size_t size = 0;
	int c;

	while (p < s->end && *p != '"') {
		c = quoted_char(s, &p);
		if (c < 0 || size == POOL_NAME_MAX)
			return asm_scan_complain(s, s->at,
				c < 0 ? "the name has no closing quote, or an "
					"unknown escape: \\\", \\\\ and \\x01 "
					"to \\xff are known"
				      : "the name is too long");
		name[size++] = (char)c;
	}
	if (p == s->end)
		return asm_scan_complain(s, s->at, "the name has no closing quote");
	name[size] = '\0';
	s->at = p + 1;
	return true;
}

bool asm_scan_name(struct asm_scan *s, char name[POOL_NAME_MAX + 1])
{
	const char *p;
	size_t size;

	asm_scan_blanks(s);
	p = s->at;
	if (p < s->end && *p == '"')
		return scan_quoted(s, name);
	if (p == s->end || !asm_is_name_start((unsigned char)*p))
		return asm_scan_expect(s, "a name");
	while (is_word_at(s, p))
		p++;
	size = (size_t)(p - s->at);
	if (size > POOL_NAME_MAX)
		return asm_scan_complain(s, s->at, "the name is too long");
	memcpy(name, s->at, size);
	name[size] = '\0';
	s->at = p;
	return true;
}

bool asm_scan_register(struct asm_scan *s, char letter, unsigned int *number)
{
	const char *p;

	asm_scan_blanks(s);
	p = s->at;
	if (p < s->end && *p == letter) {
		p++;
		*number = 16;
		if (p < s->end && *p >= '0' && *p <= '9')
			*number = (unsigned int)(*p++ - '0');
		if (*number == 1 && p < s->end && *p >= '0' && *p <= '5')
			*number = 10 + (unsigned int)(*p++ - '0');
		if (*number < 16 && !is_word_at(s, p)) {
			s->at = p;
			return true;
		}
	}
	return asm_scan_expect(
		s, letter == 'r' ? "a register (r0 to r10)" : "half a register (w0 to w10)");
}

/* Digits of `base` at `p`, which is moved behind them; false when the number is beyond 64 bits. */
static bool scan_digits(
	const struct asm_scan *s, const char **p, unsigned int base, uint64_t *value)
{
	int digit;

	*value = 0;
	for (; *p < s->end; (*p)++) {
		digit = hex_digit(**p);
		if (digit < 0 || digit >= (int)base)
			break;
		if (*value > (UINT64_MAX - (unsigned int)digit) / base)
			return false;
		*value = *value * base + (unsigned int)digit;
	}
	return true;
}

bool asm_scan_number(struct asm_scan *s, struct asm_number *number)
{
	const char *p, *first;

	asm_scan_blanks(s);
	p = s->at;
	number->is_negative = p < s->end && *p == '-';
	if (p < s->end && (*p == '-' || *p == '+'))
		p++;
	number->is_hex = s->end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X') &&
			 hex_digit(p[2]) >= 0;
	if (number->is_hex)
		p += 2;
	first = p;
	if (p == s->end || hex_digit(*p) < 0 || (!number->is_hex && (*p < '0' || *p > '9')))
		return asm_scan_expect(s, "a number");
	if (!scan_digits(s, &p, number->is_hex ? 16 : 10, &number->value) ||
		(number->is_negative && number->value > 1ULL << 63))
		return asm_scan_complain(s, s->at, "the number does not fit into 64 bits");
	if (is_word_at(s, p) || (p - first > 1 && *first == '0' && !number->is_hex))
		return asm_scan_complain(s, s->at,
			"this is no number: decimal digits, or 0x and hexadecimal ones, are");
	if (number->is_negative)
		number->value = -number->value;
	s->at = p;
	return true;
}

int asm_scan_fail_at(
	const struct asm_scan *s, const char *at, struct error *err, const char *format, ...)
{
	unsigned long line = 1, column = 1;
	char text[ERROR_TEXT_SIZE];
	const char *p;
	va_list ap;

	for (p = s->text; p < at; p++) {
		column++;
		if (*p == '\n') {
			line++;
			column = 1;
		}
	}
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return error_set(err, EINVAL, "%lu:%lu: %s", line, column, text);
}

/* The word or character at a place, as messages quote it. */
static int word_length(const struct asm_scan *s, const char *at)
{
	enum { LONGEST = 40 };
	const char *p = at;

	while (is_word_at(s, p) && p - at < LONGEST)
		p++;
	if (p == at)
		p++;
	return (int)(p - at);
}

/* Lists what was expected. Descriptions say more than literal text, of which there may be a lot. */
static void list_expected(const struct asm_scan *s, char *out, size_t size)
{
	const struct asm_expected *what;
	uint32_t i, described = 0, left;
	size_t used = 0;

	for (i = 0; i < s->expected_count; i++)
		described += !s->expected[i].is_literal;
	left = described ? described : s->expected_count;
	for (i = 0; left && i < s->expected_count && used < size; i++) {
		what = &s->expected[i];
		if (what->is_literal && described)
			continue;
		used += (size_t)snprintf(out + used, size - used,
			what->is_literal ? "\"%.*s\"%s" : "%.*s%s", what->size, what->text,
			left == 1   ? ""
			: left == 2 ? " or "
				    : ", ");
		left--;
	}
}

int asm_scan_fail(const struct asm_scan *s, struct error *err)
{
	const char *at = s->farthest;
	char wanted[512] = "";

	while (at < s->end && is_blank(*at))
		at++;
	if (s->complaint)
		return asm_scan_fail_at(s, s->complaint_at, err, "%s", s->complaint);
	list_expected(s, wanted, sizeof(wanted));
	if (at == s->end || *at == '\n')
		return asm_scan_fail_at(s, at, err, "%s expected at the end of the line", wanted);
	return asm_scan_fail_at(
		s, at, err, "%s expected, not \"%.*s\"", wanted, word_length(s, at), at);
}
