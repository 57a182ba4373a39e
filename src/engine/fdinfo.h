/* SPDX-License-Identifier: MIT */
/* What /proc tells about a descriptor of a process: of those of BPF, things that no call does. */
#ifndef EBPF_FDINFO_H
#define EBPF_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* The text about a descriptor of the process of that id, 0 being this one, to be freed; or a
 * negative errno. */
int fdinfo_read(int process, int fd, char **text);

/* The number behind "<field>:" at the start of a line; false when there is none. */
bool fdinfo_number(const char *text, const char *field, uint64_t *value);

#pragma GCC visibility pop

#endif
