/* SPDX-License-Identifier: MIT */
/*
 * What the readers of perf buffers and of ring buffers share: waiting in reader.c, reading in
 * reader_read.c and reader_fields.c. perf.c and ring.c make the two.
 */
#ifndef EBPF_BINDING_READER_H
#define EBPF_BINDING_READER_H

#include "../engine/reader.h"
#include "codec.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

/* Its user value is that of samples.h. */
struct reader_object {
	struct handle handle; /* the fd of reader.poller */
	/* Lets the producers write no more, or looks at them no more. */
	int (*stop)(struct reader *reader, struct error *err);
	struct codec codec;
	struct reader reader;
	struct ring rings[];
};

/* Pushes a closed reader of that class with room for so many rings. */
struct reader_object *reader_push(lua_State *L, const struct handle_class *class, uint32_t rings);

/* The open reader of method argument 1, or NULL after nil, message, EBADF have been pushed. For
 * methods, whose first upvalue is the class. */
struct reader_object *reader_self(lua_State *L);

/* Closes the reader at `index` and the maps it owns. */
void reader_shut(lua_State *L, int index);

/* The methods of both classes. */
int reader_close_method(lua_State *L);
int reader_poll(lua_State *L);
int reader_dirty(lua_State *L);
int reader_timeout(lua_State *L);
int reader_fd(lua_State *L);
int reader_events(lua_State *L);
int reader_flush(lua_State *L);
int reader_tostring(lua_State *L);
int reader_read(lua_State *L);
int reader_read_batch(lua_State *L);
int reader_available(lua_State *L);
int reader_flush_and_close(lua_State *L);

#define READER_METHODS                                                                             \
	{"read", reader_read}, {"read_batch", reader_read_batch}, {"available", reader_available}, \
		{"flush_and_close", reader_flush_and_close}, {"poll", reader_poll},                \
		{"fd", reader_fd}, {"pollfd", reader_fd}, {"getfd", reader_fd},                    \
		{"events", reader_events}, {"timeout", reader_timeout}, {"dirty", reader_dirty},   \
	{                                                                                          \
		"flush", reader_flush                                                              \
	}

/* Pushes what a method of iteration returns for the fields named by arguments 2 to the top; raises
 * on names that the type of the samples at 1 does not have. */
int reader_push_fields(lua_State *L, struct reader_object *r);

/*
 * Where the first `size` bytes of the sample may be used while Lua allocates, copied: to `small`, of
 * READER_SMALL bytes, or to a userdata, which is pushed. NULL when the sample, or the reader, was
 * gone after that.
 */
enum { READER_SMALL = 4096 };
unsigned char *reader_copy(lua_State *L, const struct reader_object *r, const struct ring *ring,
	const struct ring_sample *sample, uint32_t size, unsigned char *small);

/* The error of a sample that is too short for its type. */
int reader_too_short(const struct reader_object *r, uint32_t size, struct error *err);

static inline bool reader_is_open(const struct reader_object *r)
{
	return r->handle.fd >= 0;
}

#pragma GCC visibility pop

#endif
