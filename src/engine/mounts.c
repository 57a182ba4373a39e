/* SPDX-License-Identifier: MIT */
#include "mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

enum { MOUNTINFO_LIMIT = 64 << 20 };

const struct mounts_filesystem mounts_tracefs = {
	"tracefs", "tracefs", 0x74726163, "/sys/kernel/tracing"};
const struct mounts_filesystem mounts_bpffs = {"bpffs", "bpf", 0xcafe4a11, "/sys/fs/bpf"};
static const struct mounts_filesystem debugfs = {
	"debugfs", "debugfs", 0x64626720, "/sys/kernel/debug"};

struct field {
	const char *at;
	size_t size;
};

/* The next field of a line that ends before `end`; an empty one when there is none. */
static struct field next_field(const char **at, const char *end)
{
	struct field f;

	while (*at < end && **at == ' ')
		++*at;
	f.at = *at;
	while (*at < end && **at != ' ')
		++*at;
	f.size = (size_t)(*at - f.at);
	return f;
}

static bool field_is(struct field f, const char *text)
{
	return f.size == strlen(text) && memcmp(f.at, text, f.size) == 0;
}

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
	       at[2] <= '7';
}

/* Blanks, line ends and backslashes in paths come as \040 and the like. */
static bool unescape(struct field f, char *out)
{
	size_t i, used = 0;

	for (i = 0; i < f.size; i++) {
		if (used + 1 >= MOUNTS_PATH_SIZE)
			return false;
		if (f.at[i] == '\\' && f.size - i > 3 && is_octal(f.at + i + 1)) {
			out[used++] = (char)((f.at[i + 1] - '0') << 6 | (f.at[i + 2] - '0') << 3 |
					     (f.at[i + 3] - '0'));
			i += 3;
		} else {
			out[used++] = f.at[i];
		}
	}
	out[used] = '\0';
	return used > 0;
}

/*
 * One line: id, parent, device, root, mount point, options, any number of tags, "-", type, ...
 * A root other than "/" is a bind mount of a part of the file system.
 */
bool mounts_next(const char **text, const char *type, char *out)
{
	const char *at = *text;
	const char *end = strchr(at, '\n');
	struct field root, point, f;
	int i;

	*text = end ? end + 1 : NULL;
	if (!end)
		end = at + strlen(at);
	for (i = 0; i < 3; i++)
		next_field(&at, end);
	root = next_field(&at, end);
	point = next_field(&at, end);
	do {
		f = next_field(&at, end);
	} while (f.size && !field_is(f, "-"));
	f = next_field(&at, end);
	return field_is(f, type) && field_is(root, "/") && unescape(point, out);
}

static bool is_mounted(const struct mounts_filesystem *fs, const char *path)
{
	return sys_on_filesystem(path, fs->magic) == 1;
}

/* Another mount may lie over the one that was found, so statfs(2) has the last word. */
static bool find_listed(const struct mounts_filesystem *fs, const char *mountinfo, char *out)
{
	const char *at = mountinfo;

	while (at) {
		if (mounts_next(&at, fs->type, out) && is_mounted(fs, out))
			return true;
	}
	return false;
}

/* Where debugfs is mounted, its directory "tracing" mounts tracefs on first use. */
static bool find_below_debugfs(const char *mountinfo, char *out)
{
	static const char below[] = "/tracing";
	size_t used;

	if (!find_listed(&debugfs, mountinfo, out))
		return false;
	used = strlen(out);
	if (used + sizeof(below) > MOUNTS_PATH_SIZE)
		return false;
	memcpy(out + used, below, sizeof(below));
	return is_mounted(&mounts_tracefs, out);
}

/* Without /proc nothing is listed; then nothing is found either. */
static int search(const struct mounts_filesystem *fs, char *out)
{
	char *mountinfo;
	size_t size;
	bool found;
	int ret;

	ret = sys_read_file("/proc/self/mountinfo", MOUNTINFO_LIMIT, &mountinfo, &size);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	found = find_listed(fs, mountinfo, out) ||
		(fs == &mounts_tracefs && find_below_debugfs(mountinfo, out));
	free(mountinfo);
	return found;
}

int mounts_find(const struct mounts_filesystem *fs, char *out, struct error *err)
{
	int found;

	if (is_mounted(fs, fs->usual)) {
		snprintf(out, MOUNTS_PATH_SIZE, "%s", fs->usual);
		return 0;
	}
	found = search(fs, out);
	if (found > 0)
		return 0;
	if (found < 0)
		return error_errno(err, found, "read /proc/self/mountinfo");
	return error_set(err, ENOENT, "%s is not mounted: mount it by: mount -t %s %s %s", fs->name,
		fs->type, fs->type, fs->usual);
}
