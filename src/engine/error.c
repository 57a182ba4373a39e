/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Our own table instead of strerror(): strerror is not thread-safe, follows the locale, has no
 * symbolic names, and does not know ENOTSUPP (524), which the kernel leaks from bpf(2).
 */
const struct error_errno error_errnos[] = {
#include "errno_table.inc"
	{0, NULL, NULL},
};

static const struct error_errno *find_errno(int code)
{
	const struct error_errno *e;

	for (e = error_errnos; e->name; e++) {
		if (e->code == code)
			return e;
	}
	return NULL;
}

void error_describe(int code, char *out, size_t size)
{
	const struct error_errno *e = find_errno(code < 0 ? -code : code);

	if (e)
		snprintf(out, size, "%s (%s)", e->text, e->name);
	else
		snprintf(out, size, "error %d", code < 0 ? -code : code);
}

/*
 * Writes the text from `at` on. Names out of hostile objects and files stand in messages, which
 * may go to a terminal: no control character gets in.
 */
static void write_text(struct error *e, size_t at, const char *format, va_list ap)
{
	char *c;

	vsnprintf(e->text + at, sizeof(e->text) - at, format, ap);
	for (c = e->text + at; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

int error_set(struct error *e, int code, const char *format, ...)
{
	va_list ap;

	e->code = code < 0 ? -code : code;
	va_start(ap, format);
	write_text(e, 0, format, ap);
	va_end(ap);
	return -1;
}

int error_errno(struct error *e, int code, const char *format, ...)
{
	char meaning[128];
	va_list ap;

	e->code = code < 0 ? -code : code;
	va_start(ap, format);
	write_text(e, 0, format, ap);
	va_end(ap);
	error_describe(e->code, meaning, sizeof(meaning));
	return error_append(e, ": %s", meaning);
}

int error_prefix(struct error *e, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list ap;
	size_t n;

	memcpy(text, e->text, sizeof(text));
	va_start(ap, format);
	write_text(e, 0, format, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", text);
	return -1;
}

int error_append(struct error *e, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	write_text(e, strlen(e->text), format, ap);
	va_end(ap);
	return -1;
}
