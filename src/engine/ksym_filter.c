/* SPDX-License-Identifier: MIT */
#include "ksym_filter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "kallsyms.h"
#include "mounts.h"
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

/* The names that were found, and which of them the kernel has a symbol for. */
struct known {
	const struct ksym_filter *found;
	char *flags;
};

static int mark_known(void *arg, const struct kallsyms_symbol *symbol, struct error *err)
{
	const struct known *known = arg;
	const char **hit;

	(void)err;
	if (!strchr("tTwW", symbol->type))
		return 0;
	hit = bsearch(&symbol->name, known->found->names, known->found->count,
		sizeof(*known->found->names), by_name);
	if (hit)
		known->flags[hit - known->found->names] = 1;
	return 0;
}

/* tracefs lists functions of modules that are gone again. */
static int keep_known(struct ksym_filter *found, struct error *err)
{
	struct known known = {found, calloc(found->count + 1, 1)};
	uint32_t i, kept = 0;
	int ret;

	if (!known.flags)
		return error_errno(err, ENOMEM, "find functions");
	ret = kallsyms_each(mark_known, &known, err);
	for (i = 0; ret == 0 && i < found->count; i++) {
		if (known.flags[i])
			found->names[kept++] = found->names[i];
	}
	found->count = kept;
	free(known.flags);
	return ret;
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

int ksym_filter_names(char *text, const char *pattern, struct ksym_filter *found)
{
	uint32_t i, kept = 0;
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
	return 0;
}

static int read_lists(
	const char *tracefs, const char *pattern, struct ksym_filter *found, struct error *err)
{
	char path[MOUNTS_PATH_SIZE + 64], *text;
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
	ret = ksym_filter_names(text, pattern, found);
	if (ret < 0)
		return error_errno(err, ret, "read %s", path);
	return keep_known(found, err);
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
