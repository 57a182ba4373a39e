/* SPDX-License-Identifier: MIT */
#include "pin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engine/mounts.h"
#include "../engine/probe.h"
#include "../engine/sys.h"
#include "failure.h"
#include "open.h"

/* The path at `arg`, which must be one the kernel reads to its end. */
static const char *check_path(lua_State *L, int arg)
{
	size_t size;
	const char *path = luaL_checklstring(L, arg, &size);

	luaL_argcheck(L, size, arg, "empty path");
	luaL_argcheck(L, strlen(path) == size, arg, "path contains a NUL byte");
	return path;
}

/* The directory that a path is in. */
static void push_parent(lua_State *L, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		lua_pushliteral(L, ".");
	else if (slash == path)
		lua_pushliteral(L, "/");
	else
		lua_pushlstring(L, path, (size_t)(slash - path));
}

/* Whether the directory of `path` is in a BPF file system; an error when it is not. */
static int check_parent(lua_State *L, const char *path, struct error *err)
{
	const char *parent;
	int ret;

	push_parent(L, path);
	parent = lua_tostring(L, -1);
	ret = sys_on_filesystem(parent, mounts_bpffs.magic);
	if (ret < 0)
		error_errno(err, ret, "directory \"%.400s\"", parent);
	else if (ret == 0)
		error_set(err, EINVAL,
			"\"%.400s\" is not on a bpf filesystem: mount one with `mount -t bpf bpf "
			"%s`",
			parent, mounts_bpffs.usual);
	lua_pop(L, 1);
	return ret > 0 ? 0 : -1;
}

/* bpffs keeps names with dots for itself, and refuses them with EPERM. */
static int explain_refusal(const char *path, int code, struct error *err)
{
	const char *slash = strrchr(path, '/');

	error_errno(err, code, "\"%.400s\"", path);
	if (err->code == EPERM && strchr(slash ? slash : path, '.'))
		return error_append(err, ": a name in a bpf filesystem cannot have a dot");
	return probe_explain_privilege(err, PROBE_BPF);
}

/* Pushes a string that the userdata at 1 remembers, or nil. */
static const char *push_string(lua_State *L, const char *field)
{
	compat_getuservalue(L, 1);
	lua_getfield(L, -1, field);
	lua_remove(L, -2);
	return lua_tostring(L, -1);
}

/* Remembers the value on top of the stack, a path or nil, as the pin of the userdata at
 * `index`; pops it. */
static void remember(lua_State *L, int index)
{
	compat_getuservalue(L, index);
	lua_insert(L, -2);
	lua_setfield(L, -2, "pinned");
	lua_pop(L, 1);
}

/* nil, message, errno: "<attempt> map "events": <what err says>" */
static int failed(
	lua_State *L, const char *attempt, const struct handle_class *class, struct error *err)
{
	const char *name = push_string(L, "name");

	if (name && *name)
		error_prefix(err, "%s %s \"%.80s\"", attempt, class->what, name);
	else
		error_prefix(err, "%s %s", attempt, class->what);
	return failure_push(L, err);
}

/* Pins, or moves the pin that is at `old`; should it be gone, pins anew. */
static int pin_or_move(int fd, const char *old, const char *path)
{
	int ret = -ENOENT;

	if (old)
		ret = sys_rename_noreplace(old, path);
	return ret == -ENOENT ? sys_obj_pin(fd, path) : ret;
}

/* Moves the pin of the userdata at 1 from the path at 3, which may be nil, to the one at 2. */
static int move_pin(lua_State *L, const struct handle *handle, struct error *err)
{
	const char *path = lua_tostring(L, 2);
	int ret;

	if (check_parent(L, path, err) < 0)
		return -1;
	/* Remembered first: then there is room for it, whatever comes. */
	lua_pushvalue(L, 2);
	remember(L, 1);
	ret = handle->fd < 0 ? -EBADF : pin_or_move(handle->fd, lua_tostring(L, 3), path);
	if (ret >= 0)
		return 0;
	lua_pushvalue(L, 3);
	remember(L, 1);
	return explain_refusal(path, ret, err);
}

int pin_pin(lua_State *L, const struct handle_class *class)
{
	const struct handle *handle = handle_check(L, 1, class);
	struct error err;

	check_path(L, 2);
	lua_settop(L, 2);
	if (handle->fd < 0)
		return handle_closed(L, class);
	push_string(L, "pinned");
	if (!lua_rawequal(L, 2, 3) && move_pin(L, handle, &err) < 0)
		return failed(L, "pin", class, &err);
	lua_pushboolean(L, 1);
	return 1;
}

int pin_unpin(lua_State *L, const struct handle_class *class)
{
	const struct handle *handle = handle_check(L, 1, class);
	struct error err;
	const char *path;
	int ret = 0;

	lua_settop(L, 1);
	if (handle->fd < 0)
		return handle_closed(L, class);
	path = push_string(L, "pinned");
	if (path)
		ret = sys_unlink(path);
	if (ret < 0 && ret != -ENOENT) {
		error_errno(&err, ret, "\"%.400s\"", path);
		return failed(L, "unpin", class, &err);
	}
	lua_pushnil(L);
	remember(L, 1);
	lua_pushboolean(L, 1);
	return 1;
}

int pin_is_pinned(lua_State *L, const struct handle_class *class)
{
	const struct handle *handle = handle_check(L, 1, class);

	if (handle->fd < 0)
		return handle_closed(L, class);
	lua_settop(L, 1);
	lua_pushboolean(L, push_string(L, "pinned") != NULL);
	lua_insert(L, 2);
	return 2;
}

static int open_pin(lua_State *L, const char *path, struct handle *handle, uint32_t file_flags,
	struct error *err)
{
	int ret = sys_obj_get(path, file_flags);

	if (handle_reclaimed(L, ret))
		ret = sys_obj_get(path, file_flags);
	if (ret < 0) {
		explain_refusal(path, ret, err);
		if (err->code == EACCES || err->code == EINVAL)
			check_parent(L, path, err);
		return -1;
	}
	handle->fd = ret;
	return 0;
}

int pin_open(lua_State *L, int arg, struct handle *handle, const struct handle_class *class,
	uint32_t file_flags, struct error *err)
{
	const char *path = check_path(L, arg);

	if (open_pin(L, path, handle, file_flags, err) == 0 &&
		open_check_kind(handle->fd, class->what, err) == 0) {
		lua_pushvalue(L, arg);
		remember(L, -2);
		return 0;
	}
	sys_close(handle->fd);
	handle->fd = -1;
	return error_prefix(err, "open pinned %s \"%.400s\"", class->what, path);
}
