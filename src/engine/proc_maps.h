/* SPDX-License-Identifier: MIT */
/* What a process has mapped: /proc/PID/maps. */
#ifndef EBPF_PROC_MAPS_H
#define EBPF_PROC_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct proc_map {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* of the file, at `start` */
	uint64_t inode; /* 0: no file */
	uint32_t major, minor; /* of the file system the file is on */
	bool executable;
	const char *path; /* inside the text, not ended by NUL; "" where there is none */
	size_t path_size;
};

/* The text of the file, for the caller to free; `pid` 0 is the caller. NULL with an error. */
char *proc_maps_read(int pid, struct error *err);

/* Takes the next mapping out of the text and moves *text behind its line; false at the end. Lines
 * that are not of the format are passed over. */
bool proc_maps_next(const char **text, struct proc_map *map);

#pragma GCC visibility pop

#endif
