/* SPDX-License-Identifier: MIT */
/* More of the system calls of sys.h, about files and what they tell of processes. */
#ifndef EBPF_SYS_FILE_H
#define EBPF_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

/* An fd to read a regular file by; -EINVAL for anything else. */
int sys_open_regular(const char *path);

/* An fd of a directory: of a control group, for instance. */
int sys_open_directory(const char *path);

/* Adds a text to a file in one write(2), as the control files of tracefs want it. */
int sys_append_file(const char *path, const char *text);

/* Whether there is a regular file that the caller may read, and execute too if asked. */
bool sys_is_readable(const char *path, bool executable);

#pragma GCC visibility pop

#endif
