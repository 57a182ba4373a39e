/* SPDX-License-Identifier: MIT */
#include "btf_handle.h"

#include <errno.h>
#include <string.h>

#include "../engine/btf_upload.h"
#include "../engine/sys.h"
#include "rooms.h"
#include "token.h"

static int handle_gc(lua_State *L);

static const luaL_Reg none[] = {{NULL, NULL}};

static const struct handle_class handle_class = {
	.name = "ebpf.btf_handle",
	.what = "btf handle",
	.methods = none,
	.metamethods = none,
	.close = handle_gc,
};

/* close(), __gc and __close: gives up the types, too. */
static int handle_gc(lua_State *L)
{
	struct btf_handle *h = handle_check(L, 1, &handle_class);
	struct btf *types = h->types;

	h->types = NULL;
	btf_release(types);
	return handle_close(L);
}

bool btf_handle_table(lua_State *L, int index)
{
	if (!lua_isnil(L, index)) {
		luaL_checktype(L, index, LUA_TTABLE);
		return false;
	}
	lua_newtable(L);
	lua_replace(L, index);
	return true;
}

void btf_handle_close_all(lua_State *L, int index)
{
	struct btf_handle *h;
	int fd;

	lua_pushnil(L);
	while (lua_next(L, index)) {
		h = handle_test(L, -1, &handle_class);
		if (h) {
			fd = h->handle.fd;
			h->handle.fd = -1;
			sys_close(fd);
		}
		lua_pop(L, 1);
	}
}

/* The handle in the table, or a new one with `*is_new`. */
static struct btf_handle *find(lua_State *L, int index, struct btf *types, bool *is_new)
{
	struct btf_handle *h;

	luaL_checkstack(L, LUA_MINSTACK, "load BTF");
	lua_pushlightuserdata(L, types);
	lua_rawget(L, index);
	h = handle_test(L, -1, &handle_class);
	lua_pop(L, 1);
	*is_new = !h;
	if (h)
		return h;
	h = handle_new(L, &handle_class, sizeof(*h));
	h->types = btf_retain(types);
	lua_pushlightuserdata(L, types);
	lua_pushvalue(L, -2);
	lua_rawset(L, index);
	lua_pop(L, 1);
	return h;
}

static int upload(lua_State *L, int index, struct btf_handle *h, struct error *err)
{
	int token = token_fd(L, index, err);

	return token < 0 ? -1 : btf_upload(h->types, token, &h->lost, err);
}

const struct btf_handle *btf_handle_open(
	lua_State *L, int index, struct btf *types, struct error *err)
{
	bool is_new;
	struct btf_handle *h = find(L, index, types, &is_new);
	int fd;

	if (!is_new)
		return h;
	fd = upload(L, index, h, err);
	if (fd < 0 && handle_reclaimed(L, -err->code))
		fd = upload(L, index, h, err);
	h->handle.fd = fd < 0 ? -1 : fd;
	if (fd < 0 && (err->code == EMFILE || err->code == ENFILE || err->code == EBADF)) {
		lua_pushlightuserdata(L, types);
		lua_pushnil(L);
		lua_rawset(L, index);
		return NULL;
	}
	return h;
}

const struct btf_handle *btf_handle_open_module(
	lua_State *L, int index, const char *module, struct error *err)
{
	struct btf_handle *h;
	int fd;

	luaL_checkstack(L, LUA_MINSTACK, "open the BTF of a module");
	lua_pushfstring(L, "module %s", module);
	lua_pushvalue(L, -1);
	lua_rawget(L, index);
	h = handle_test(L, -1, &handle_class);
	if (h) {
		lua_pop(L, 2);
		return h;
	}
	lua_pop(L, 1);
	h = handle_new(L, &handle_class, sizeof(*h));
	fd = btf_open_module(module, err);
	if (fd < 0 && handle_reclaimed(L, -err->code))
		fd = btf_open_module(module, err);
	if (fd < 0) {
		lua_pop(L, 2);
		return NULL;
	}
	h->handle.fd = fd;
	lua_rawset(L, index);
	return h;
}

void btf_handle_register(lua_State *L)
{
	handle_register(L, &handle_class);
}
