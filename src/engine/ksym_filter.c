/* SPDX-License-Identifier: MIT */
#include "ksym_filter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "mounts.h"
#include "probe.h"
#include "sys.h"

enum { FILE_LIMIT = 512 << 20 };

/* Where the kernel has forgotten what was there. */
static const char invalid[] = "__ftrace_invalid_address__";

static bool is_match(const char *name, size_t size, const char *pattern)
{
	return size && (size < sizeof(invalid) || strncmp(name, invalid, sizeof(invalid) - 1)) &&
	       glob_match(pattern, name, size);
}

/* "ffffffff81000000 name [module]" on each line. */
int ksym_filter_addresses(const char *text, const char *pattern, struct ksym_filter *found)
{
	uint64_t address, *grown;
	uint32_t room = 0;
	char *name;

	for (; text && *text; text = strchr(text, '\n'), text += text ? 1 : 0) {
		address = strtoull(text, &name, 16);
		if (*name++ != ' ' || !is_match(name, strcspn(name, " \t\n"), pattern))
			continue;
		if (found->count == room) {
			room = room ? room * 2 : 256;
			grown = realloc(found->addresses, room * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			found->addresses = grown;
		}
		found->addresses[found->count++] = address;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Marks the names that /proc/kallsyms lists as functions, by what stands before each. */
static void mark_known(const char *kallsyms, const char **names, uint32_t count, char *known)
{
	const char *at, **hit, *name;
	char copy[512];
	size_t size;

	for (at = kallsyms; at && *at; at = strchr(at, '\n'), at += at ? 1 : 0) {
		at += strcspn(at, " \n");
		if (*at != ' ' || !at[1] || !strchr("tTwW", at[1]) || at[2] != ' ')
			continue;
		name = at + 3;
		size = strcspn(name, " \t\n");
		if (size >= sizeof(copy))
			continue;
		memcpy(copy, name, size);
		copy[size] = '\0';
		name = copy;
		hit = bsearch(&name, names, count, sizeof(*names), by_name);
		if (hit)
			known[hit - names] = 1;
	}
}

static int collect_names(char *text, const char *pattern, struct ksym_filter *found)
{
	const char **grown;
	uint32_t room = 0;
	char *line, *next;
	size_t size;

	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		size = strcspn(line, " \t");
		line[size] = '\0';
		if (!is_match(line, size, pattern))
			continue;
		if (found->count == room) {
			room = room ? room * 2 : 256;
			grown = realloc(found->names, room * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			found->names = grown;
		}
		found->names[found->count++] = line;
	}
	return 0;
}

int ksym_filter_names(
	char *text, const char *kallsyms, const char *pattern, struct ksym_filter *found)
{
	uint32_t i, kept = 0;
	char *known;
	int ret;

	found->text = text;
	ret = collect_names(text, pattern, found);
	if (ret < 0 || !found->count)
		return ret;
	qsort(found->names, found->count, sizeof(*found->names), by_name);
	for (i = 0; i < found->count; i++) {
		if (!kept || strcmp(found->names[kept - 1], found->names[i]) != 0)
			found->names[kept++] = found->names[i];
	}
	found->count = kept;
	known = calloc(kept, 1);
	if (!known)
		return -ENOMEM;
	mark_known(kallsyms, found->names, kept, known);
	for (i = 0, kept = 0; i < found->count; i++) {
		if (known[i])
			found->names[kept++] = found->names[i];
	}
	found->count = kept;
	free(known);
	return 0;
}

static int read_lists(
	const char *tracefs, const char *pattern, struct ksym_filter *found, struct error *err)
{
	char path[MOUNTS_PATH_SIZE + 64], *text, *kallsyms;
	size_t size;
	int ret;

	snprintf(path, sizeof(path), "%s/available_filter_functions_addrs", tracefs);
	ret = sys_read_file(path, FILE_LIMIT, &text, &size);
	if (ret == 0) {
		ret = ksym_filter_addresses(text, pattern, found);
		free(text);
		return ret < 0 ? error_errno(err, ret, "read %s", path) : 0;
	}
	snprintf(path, sizeof(path), "%s/available_filter_functions", tracefs);
	ret = sys_read_file(path, FILE_LIMIT, &text, &size);
	if (ret < 0)
		return error_errno(err, ret, "read %s", path);
	ret = sys_read_file("/proc/kallsyms", FILE_LIMIT, &kallsyms, &size);
	if (ret < 0) {
		free(text);
		return error_errno(err, ret, "read /proc/kallsyms");
	}
	ret = ksym_filter_names(text, kallsyms, pattern, found);
	free(kallsyms);
	return ret < 0 ? error_errno(err, ret, "find functions") : 0;
}

int ksym_filter(const char *pattern, struct ksym_filter *found, struct error *err)
{
	char tracefs[MOUNTS_PATH_SIZE];

	memset(found, 0, sizeof(*found));
	if (mounts_find(&mounts_tracefs, tracefs, err) < 0 ||
		read_lists(tracefs, pattern, found, err) < 0)
		return -1;
	if (!found->count)
		return error_set(err, ENOENT,
			"no function of the kernel that can be probed matches \"%.200s\"", pattern);
	return 0;
}

void ksym_filter_free(struct ksym_filter *found)
{
	free(found->addresses);
	free(found->names);
	free(found->text);
	memset(found, 0, sizeof(*found));
}
