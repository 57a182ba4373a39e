/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 256 };

void text_free(struct text *text)
{
	free(text->bytes);
	memset(text, 0, sizeof(*text));
}

/* Makes room for `more` bytes and a NUL. */
static bool reserve(struct text *text, size_t more)
{
	size_t room = text->room ? text->room : FIRST_ROOM;
	char *grown;

	if (text->failed || more > SIZE_MAX / 4 - text->size) {
		text->failed = true;
		return false;
	}
	while (room <= text->size + more)
		room *= 2;
	if (room == text->room)
		return true;
	grown = realloc(text->bytes, room);
	if (!grown) {
		text->failed = true;
		return false;
	}
	text->bytes = grown;
	text->room = room;
	return true;
}

void text_add(struct text *text, const char *bytes, size_t size)
{
	if (!reserve(text, size))
		return;
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
	text->bytes[text->size] = '\0';
}

void text_print(struct text *text, const char *format, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	if (n >= 0 && reserve(text, (size_t)n)) {
		vsnprintf(text->bytes + text->size, (size_t)n + 1, format, again);
		text->size += (size_t)n;
	}
	va_end(again);
	va_end(ap);
}

void text_cut(struct text *text, size_t size)
{
	if (size >= text->size)
		return;
	text->size = size;
	text->bytes[size] = '\0';
}
