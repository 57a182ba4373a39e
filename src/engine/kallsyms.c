/* SPDX-License-Identifier: MIT */
#include "kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

/* Symbols have fewer than 512 characters (KSYM_NAME_LEN), a line not many more. */
enum { CHUNK = 1 << 16 };

/* The digit's value, or 16. */
static unsigned int digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	return 16;
}

/* "ffffffffc0000000 t name\t[module]", which is cut up in place. */
static bool parse_line(char *line, struct kallsyms_symbol *symbol)
{
	char *s = line, *tab;

	symbol->address = 0;
	for (; digit(*s) < 16; s++)
		symbol->address = symbol->address << 4 | digit(*s);
	if (s == line || s[0] != ' ' || !s[1] || s[2] != ' ' || !s[3])
		return false;
	symbol->type = s[1];
	symbol->name = s + 3;
	symbol->module = "";
	tab = strchr(s + 3, '\t');
	if (!tab)
		return true;
	*tab++ = '\0';
	if (*tab == '[')
		tab++;
	tab[strcspn(tab, "]")] = '\0';
	symbol->module = tab;
	return true;
}

/* Visits the lines in `text`, and moves what is left of the last one to its start. */
static int visit_lines(
	char *text, size_t *length, kallsyms_visit visit, void *arg, struct error *err)
{
	char *line = text, *end;
	struct kallsyms_symbol symbol;
	int ret = 0;

	while (ret == 0 && (end = memchr(line, '\n', *length - (size_t)(line - text)))) {
		*end = '\0';
		if (parse_line(line, &symbol))
			ret = visit(arg, &symbol, err);
		line = end + 1;
	}
	*length -= (size_t)(line - text);
	memmove(text, line, *length);
	return ret;
}

static int read_symbols(int fd, char *text, kallsyms_visit visit, void *arg, struct error *err)
{
	size_t length = 0;
	int ret, n;

	for (;;) {
		n = sys_read(fd, text + length, CHUNK - length);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return error_errno(err, n, "read /proc/kallsyms");
		if (n == 0)
			return 0;
		length += (size_t)n;
		ret = visit_lines(text, &length, visit, arg, err);
		if (ret)
			return ret;
		/* No line is as long as that. */
		if (length == CHUNK)
			length = 0;
	}
}

int kallsyms_each(kallsyms_visit visit, void *arg, struct error *err)
{
	int fd = sys_open_file("/proc/kallsyms"), ret;
	char *text;

	if (fd < 0)
		return error_errno(err, fd, "read /proc/kallsyms");
	text = malloc(CHUNK);
	if (text)
		ret = read_symbols(fd, text, visit, arg, err);
	else
		ret = error_errno(err, ENOMEM, "read /proc/kallsyms");
	free(text);
	sys_close(fd);
	return ret;
}

static int is_called(void *arg, const struct kallsyms_symbol *symbol, struct error *err)
{
	(void)err;
	return strcmp(symbol->name, arg) == 0;
}

int kallsyms_has(const char *name, struct error *err)
{
	char copy[512];
	size_t length = strlen(name);

	if (length >= sizeof(copy))
		return 0;
	memcpy(copy, name, length + 1);
	return kallsyms_each(is_called, copy, err);
}
