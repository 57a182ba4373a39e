/* SPDX-License-Identifier: MIT */
#include "proc_maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

enum { MAPS_LIMIT = 256 << 20 };

char *proc_maps_read(int pid, struct error *err)
{
	char path[40], *text;
	size_t size;
	int ret;

	if (pid > 0)
		snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	else
		snprintf(path, sizeof(path), "/proc/self/maps");
	ret = sys_read_file(path, MAPS_LIMIT, &text, &size);
	if (ret == -ENOENT)
		error_set(err, ESRCH, "read %s: no such process (ESRCH)", path);
	else if (ret < 0)
		error_errno(err, ret, "read %s", path);
	return ret < 0 ? NULL : text;
}

static int digit(char c, unsigned base)
{
	int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

	return (unsigned)value < base ? value : -1;
}

/* A number that ends with `last`; NULL when it does not, or is too large. */
static const char *take(const char *at, unsigned base, char last, uint64_t *out)
{
	uint64_t value = 0;

	if (!at || digit(*at, base) < 0)
		return NULL;
	for (; digit(*at, base) >= 0; at++) {
		if (value > (UINT64_MAX - 15) / base)
			return NULL;
		value = value * base + (unsigned)digit(*at, base);
	}
	*out = value;
	return *at == last ? at + 1 : NULL;
}

/* "55d0c0e00000-55d0c0e01000 r-xp 00001000 fe:01 1234    /usr/bin/x"; text ends the line. */
static bool parse(const char *at, const char *end, struct proc_map *map)
{
	uint64_t major, minor;

	at = take(at, 16, '-', &map->start);
	at = take(at, 16, ' ', &map->end);
	if (!at || end - at < 5 || at[4] != ' ')
		return false;
	map->executable = at[2] == 'x';
	at = take(at + 5, 16, ' ', &map->offset);
	at = take(at, 16, ':', &major);
	at = take(at, 16, ' ', &minor);
	if (!at || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	map->major = (uint32_t)major;
	map->minor = (uint32_t)minor;
	map->inode = 0;
	for (; digit(*at, 10) >= 0; at++) {
		if (map->inode > (UINT64_MAX - 9) / 10)
			return false;
		map->inode = map->inode * 10 + (unsigned)digit(*at, 10);
	}
	while (at < end && *at == ' ')
		at++;
	map->path = at;
	map->path_size = (size_t)(end - at);
	return map->start < map->end;
}

bool proc_maps_next(const char **text, struct proc_map *map)
{
	const char *at, *end;

	while (**text) {
		at = *text;
		end = strchr(at, '\n');
		if (!end)
			end = at + strlen(at);
		*text = *end ? end + 1 : end;
		if (parse(at, end, map))
			return true;
	}
	return false;
}
