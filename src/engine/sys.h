/* SPDX-License-Identifier: MIT */
/*
 * The only place that talks to the kernel: bpf(2), perf_event_open(2), netlink, mmap and the
 * fds they give. Every function returns a value >= 0 or a negative errno and says nothing more;
 * callers know what was attempted and put it in words. Every fd is close-on-exec and never
 * 0, 1 or 2, so that a stray descriptor cannot become somebody's standard stream.
 */
#ifndef EBPF_SYS_H
#define EBPF_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#pragma GCC visibility push(hidden)

/* Pointers travel in 64-bit fields. */
static inline uint64_t sys_ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* bpf(2) for commands that answer a plain value. */
int sys_bpf(enum bpf_cmd cmd, void *attr, size_t size);

/* bpf(2) for commands that answer an fd. Where they fail for want of locked memory, as before Linux
 * 5.11, the process's limit of it is raised and the call repeated. */
int sys_bpf_fd(enum bpf_cmd cmd, void *attr, size_t size);

/* close(2); the fd is gone whatever it answers, so it is never retried. */
void sys_close(int fd);

/* A second close-on-exec fd for the same object. */
int sys_dup(int fd);

/* BPF_PROG_LOAD, repeated when a signal interrupted the verifier. -EAGAIN: one of the signals
 * that end programs came again and again. */
int sys_prog_load(struct abi_prog_load *attr);

int sys_map_lookup(int fd, const void *key, void *value, uint64_t flags);
int sys_map_lookup_and_delete(int fd, const void *key, void *value, uint64_t flags);
int sys_map_update(int fd, const void *key, const void *value, uint64_t flags);
int sys_map_delete(int fd, const void *key);
int sys_map_next_key(int fd, const void *key, void *next);
int sys_map_freeze(int fd);

/* BPF_PROG_TEST_RUN, repeated when a signal interrupted it before it was done. -EINTR: one of
 * the signals that end programs came again. */
int sys_prog_test_run(struct abi_test_run *attr);

/* BPF_PROG_STREAM_READ_BY_FD: what a program has written to a stream (BPF_STDOUT, BPF_STDERR), at
 * most `size` bytes, and never waiting for more. Answers how many; 0: there is nothing. */
int sys_prog_stream_read(int fd, uint32_t stream, void *buf, uint32_t size);

/* Pins the object behind `fd` at `path`, and opens what is pinned there. */
int sys_obj_pin(int fd, const char *path);
int sys_obj_get(const char *path, uint32_t file_flags);

/* Moves a pin to where nothing is, and removes one. */
int sys_rename_noreplace(const char *from, const char *to);
int sys_unlink(const char *path);

/* BPF_OBJ_GET_INFO_BY_FD into a zeroed or prepared `info` of `size` bytes. */
int sys_obj_info(int fd, void *info, size_t size);

/* The object of the given id, and the id after `start`; -ENOENT when there is none. */
int sys_fd_by_id(enum bpf_cmd cmd, uint32_t id, uint32_t open_flags);
int sys_next_id(enum bpf_cmd cmd, uint32_t start, uint32_t *next);

/* perf_event_open(2). */
struct perf_event_attr;
int sys_perf_event_open(struct perf_event_attr *attr, int pid, int cpu);

/* Maps `size` bytes of `fd`, shared, from its start: read-only unless `writable`. */
int sys_map_shared(int fd, size_t size, bool writable, void **out);
int sys_map_shared_at(int fd, size_t offset, size_t size, bool writable, void **out);

/* The same, writable, at an address where nothing is yet; 0: anywhere. */
int sys_map_at(int fd, size_t size, uint64_t address, void **out);

/* A page of our own that the kernel fills with zeros in a forked child (since Linux 4.14). */
int sys_map_wiped_on_fork(void **out);

void sys_unmap(void *start, size_t size);

size_t sys_page_size(void);
int sys_process_id(void);

/* The monotonic clock, in nanoseconds. */
int64_t sys_now(void);

/* read(2) without waiting; for fds that answer in one piece. */
int sys_read(int fd, void *buf, size_t size);

/* epoll(7). `tag` comes back with what happened. Waiting ends early with -EINTR. */
struct epoll_event;
int sys_epoll_create(void);
int sys_epoll_add(int epoll, int fd, uint32_t events, uint64_t tag);
int sys_epoll_delete(int epoll, int fd);
int sys_epoll_wait(int epoll, struct epoll_event *events, int room, int milliseconds);

/* A counter to wake somebody by; it never blocks. */
int sys_eventfd(void);
int sys_eventfd_signal(int fd);

/* A timer that becomes readable when the clock of sys_now() reaches a time; 0: never. */
int sys_timerfd(void);
int sys_timerfd_set(int fd, int64_t time);

/* ioctl(2) with an integer argument. */
int sys_ioctl(int fd, unsigned long request, unsigned long arg);

/* Whether `path` lies on a file system of statfs(2) type `magic`: 1, 0 or an error. */
int sys_on_filesystem(const char *path, long magic);

/* mkdir(2), private to the owner; fine when it is there already. */
int sys_make_directory(const char *path);

/* Puts the names in a directory, without "." and "..", one after the other into `out`, each ended
 * by NUL; *used says how many bytes. -ERANGE when `size` is too little. */
int sys_list_directory(const char *path, char *out, size_t size, size_t *used);

/* Reads a whole file of at most `limit` bytes into fresh memory, NUL-terminated; the file must
 * not be a device or a pipe. */
int sys_read_file(const char *path, size_t limit, char **out, size_t *size);

/* Opens a file for reading from its start with sys_read(). */
int sys_open_file(const char *path);

/* Maps a whole file, read-only. For files that cannot shrink meanwhile, as those of sysfs: reading
 * what is gone would end the process. */
int sys_map_file(const char *path, void **out, size_t *size);

/* The release of the running kernel, as `uname -r` prints it; cut to `size`. */
int sys_kernel_release(char *out, size_t size);

/* The readlink(2) of /proc/self/fd/`fd`, for telling bpf-map from bpf-prog; cut to `size`. */
int sys_fd_kind(int fd, char *out, size_t size);

#pragma GCC visibility pop

#endif
