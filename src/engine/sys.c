/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_GOOD_FD = 3, LOAD_ATTEMPTS = 30 };

/* The kernel says ENOTSUPP (524) where user space means EOPNOTSUPP; it is passed on as it is. */
int sys_bpf(enum bpf_cmd cmd, void *attr, size_t size)
{
	long ret = syscall(__NR_bpf, cmd, attr, size);

	return ret < 0 ? -errno : (int)ret;
}

static int good_fd(int fd)
{
	int moved, err;

	if (fd < 0 || fd >= FIRST_GOOD_FD)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_GOOD_FD);
	err = errno;
	close(fd);
	return moved < 0 ? -err : moved;
}

/*
 * Before Linux 5.11 what maps, programs and BTF take counts as locked memory, of which a process
 * has 64 KiB as a rule. Raises the limit as far as this process may, so that a second try makes
 * sense; false where that cannot help.
 */
static bool raise_memlock(void)
{
	struct rlimit limit, unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	unsigned int major, minor;
	char release[66];

	if (sys_kernel_release(release, sizeof(release)) < 0 ||
		sscanf(release, "%u.%u", &major, &minor) != 2 || major > 5 ||
		(major == 5 && minor >= 11))
		return false;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0)
		return true;
	if (limit.rlim_cur == limit.rlim_max)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

int sys_bpf_fd(enum bpf_cmd cmd, void *attr, size_t size)
{
	int ret = sys_bpf(cmd, attr, size);

	if (ret == -EPERM && raise_memlock())
		ret = sys_bpf(cmd, attr, size);
	return good_fd(ret);
}

void sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int sys_dup(int fd)
{
	int ret = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_GOOD_FD);

	return ret < 0 ? -errno : ret;
}

/*
 * The verifier and test runs give up as soon as any signal is pending, so a busy interval timer
 * could keep them from ever ending. After the first interruption all signals wait until the call
 * is done, save those that end programs.
 */
