/* SPDX-License-Identifier: MIT */
/* Where the file systems of BPF are mounted: tracefs numbers the tracepoints, bpffs holds pins. */
#ifndef EBPF_MOUNTS_H
#define EBPF_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { MOUNTS_PATH_SIZE = 4096 };

struct mounts_filesystem {
	const char *name; /* as people call it */
	const char *type; /* as mount(8) calls it */
	long magic; /* as statfs(2) calls it */
	const char *usual; /* where everybody mounts it */
};

extern const struct mounts_filesystem mounts_tracefs;
extern const struct mounts_filesystem mounts_bpffs;

/*
 * Writes a mount point of the file system into `out`, of MOUNTS_PATH_SIZE bytes: the usual one
 * where it is mounted there, else the first of /proc/self/mountinfo that is not hidden by another
 * mount. Where there is none the error is ENOENT, and says how to mount it.
 */
int mounts_find(const struct mounts_filesystem *fs, char *out, struct error *err);

/*
 * Takes the next mount out of a text in the format of /proc/self/mountinfo, and moves *text
 * behind it. Answers whether that mount is the root of a file system of `type`; then its mount
 * point is in `out`, of MOUNTS_PATH_SIZE bytes. At the end of the text *text is NULL.
 */
bool mounts_next(const char **text, const char *type, char *out);

#pragma GCC visibility pop

#endif
