/* SPDX-License-Identifier: MIT */
/* What the kernel tells about objects and about who holds them; see sys.h. */
#ifndef EBPF_SYS_INFO_H
#define EBPF_SYS_INFO_H

#include "sys.h"

#pragma GCC visibility push(hidden)

/* sys_obj_info(), and how many bytes of `info` this kernel knows: what is behind is as it was. A
 * kernel refuses (E2BIG) anything but zeros in what it does not know. */
int sys_obj_info_known(int fd, void *info, size_t size, uint32_t *known);

/* BPF_ENABLE_STATS: an fd as long as which is open the kernel counts runs of programs. */
int sys_enable_stats(uint32_t type);

/* What the link of /proc says that a descriptor of a process is, cut to `size`. */
int sys_process_fd_kind(int process, int fd, char *out, size_t size);

/* The id of the program that a perf event of a process runs; 0: none. Needs CAP_SYS_ADMIN. */
int sys_event_program(int process, int fd, uint32_t *id);

/* What there is at a path, symbolic links not being followed. */
enum { SYS_FILE, SYS_DIRECTORY, SYS_OTHER };
int sys_file_kind(const char *path);

/* When the machine started, in nanoseconds since 1970, as near as the clocks agree. */
int64_t sys_boot_time(void);

/* The name of a network interface of this namespace, into IF_NAMESIZE (16) bytes. */
int sys_interface_name(uint32_t index, char *out);

#pragma GCC visibility pop

#endif