static int hold_signals(sigset_t *before)
{
	static const int exempt[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGSEGV, SIGBUS, SIGFPE,
		SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t held;
	size_t i;

	sigfillset(&held);
	for (i = 0; i < sizeof(exempt) / sizeof(exempt[0]); i++)
		sigdelset(&held, exempt[i]);
	return pthread_sigmask(SIG_BLOCK, &held, before);
}

int sys_prog_load(struct abi_prog_load *attr)
{
	int fd, attempt = 0;
	sigset_t before;

	fd = sys_bpf_fd(BPF_PROG_LOAD, attr, sizeof(*attr));
	if (fd != -EAGAIN || hold_signals(&before))
		return fd;
	do {
		fd = sys_bpf_fd(BPF_PROG_LOAD, attr, sizeof(*attr));
	} while (fd == -EAGAIN && ++attempt < LOAD_ATTEMPTS);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return fd;
}

/*
 * Before Linux 5.12 (607b9cc92bd7) a run that is not repeated may be interrupted after the
 * program has run; it then runs once more, since its results are lost.
 */
int sys_prog_test_run(struct abi_test_run *attr)
{
	int ret = sys_bpf(BPF_PROG_TEST_RUN, attr, sizeof(*attr));
	sigset_t before;

	if (ret != -EINTR || hold_signals(&before))
		return ret;
	ret = sys_bpf(BPF_PROG_TEST_RUN, attr, sizeof(*attr));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

int sys_prog_stream_read(int fd, uint32_t stream, void *buf, uint32_t size)
{
	struct abi_stream_read attr = {
		.buf = sys_ptr(buf),
		.buf_len = size,
		.stream_id = stream,
		.prog_fd = (uint32_t)fd,
	};

	return sys_bpf(BPF_PROG_STREAM_READ_BY_FD, &attr, offsetof(struct abi_stream_read, pad));
}

static struct abi_map_elem elem_attr(int fd, const void *key, const void *value, uint64_t flags)
{
	return (struct abi_map_elem){
		.map_fd = (uint32_t)fd,
		.key = sys_ptr(key),
		.value = sys_ptr(value),
		.flags = flags,
	};
}

int sys_map_lookup(int fd, const void *key, void *value, uint64_t flags)
{
	struct abi_map_elem attr = elem_attr(fd, key, value, flags);

	return sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
}

int sys_map_lookup_and_delete(int fd, const void *key, void *value, uint64_t flags)
{
	struct abi_map_elem attr = elem_attr(fd, key, value, flags);

	return sys_bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, &attr, sizeof(attr));
}

int sys_map_update(int fd, const void *key, const void *value, uint64_t flags)
{
	struct abi_map_elem attr = elem_attr(fd, key, value, flags);

	return sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

int sys_map_delete(int fd, const void *key)
{
	struct abi_map_elem attr = elem_attr(fd, key, NULL, 0);

	return sys_bpf(BPF_MAP_DELETE_ELEM, &attr, sizeof(attr));
}

int sys_map_next_key(int fd, const void *key, void *next)
{
	struct abi_map_elem attr = elem_attr(fd, key, next, 0);

	return sys_bpf(BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr));
}

int sys_map_freeze(int fd)
{
	struct abi_map_elem attr = {.map_fd = (uint32_t)fd};

	return sys_bpf(BPF_MAP_FREEZE, &attr, sizeof(attr.map_fd));
}

int sys_obj_pin(int fd, const char *path)
{
	struct abi_obj attr = {.pathname = sys_ptr(path), .bpf_fd = (uint32_t)fd};

	return sys_bpf(BPF_OBJ_PIN, &attr, sizeof(attr));
}

int sys_obj_get(const char *path, uint32_t file_flags)
{
	struct abi_obj attr = {.pathname = sys_ptr(path), .file_flags = file_flags};

	return sys_bpf_fd(BPF_OBJ_GET, &attr, sizeof(attr));
}

int sys_rename_noreplace(const char *from, const char *to)
{
	/* The system call: renameat2() came to glibc with 2.28, to musl with 1.2.6. */
	long ret = syscall(__NR_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1 /* RENAME_NOREPLACE */);

	return ret < 0 ? -errno : 0;
}

int sys_unlink(const char *path)
{
	return unlink(path) < 0 ? -errno : 0;
}

int sys_obj_info(int fd, void *info, size_t size)
{
	struct abi_info attr = {
		.bpf_fd = (uint32_t)fd,
		.info_len = (uint32_t)size,
		.info = sys_ptr(info),
	};

	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

int sys_fd_by_id(enum bpf_cmd cmd, uint32_t id, uint32_t open_flags)
{
	struct abi_get_id attr = {.id = id, .open_flags = open_flags};

	return sys_bpf_fd(cmd, &attr, sizeof(attr));
}

int sys_next_id(enum bpf_cmd cmd, uint32_t start, uint32_t *next)
{
	struct abi_get_id attr = {.id = start};
	int ret = sys_bpf(cmd, &attr, sizeof(attr));

	*next = attr.next_id;
	return ret;
}

int sys_perf_event_open(struct perf_event_attr *attr, int pid, int cpu)
{
	long fd = syscall(__NR_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return good_fd(fd < 0 ? -errno : (int)fd);
}

int sys_map_shared(int fd, size_t size, bool writable, void **out)
{
	return sys_map_shared_at(fd, 0, size, writable, out);
}

int sys_map_shared_at(int fd, size_t offset, size_t size, bool writable, void **out)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *start = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)offset);

	if (start == MAP_FAILED)
		return -errno;
	*out = start;
	return 0;
}

