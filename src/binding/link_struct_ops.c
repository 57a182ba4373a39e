/* SPDX-License-Identifier: MIT */
/* Links of struct_ops maps. */
#include "../engine/abi.h"
#include "../engine/attach_struct_ops.h"
#include "failure.h"
#include "link.h"
#include "link_attach.h"
#include "map.h"
#include "options.h"
#include "rooms.h"

/*
 * core.attach_struct_ops{map =}: registers what is in a struct_ops map made with BPF_F_LINK, for as
 * long as the Link is there. Returns a Link; nil, message, errno. BPF_LINK_CREATE, Linux 6.4.
 */
static int attach(lua_State *L)
{
	static const char *const fields[] = {"map", NULL};
	enum { OPTIONS = 1, MAP, LINK };
	const struct map *m;
	struct link *link;
	struct error err;
	int fd;

	options_check(L, OPTIONS, "struct_ops", fields);
	lua_settop(L, OPTIONS);
	lua_getfield(L, OPTIONS, "map");
	m = handle_test(L, MAP, &map_class);
	if (!m || m->type != BPF_MAP_TYPE_STRUCT_OPS)
		link_attach_field_error(L, "map", "Map of type struct_ops expected");
	link = link_push(L, "struct_ops");
	map_push_name(L, MAP);
	link_set_name(L, LINK);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	fd = attach_struct_ops(m->handle.fd, &err);
	if (fd < 0 && handle_reclaimed(L, -err.code) && m->handle.fd >= 0)
		fd = attach_struct_ops(m->handle.fd, &err);
	if (fd < 0) {
		error_prefix(&err, "attach \"%.80s\"", map_push_name(L, MAP));
		return failure_push(L, &err);
	}
	link->handle.fd = fd;
	return 1;
}

/*
 * core.update_struct_ops(link, map): puts the struct of another map in the place of the one that the
 * link has, in one step, where that type of struct can. Returns true; nil, message, errno.
 */
static int update(lua_State *L)
{
	const struct link *link = handle_check(L, 1, &link_class);
	const struct map *m = handle_check(L, 2, &map_class);
	struct error err;

	luaL_argcheck(L, m->type == BPF_MAP_TYPE_STRUCT_OPS, 2, "map of type struct_ops expected");
	if (link->handle.fd < 0)
		return handle_closed(L, &link_class);
	if (m->handle.fd < 0)
		return handle_closed(L, &map_class);
	if (attach_struct_ops_update(link->handle.fd, m->handle.fd, &err) < 0) {
		error_prefix(
			&err, "update a struct_ops link to map \"%.80s\"", map_push_name(L, 2));
		return failure_push(L, &err);
	}
	lua_pushboolean(L, 1);
	return 1;
}

void link_struct_ops_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attach_struct_ops", attach},
		{"update_struct_ops", update},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
