/* SPDX-License-Identifier: MIT */
#include "token.h"

#include <errno.h>
#include <string.h>

#include "../engine/token.h"
#include "failure.h"
#include "options.h"
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

/* Sets a field to "any", or to an array of what the bits stand for. */
static void set_right(
	lua_State *L, const char *field, uint64_t allowed, const struct names_table *names)
{
	int n = 0;
	uint32_t id;

	if (allowed == TOKEN_ANY) {
		lua_pushliteral(L, "any");
		lua_setfield(L, -2, field);
		return;
	}
	lua_newtable(L);
	for (id = 0; id < 64; id++) {
		if (!(allowed >> id & 1))
			continue;
		options_push_name(L, names, id);
		lua_rawseti(L, -2, ++n);
	}
	lua_setfield(L, -2, field);
}

/*
 * token:info() -> {commands =, maps =, programs =, attach_types =}, or nil, message, errno
 * What it delegates: "any", or an array of names; of numbers where this library has no name. Among
 * the commands are "map_create", "prog_load" and "btf_load". It is read from /proc.
 */
static int token_info(lua_State *L)
{
	const struct handle *h = handle_check(L, 1, &token_class);
	struct token_rights rights;
	struct error err;

	if (h->fd < 0)
		return handle_closed(L, &token_class);
	if (token_rights(h->fd, &rights, &err) < 0) {
		error_prefix(&err, "read info of token");
		return failure_push(L, &err);
	}
	lua_createtable(L, 0, 4);
	set_right(L, "commands", rights.commands, &token_commands);
	set_right(L, "maps", rights.maps, &names_map_types);
	set_right(L, "programs", rights.programs, &names_prog_types);
	set_right(L, "attach_types", rights.attach_types, &names_attach_types);
	return 1;
}

static const luaL_Reg methods[] = {
	{"info", token_info},
	{NULL, NULL},
};

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
