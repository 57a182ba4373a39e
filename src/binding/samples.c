/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include "handle.h"
#include "options.h"
#include "rooms.h"

/* What the user value holds: the maps it owns in an array, what samples are. */
enum { MAPS = 1, CODEC = 2 };

struct codec samples_configure(lua_State *L, int options, int maps)
{
	enum int64_mode int64;
	struct codec codec;
	int table;

	lua_newtable(L);
	table = lua_gettop(L);
	lua_getfield(L, options, "int64");
	int64 = codec_parse_int64(L, -1);
	lua_getfield(L, options, "type");
	codec = codec_parse(L, -1, 0, int64, table, CODEC, "sample");
	lua_pop(L, 2);
	if (options_boolean(L, options, "own", true)) {
		lua_pushvalue(L, maps);
		lua_rawseti(L, table, MAPS);
	}
	compat_setuservalue(L, -2);
	return codec;
}

void samples_close_maps(lua_State *L, int index)
{
	struct handle *map;
	int i;

	compat_getuservalue(L, index);
	lua_rawgeti(L, -1, MAPS);
	for (i = 1; lua_istable(L, -1); i++) {
		lua_rawgeti(L, -1, i);
		map = handle_test(L, -1, &map_class);
		lua_pop(L, 1);
		if (!map)
			break;
		handle_shut(map);
	}
	lua_pop(L, 2);
}
