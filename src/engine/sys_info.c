/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "sys_info.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const int64_t NANOSECONDS = 1000000000;

int sys_obj_info_known(int fd, void *info, size_t size, uint32_t *known)
{
	struct abi_info attr = {
		.bpf_fd = (uint32_t)fd,
		.info_len = (uint32_t)size,
		.info = sys_ptr(info),
	};
	int ret = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));

	*known = attr.info_len < size ? attr.info_len : (uint32_t)size;
	return ret;
}

int sys_enable_stats(uint32_t type)
{
	return sys_bpf_fd(BPF_ENABLE_STATS, &type, sizeof(type));
}

int sys_process_fd_kind(int process, int fd, char *out, size_t size)
{
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", process, fd);
	n = readlink(path, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return 0;
}

int sys_event_program(int process, int fd, uint32_t *id)
{
	struct {
		uint32_t pid;
		uint32_t fd;
		uint32_t flags;
		uint32_t buf_len;
		uint64_t buf;
		uint32_t prog_id;
		uint32_t fd_type;
		uint64_t probe_offset;
		uint64_t probe_addr;
	} attr = {.pid = (uint32_t)process, .fd = (uint32_t)fd};
	int ret = sys_bpf(BPF_TASK_FD_QUERY, &attr, sizeof(attr));

	*id = ret < 0 ? 0 : attr.prog_id;
	return ret;
}

int sys_file_kind(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? SYS_FILE : S_ISDIR(st.st_mode) ? SYS_DIRECTORY : SYS_OTHER;
}

int64_t sys_boot_time(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (now.tv_sec - up.tv_sec) * NANOSECONDS + now.tv_nsec - up.tv_nsec;
}

int sys_interface_name(uint32_t index, char *out)
{
	return if_indextoname(index, out) ? 0 : -errno;
}
