/* SPDX-License-Identifier: MIT */
/*
 * The owner of a file descriptor. Every userdata of this module that owns one starts with a
 * struct handle; it is created closed, then the fd is opened into it, so that an error thrown in
 * between leaks nothing. Closing is idempotent, and a closed handle never touches its old number.
 */
#ifndef EBPF_HANDLE_H
#define EBPF_HANDLE_H

#include "compat.h"

#pragma GCC visibility push(hidden)

struct handle_class;

struct handle {
	/* Tells the userdata of this module from all others: cheaper than comparing metatables,
	 * and no other module's userdata begins with an address of ours. */
	const struct handle_class *class;
	int fd; /* -1: closed */
};

/* What makes a class of userdata. */
struct handle_class {
	const char *name; /* of the metatable: "ebpf.map" */
	const char *what; /* for messages: "map" */
	const luaL_Reg *methods;
	const luaL_Reg *metamethods; /* __gc, __close and __name are added */
	lua_CFunction close; /* close() method, __gc and __close in one; NULL: the plain one */
};

/* Makes the metatable; adds the table of methods to the table on top as class.what, for Lua
 * code to extend. Harmless when done twice. */
void handle_register(lua_State *L, const struct handle_class *class);

/* Pushes a new, closed userdata of `size` zeroed bytes that begins with a struct handle. */
void *handle_new(lua_State *L, const struct handle_class *class, size_t size);

/* The userdata at `index`, or NULL when it is something else. Here, for each method of a handle
 * begins with it. */
static inline void *handle_test(lua_State *L, int index, const struct handle_class *class)
{
	struct handle *h = lua_touserdata(L, index);

	return h && lua_rawlen(L, index) >= sizeof(*h) && h->class == class ? h : NULL;
}

/* Raises: what is at `arg` is no userdata of that class. */
void handle_refuse(lua_State *L, int arg, const struct handle_class *class);

/* The userdata at `arg`, which may be closed; raises an error when it is something else. */
static inline void *handle_check(lua_State *L, int arg, const struct handle_class *class)
{
	void *h = handle_test(L, arg, class);

	if (!h)
		handle_refuse(L, arg, class);
	return h;
}

/* For the result of a call that opens an fd. When fds ran out (EMFILE, ENFILE) unreachable
 * handles may hold some: collects garbage and returns true, and the call is worth repeating. */
bool handle_reclaimed(lua_State *L, int ret);

/* Closes the fd, and nothing else that the userdata may own. */
void handle_shut(struct handle *h);

/* The methods every handle has, whatever its class: close(), is_closed(), fd(). */
int handle_close(lua_State *L);
int handle_is_closed(lua_State *L);
int handle_fd(lua_State *L);

/* nil, "<what> is closed", EBADF */
int handle_closed(lua_State *L, const struct handle_class *class);

#pragma GCC visibility pop

#endif
