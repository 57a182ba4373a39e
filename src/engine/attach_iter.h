/* SPDX-License-Identifier: MIT */
/* Iterators: programs that the kernel runs for each of its objects, and whose output is read. */
#ifndef EBPF_ATTACH_ITER_H
#define EBPF_ATTACH_ITER_H

#include "abi_trace.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* The fd of a link of the program to what `info` narrows it to; NULL: to all. Or -1. */
int attach_iter(int prog_fd, union abi_iter_info *info, struct error *err);

/* The fd of a new walk of an iterator's link, or -1: read(2) of it runs the program. */
int attach_iter_open(int link_fd, struct error *err);

/* Reads on: how many bytes, 0 at the end; or -1. */
int attach_iter_read(int fd, void *buf, size_t size, struct error *err);

#pragma GCC visibility pop

#endif
