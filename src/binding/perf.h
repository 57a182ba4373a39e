/* SPDX-License-Identifier: MIT */
/* What the two halves of the perf reader share: making and waiting in perf.c, reading in
 * perf_read.c. */
#ifndef EBPF_PERF_H
#define EBPF_PERF_H

#include "../engine/perf_reader.h"
#include "codec.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

/* What the user value, a table, holds. */
enum { PERF_MAP = 1, PERF_CODEC = 2 };

struct perf {
	struct handle handle; /* the fd of reader.poller */
	bool owns_map;
	struct codec codec;
	struct perf_reader reader;
	/* Where samples too large for the C stack are put together. In here, so that it lives as
	 * long as anybody can refer to the reader, closed or not. */
	unsigned char large[PERF_RING_RECORD_MAX];
	struct perf_ring rings[];
};

/* Pushes a closed reader with room for so many rings. */
struct perf *perf_push(lua_State *L, uint32_t rings);

/* The open reader of method argument 1, or NULL after nil, message, EBADF have been pushed. */
struct perf *perf_self_open(lua_State *L);

int perf_read(lua_State *L);
int perf_read_batch(lua_State *L);
int perf_available(lua_State *L);
int perf_flush_and_close(lua_State *L);

#pragma GCC visibility pop

#endif
