/* SPDX-License-Identifier: MIT */
/* The reader of one or many BPF ring buffers, which are told apart by their numbers from 1 on. */
#ifndef EBPF_RING_READER_H
#define EBPF_RING_READER_H

#include "reader.h"
#include "ring_buf.h"

#pragma GCC visibility push(hidden)

/* Begins a reader that has no ring buffers yet. What was opened before a failure, here and in
 * ring_reader_add(), is the caller's to close. */
int ring_reader_open(struct reader *reader, struct ring *rings, struct error *err);

/* Adds the ring buffer that is the map of that fd; the fd stays the caller's. */
int ring_reader_add(struct reader *reader, int map_fd, struct error *err);

/* From now on only what is there already is read: programs cannot be kept from writing more. */
int ring_reader_stop(struct reader *reader, struct error *err);

#pragma GCC visibility pop

#endif
