/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

enum { LIST_LIMIT = 1 << 20 };

static const char *parse_number(const char *s, uint32_t *out)
{
	uint32_t n = 0;

	if (!isdigit((unsigned char)*s))
		return NULL;
	while (isdigit((unsigned char)*s)) {
		n = n * 10 + (uint32_t)(*s++ - '0');
		if (n >= CPU_MAX)
			return NULL;
	}
	*out = n;
	return s;
}

static const char *parse_range(const char *s, uint32_t *first, uint32_t *last)
{
	s = parse_number(s, first);
	if (!s)
		return NULL;
	*last = *first;
	if (*s == '-')
		s = parse_number(s + 1, last);
	return s && *first <= *last ? s : NULL;
}

static void add_range(struct cpu_set *set, uint32_t first, uint32_t last)
{
	uint32_t cpu;

	for (cpu = first; cpu <= last; cpu++) {
		if (!cpu_is_set(set, cpu))
			set->count++;
		set->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
	}
	if (last > set->last)
		set->last = last;
}

int cpu_parse(const char *list, struct cpu_set *set, struct error *err)
{
	uint32_t first, last;
	const char *s = list;

	memset(set, 0, sizeof(*set));
	do {
		s = parse_range(s, &first, &last);
		if (!s)
			return error_set(err, EINVAL, "malformed list of CPUs \"%.64s\"", list);
		add_range(set, first, last);
	} while (*s++ == ',');
	if (s[-1] != '\0' && s[-1] != '\n')
		return error_set(err, EINVAL, "malformed list of CPUs \"%.64s\"", list);
	return 0;
}

static int read_list(const char *path, struct cpu_set *set, struct error *err)
{
	char *text = NULL;
	size_t size;
	int ret;

	ret = sys_read_file(path, LIST_LIMIT, &text, &size);
	if (ret < 0)
		return error_errno(err, ret, "read \"%s\"", path);
	ret = cpu_parse(text, set, err);
	free(text);
	return ret;
}

int cpu_possible(struct cpu_set *set, struct error *err)
{
	return read_list("/sys/devices/system/cpu/possible", set, err);
}

int cpu_online(struct cpu_set *set, struct error *err)
{
	return read_list("/sys/devices/system/cpu/online", set, err);
}
