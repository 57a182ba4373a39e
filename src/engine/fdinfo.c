/* SPDX-License-Identifier: MIT */
#include "fdinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

/* Descriptors of other kinds may have very long ones. */
enum { FDINFO_LIMIT = 1 << 20 };

int fdinfo_read(int process, int fd, char **text)
{
	char path[48];
	size_t size;

	if (process)
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", process, fd);
	else
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return sys_read_file(path, FDINFO_LIMIT, text, &size);
}

bool fdinfo_number(const char *text, const char *field, uint64_t *value)
{
	size_t n = strlen(field);
	const char *line;
	char *end;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, field, n) != 0 || line[n] != ':')
			continue;
		*value = strtoull(line + n + 1, &end, 0);
		return end != line + n + 1;
	}
	return false;
}
