/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "sys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_GOOD_FD = 3 };

static int open_good(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	int moved, err;

	if (fd < 0)
		return -errno;
	if (fd >= FIRST_GOOD_FD)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_GOOD_FD);
	err = errno;
	close(fd);
	return moved < 0 ? -err : moved;
}

int sys_open_regular(const char *path)
{
	/* O_NONBLOCK: a fifo in the place of a file must not hang the caller. */
	int fd = open_good(path, O_RDONLY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	return -EINVAL;
}

int sys_open_directory(const char *path)
{
	return open_good(path, O_RDONLY | O_DIRECTORY);
}

int sys_append_file(const char *path, const char *text)
{
	int fd = open_good(path, O_WRONLY | O_APPEND);
	ssize_t n;
	int ret;

	if (fd < 0)
		return fd;
	n = write(fd, text, strlen(text));
	ret = n < 0 ? -errno : (size_t)n < strlen(text) ? -EIO : 0;
	close(fd);
	return ret;
}

bool sys_is_readable(const char *path, bool executable)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, executable ? R_OK | X_OK : R_OK) == 0;
}