int sys_map_at(int fd, size_t size, uint64_t address, void **out)
{
	/* MAP_FIXED_NOREPLACE, which old headers lack. */
	int flags = MAP_SHARED | (address ? 0x100000 : 0);
	void *start = mmap((void *)(uintptr_t)address, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (start == MAP_FAILED)
		return -errno;
	*out = start;
	return 0;
}

int sys_map_wiped_on_fork(void **out)
{
	size_t size = sys_page_size();
	void *start;
	int err;

	start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (start == MAP_FAILED)
		return -errno;
	if (madvise(start, size, MADV_WIPEONFORK) < 0) {
		err = errno;
		munmap(start, size);
		return -err;
	}
	*out = start;
	return 0;
}

void sys_unmap(void *start, size_t size)
{
	if (start)
		munmap(start, size);
}

size_t sys_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int sys_process_id(void)
{
	return getpid();
}

int64_t sys_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int sys_read(int fd, void *buf, size_t size)
{
	ssize_t n = read(fd, buf, size);

	return n < 0 ? -errno : (int)n;
}

int sys_epoll_create(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return good_fd(fd < 0 ? -errno : fd);
}

int sys_epoll_add(int epoll, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = {.events = events, .data.u64 = tag};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int sys_epoll_delete(int epoll, int fd)
{
	return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int sys_epoll_wait(int epoll, struct epoll_event *events, int room, int milliseconds)
{
	int n = epoll_wait(epoll, events, room, milliseconds);

	return n < 0 ? -errno : n;
}

int sys_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return good_fd(fd < 0 ? -errno : fd);
}

int sys_eventfd_signal(int fd)
{
	uint64_t one = 1;

	/* A full counter (EAGAIN) is a signal already. */
	return write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

int sys_timerfd(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return good_fd(fd < 0 ? -errno : fd);
}

int sys_timerfd_set(int fd, int64_t time)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000},
	};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

int sys_ioctl(int fd, unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int sys_on_filesystem(const char *path, long magic)
{
	struct statfs st;

	if (statfs(path, &st) < 0)
		return -errno;
	return (long)st.f_type == magic;
}

int sys_make_directory(const char *path)
{
	return mkdir(path, S_IRWXU) < 0 && errno != EEXIST ? -errno : 0;
}

int sys_list_directory(const char *path, char *out, size_t size, size_t *used)
{
	const struct dirent *entry;
	size_t n;
	int ret = 0;
	DIR *dir;

	dir = opendir(path); /* close-on-exec */
	if (!dir)
		return -errno;
	*used = 0;
	while (ret == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		n = strlen(entry->d_name) + 1;
		if (n > size - *used) {
			ret = -ERANGE;
		} else {
			memcpy(out + *used, entry->d_name, n);
			*used += n;
		}
	}
	closedir(dir);
	return ret;
}

/* Fills `buf` from `fd` until `size` bytes or the end of the file. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size) {
		n = read(fd, buf + got, size - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Files of /proc and /sys claim a size of 0 or of a page; they are read in growing steps. */
static int read_fd(int fd, size_t hint, size_t limit, char **out, size_t *size)
{
	size_t room = hint + 1, used = 0;
	char *buf = NULL, *grown;
	ssize_t n;

	for (;;) {
		grown = realloc(buf, room + 1);
		if (!grown) {
			free(buf);
			return -ENOMEM;
		}
		buf = grown;
		n = read_all(fd, buf + used, room - used);
		if (n < 0) {
			free(buf);
			return (int)n;
		}
		used += (size_t)n;
		if (used < room)
			break;
		if (used > limit) {
			free(buf);
			return -EFBIG;
		}
		room *= 2;
	}
	buf[used] = '\0';
	*out = buf;
	*size = used;
	return 0;
}

int sys_read_file(const char *path, size_t limit, char **out, size_t *size)
{
	struct stat st;
	int fd, ret;

	/* O_NONBLOCK: a fifo in the place of a file must not hang the caller. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	else if (S_ISDIR(st.st_mode))
		ret = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		ret = -EINVAL;
	else if (st.st_size < 0 || (uint64_t)st.st_size > limit)
		ret = -EFBIG;
	else
		ret = read_fd(fd, (size_t)st.st_size, limit, out, size);
	close(fd);
	return ret;
}

int sys_open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return good_fd(fd < 0 ? -errno : fd);
}

int sys_map_file(const char *path, void **out, size_t *size)
{
	struct stat st;
	void *start;
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		ret = -errno;
	} else if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
		ret = -EINVAL;
	} else {
		*size = (size_t)st.st_size;
		/* The kernel's BTF refuses shared mappings. */
		start = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (start == MAP_FAILED)
			ret = -errno;
		else
			*out = start;
	}
	close(fd);
	return ret;
}

int sys_kernel_release(char *out, size_t size)
{
	struct utsname name;

	if (uname(&name) < 0)
		return -errno;
	snprintf(out, size, "%s", name.release);
	return 0;
}

int sys_fd_kind(int fd, char *out, size_t size)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return 0;
}
