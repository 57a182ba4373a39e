/* SPDX-License-Identifier: MIT */
#include "iterator.h"

#include <errno.h>

#include "../engine/attach_iter.h"
#include "failure.h"
#include "handle.h"

/* The kernel gathers up to 32 KiB before it gives anything. */
enum { CHUNK = 32 << 10 };

static const struct handle_class iterator_class;

/* iterator:read() -> what the program wrote next, a string that is not empty; nil at the end; nil,
 * message, errno. */
static int iterator_read(lua_State *L)
{
	const struct handle *h = handle_check(L, 1, &iterator_class);
	struct error err;
	void *chunk;
	int n;

	if (h->fd < 0)
		return handle_closed(L, &iterator_class);
	chunk = compat_newuserdata(L, CHUNK);
	/* Making room may have run code that closed it. */
	if (h->fd < 0)
		return handle_closed(L, &iterator_class);
	n = attach_iter_read(h->fd, chunk, CHUNK, &err);
	if (n < 0)
		return failure_push(L, &err);
	if (n == 0)
		return 0;
	lua_pushlstring(L, chunk, (size_t)n);
	return 1;
}

static int iterator_tostring(lua_State *L)
{
	const struct handle *h = handle_check(L, 1, &iterator_class);

	if (h->fd < 0)
		lua_pushliteral(L, "iterator (closed)");
	else
		lua_pushfstring(L, "iterator #%d", h->fd);
	return 1;
}

static const luaL_Reg methods[] = {
	{"read", iterator_read},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", iterator_tostring},
	{NULL, NULL},
};

static const struct handle_class iterator_class = {
	.name = "ebpf.iterator",
	.what = "iterator",
	.methods = methods,
	.metamethods = metamethods,
};

int iterator_push(lua_State *L, int link_fd)
{
	struct handle *h = handle_new(L, &iterator_class, sizeof(*h));
	struct error err;
	int fd = attach_iter_open(link_fd, &err);

	if (fd < 0 && handle_reclaimed(L, -err.code))
		fd = attach_iter_open(link_fd, &err);
	if (fd < 0)
		return failure_push(L, &err);
	h->fd = fd;
	return 1;
}

void iterator_register(lua_State *L)
{
	handle_register(L, &iterator_class);
}
