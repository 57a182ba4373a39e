/* SPDX-License-Identifier: MIT */
#include "token.h"

#include <errno.h>
#include <string.h>

#include "../engine/token.h"
#include "failure.h"
#include "rooms.h"

/* Where the table of handles has it. */
#define KEY "token"

static int token_tostring(lua_State *L)
{
	const struct handle *h = handle_check(L, 1, &token_class);

	if (h->fd >= 0)
		lua_pushfstring(L, "token #%d", h->fd);
	else
		lua_pushliteral(L, "token (closed)");
	return 1;
}

static const luaL_Reg methods[] = {{NULL, NULL}};

static const luaL_Reg metamethods[] = {
	{"__tostring", token_tostring},
	{NULL, NULL},
};

const struct handle_class token_class = {
	.name = "ebpf.token",
	.what = "token",
	.methods = methods,
	.metamethods = metamethods,
};

void token_keep(lua_State *L, int handles)
{
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	handle_check(L, lua_gettop(L), &token_class);
	lua_setfield(L, handles, KEY);
}

int token_fd(lua_State *L, int handles, struct error *err)
{
	const struct handle *h;

	luaL_checkstack(L, 2, "look for a token");
	lua_pushliteral(L, KEY);
	lua_rawget(L, handles);
	h = handle_test(L, -1, &token_class);
	lua_pop(L, 1);
	if (!h)
		return 0;
	if (h->fd < 0)
		return error_set(err, EBADF, "the token is closed");
	return h->fd;
}

/*
 * core.new_token([path]) -> Token, or nil, message, errno
 * What the BPF file system mounted at `path`, by default the usual one, delegates to the user
 * namespace of this process. ENOENT: nothing, or there is none; EOPNOTSUPP: the process is in the first user namespace, where
 * capabilities count; EPERM: the file system is of another user namespace, or it lacks CAP_BPF in its own.
 * BPF_TOKEN_CREATE, Linux 6.9.
 */
static int new_token(lua_State *L)
{
	size_t size = 0;
	const char *path = luaL_optlstring(L, 1, NULL, &size);
	struct error err;
	struct handle *h;
	int fd;

	luaL_argcheck(L, !path || strlen(path) == size, 1, "contains a NUL byte");
	h = handle_new(L, &token_class, sizeof(*h));
	fd = token_create(path, &err);
	if (fd < 0 && handle_reclaimed(L, -err.code))
		fd = token_create(path, &err);
	if (fd < 0)
		return failure_push(L, &err);
	h->fd = fd;
	return 1;
}

void token_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"new_token", new_token},
		{NULL, NULL},
	};

	handle_register(L, &token_class);
	luaL_setfuncs(L, functions, 0);
}
