/* SPDX-License-Identifier: MIT */
/* Executables as userdata: functions, addresses and tracepoints of their files, for links to
 * user space and for names in stacks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/exe.h"
#include "../engine/exe_path.h"
#include "../engine/glob.h"
#include "../engine/proc_maps.h"
#include "../engine/sys.h"
#include "../engine/usdt.h"
#include "failure.h"
#include "handle.h"
#include "map.h"
#include "rooms.h"

struct exe_handle {
	struct handle handle; /* its fd is also exe.fd, which closes it */
	struct exe exe;
};

static int exe_handle_close(lua_State *L)
{
	struct exe_handle *h = handle_check(L, 1, &exe_class);

	if (h->handle.fd >= 0)
		exe_close(&h->exe);
	h->handle.fd = -1;
	lua_pushboolean(L, 1);
	return 1;
}

/* The path, which the user value keeps, of the executable at 1. */
static const char *push_path(lua_State *L)
{
	compat_getuservalue(L, 1);
	lua_getfield(L, -1, "path");
	lua_remove(L, -2);
	return lua_tostring(L, -1);
}

static struct exe *self_open(lua_State *L)
{
	struct exe_handle *h = handle_check(L, 1, &exe_class);

	if (h->handle.fd >= 0)
		return &h->exe;
	handle_closed(L, &exe_class);
	return NULL;
}

/* The same, with its symbols read; NULL after nil, message, errno have been pushed. */
static struct exe *self_symbols(lua_State *L)
{
	struct exe *exe = self_open(L);
	struct error err;

	if (!exe || exe_read_symbols(exe, push_path(L), &err) == 0)
		return exe;
	failure_push(L, &err);
	return NULL;
}

/*
 * core.open_exe(path) -> Exe; nil, message, errno: ENOENT; ENOEXEC, it is no ELF file.
 */
static int open_exe(lua_State *L)
{
	size_t size;
	const char *path = luaL_checklstring(L, 1, &size);
	struct exe_handle *h;
	struct error err;

	luaL_argcheck(L, strlen(path) == size, 1, "path contains a NUL byte");
	lua_settop(L, 1);
	h = handle_new(L, &exe_class, sizeof(*h));
	lua_newtable(L);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "path");
	compat_setuservalue(L, -2);
	if (exe_open(&h->exe, path, &err) == 0) {
		h->handle.fd = h->exe.fd;
		return 1;
	}
	exe_close(&h->exe);
	return failure_push(L, &err);
}

static int exe_path(lua_State *L)
{
	handle_check(L, 1, &exe_class);
	push_path(L);
	return 1;
}

/* exe:is_fixed(): whether it is loaded at the addresses of the file. */
static int exe_is_fixed(lua_State *L)
{
	const struct exe *exe = self_open(L);

	if (!exe)
		return 3;
	lua_pushboolean(L, exe->is_fixed);
	return 1;
}

static void push_number(lua_State *L, uint64_t value)
{
	compat_push_u64(L, value, INT64_NUMBER);
}

/* exe:find(name) -> offset in the file, address, size of the function "f", "f@VERSION" or
 * "f@@VERSION"; nil, message, errno. */
static int exe_find_function(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);
	const struct exe_symbol *symbol;
	const struct exe *exe;
	struct error err;
	uint64_t offset;

	exe = self_symbols(L);
	if (!exe)
		return 3;
	symbol = exe_find(exe, name, &err);
	if (symbol && exe_offset_of(exe, symbol->address, &offset)) {
		push_number(L, offset);
		push_number(L, symbol->address);
		push_number(L, symbol->size);
		return 3;
	}
	if (symbol)
		error_set(&err, ENOEXEC, "function \"%.200s\" is outside the file", name);
	error_prefix(&err, "\"%.400s\"", push_path(L));
	return failure_push(L, &err);
}

/* exe:match(pattern) -> names and offsets of the functions that match, as two arrays, without
 * those at an offset that is there already; nil, message, errno. */
static int exe_match(lua_State *L)
{
	const char *pattern = luaL_checkstring(L, 2);
	const struct exe_symbol *symbol;
	const struct exe *exe;
	int names, offsets, seen;
	uint64_t offset;
	uint32_t i, n = 0;

	exe = self_symbols(L);
	if (!exe)
		return 3;
	lua_newtable(L);
	names = lua_gettop(L);
	lua_newtable(L);
	offsets = names + 1;
	lua_newtable(L);
	seen = names + 2;
	for (i = 0; i < exe->symbol_count; i++) {
		symbol = &exe->symbols[i];
		if (symbol->is_ifunc || !glob_match(pattern, symbol->name, strlen(symbol->name)) ||
			!exe_offset_of(exe, symbol->address, &offset))
			continue;
		push_number(L, offset);
		lua_pushvalue(L, -1);
		lua_rawget(L, seen);
		if (lua_isnil(L, -1)) {
			n++;
			lua_pushvalue(L, -2);
			lua_pushboolean(L, 1);
			lua_rawset(L, seen);
			lua_pushvalue(L, -2);
			lua_rawseti(L, offsets, (int)n);
			lua_pushstring(L, symbol->name);
			lua_rawseti(L, names, (int)n);
		}
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	return 2;
}

/* exe:offset_of(address) -> offset in the file; nil when nothing of the file is there. */
static int exe_offset(lua_State *L)
{
	uint64_t address = compat_check_unsigned(L, 2, UINT64_MAX), offset;
	const struct exe *exe = self_open(L);

	if (!exe)
		return 3;
	if (!exe_offset_of(exe, address, &offset))
		return 0;
	push_number(L, offset);
	return 1;
}

/* exe:symbol_at(offset) -> the name of the function that this place of the file is in, and how far
 * into it; nil when it is in none; nil, message, errno. */
static int exe_name(lua_State *L)
{
	uint64_t offset = compat_check_unsigned(L, 2, UINT64_MAX), address;
	const struct exe_symbol *symbol;
	struct exe *exe = self_symbols(L);

	if (!exe)
		return 3;
	if (!exe_address_of(exe, offset, &address))
		return 0;
	symbol = exe_symbol_at(exe, address);
	if (!symbol)
		return 0;
	/* Static symbols may have their version behind the name. */
	lua_pushlstring(L, symbol->name, 1 + strcspn(symbol->name + 1, "@"));
	push_number(L, address - symbol->address);
	return 2;
}

/* The fields of a tracepoint, into the table on top; its arguments packed for <bpf/usdt.bpf.h>. */
static int set_note(lua_State *L, const struct exe *exe, const struct usdt_note *note,
	uint64_t cookie, struct error *err)
{
	struct usdt_spec spec;

	if (usdt_parse_args(exe->machine, note->args, &spec, err) < 0)
		return error_prefix(
			err, "tracepoint \"%.100s:%.100s\"", note->provider, note->name);
	spec.cookie = cookie;
	lua_pushlstring(L, (const char *)&spec, sizeof(spec));
	lua_setfield(L, -2, "spec");
	return 0;
}

static void push_note(lua_State *L, const struct usdt_note *note)
{
	lua_newtable(L);
	lua_pushstring(L, note->provider);
	lua_setfield(L, -2, "provider");
	lua_pushstring(L, note->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, note->args);
	lua_setfield(L, -2, "args");
	push_number(L, note->address);
	lua_setfield(L, -2, "address");
	push_number(L, note->offset);
	lua_setfield(L, -2, "offset");
	push_number(L, note->semaphore);
	lua_setfield(L, -2, "semaphore");
}

/*
 * exe:usdt([provider, name, cookie]) -> an array of {provider =, name =, args =, address =,
 * offset =, semaphore =}: all tracepoints, or those of that name, which have also `spec`, what
 * bpf_usdt_arg() of <bpf/usdt.bpf.h> goes by. nil, message, errno: EOPNOTSUPP when it cannot be made.
 */
static int exe_usdt(lua_State *L)
{
	const char *provider = luaL_optstring(L, 2, NULL);
	const char *name = luaL_optstring(L, 3, NULL);
	uint64_t cookie = lua_isnoneornil(L, 4) ? 0 : compat_check_unsigned(L, 4, UINT64_MAX);
	const struct exe *exe = self_open(L);
	struct usdt_notes notes;
	struct usdt_note note;
	struct error err;
	int ret, n = 0;

	if (!exe)
		return 3;
	lua_newtable(L);
	ret = usdt_open(exe, &notes, &err);
	while (ret >= 0 && (ret = usdt_next(&notes, &note, &err)) > 0) {
		if ((provider && strcmp(provider, note.provider) != 0) ||
			(name && strcmp(name, note.name) != 0))
			continue;
		push_note(L, &note);
		if (name)
			ret = set_note(L, exe, &note, cookie, &err);
		lua_rawseti(L, -2, ++n);
	}
	if (ret == 0)
		return 1;
	error_prefix(&err, "\"%.400s\"", push_path(L));
	return failure_push(L, &err);
}

/* One argument as a table: where it is, and what of it. */
static void push_arg(lua_State *L, const struct usdt_arg *arg)
{
	static const char *const types[] = {"constant", "register", "memory", "indexed"};
	uint32_t type = arg->type & 0xff;

	lua_newtable(L);
	lua_pushstring(L, types[type]);
	lua_setfield(L, -2, "type");
	compat_push_i64(L, (int64_t)arg->value, INT64_NUMBER);
	lua_setfield(L, -2, "value");
	lua_pushinteger(L, (64 - arg->bitshift) / 8);
	lua_setfield(L, -2, "size");
	lua_pushboolean(L, arg->is_signed);
	lua_setfield(L, -2, "signed");
	if (type != USDT_ARG_CONST) {
		lua_pushinteger(L, arg->reg_off);
		lua_setfield(L, -2, "register");
	}
	if (type == USDT_ARG_SIB) {
		lua_pushinteger(L, (lua_Integer)(arg->type >> 8 & 0xfff));
		lua_setfield(L, -2, "index");
		lua_pushinteger(L, (lua_Integer)1 << (arg->type >> 20 & 0xf));
		lua_setfield(L, -2, "scale");
	}
}

/*
 * core.usdt_spec(machine, args) -> an array of {type =, value =, register =, index =, scale =,
 * size =, signed =}: where the arguments of a tracepoint are, on a machine of that number in ELF;
 * registers by their offsets in struct pt_regs. nil, message, errno: EOPNOTSUPP, E2BIG.
 */
static int usdt_spec(lua_State *L)
{
	uint16_t machine = (uint16_t)compat_check_unsigned(L, 1, UINT16_MAX);
	const char *args = luaL_checkstring(L, 2);
	struct usdt_spec spec;
	struct error err;
	int i;

	if (usdt_parse_args(machine, args, &spec, &err) < 0)
		return failure_push(L, &err);
	lua_newtable(L);
	for (i = 0; i < spec.count; i++) {
		push_arg(L, &spec.args[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* core.find_exe(name [, pid]) -> path; nil, message, errno. */
static int find_path(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	int pid = lua_isnoneornil(L, 2) ? 0 : (int)compat_check_unsigned(L, 2, INT32_MAX);
	char path[EXE_PATH_SIZE];
	struct error err;

	if (exe_path_find(name, pid, path, &err) < 0)
		return failure_push(L, &err);
	lua_pushstring(L, path);
	return 1;
}

static int maps_gc(lua_State *L)
{
	char **text = luaL_checkudata(L, 1, "ebpf.maps_text");

	free(*text);
	*text = NULL;
	return 0;
}

static void push_mapping(lua_State *L, const struct proc_map *map)
{
	lua_newtable(L);
	push_number(L, map->start);
	lua_setfield(L, -2, "start");
	push_number(L, map->end);
	lua_setfield(L, -2, "stop");
	push_number(L, map->offset);
	lua_setfield(L, -2, "offset");
	lua_pushboolean(L, map->executable);
	lua_setfield(L, -2, "executable");
	lua_pushlstring(L, map->path, map->path_size);
	lua_setfield(L, -2, "path");
}

/* core.read_maps(pid) -> an array of {start =, stop =, offset =, executable =, path =}, ascending:
 * what the process has mapped; 0 is the caller. Mappings of code above 2^53 (the vsyscall page)
 * are left out. nil, message, errno: ESRCH. */
static int read_maps(lua_State *L)
{
	int pid = (int)compat_check_unsigned(L, 1, INT32_MAX), n = 0;
	char **text = compat_newuserdata(L, sizeof(*text));
	struct proc_map map;
	struct error err;
	const char *at;

	*text = NULL;
	luaL_setmetatable(L, "ebpf.maps_text");
	*text = proc_maps_read(pid, &err);
	if (!*text)
		return failure_push(L, &err);
	lua_newtable(L);
	for (at = *text; proc_maps_next(&at, &map);) {
		if (map.end > UINT64_C(1) << 53)
			continue;
		push_mapping(L, &map);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/* An integer of the size that the map has for it, in the machine's byte order. */
static void encode(uint64_t number, unsigned char *out, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)&number;

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		bytes += sizeof(number) - size;
	memcpy(out, bytes, size);
}

/*
 * core.usdt_put(map, key, value): puts a string or an integer, or deletes the key when it is nil,
 * past the types that the map has: it is one of <bpf/usdt.bpf.h>. Returns true; nil, message,
 * errno: EINVAL, the map has other sizes.
 */
static int usdt_put(lua_State *L)
{
	const struct map *map = handle_check(L, 1, &map_class);
	uint64_t key = compat_check_unsigned(L, 2, UINT64_MAX);
	unsigned char key_bytes[8], value_bytes[8];
	const void *value = value_bytes;
	size_t size = map->value_size;
	int ret;

	if (map->handle.fd < 0)
		return handle_closed(L, &map_class);
	if (lua_type(L, 3) == LUA_TSTRING)
		value = lua_tolstring(L, 3, &size);
	else if (map->value_size <= sizeof(value_bytes) && !lua_isnil(L, 3))
		encode(compat_check_unsigned(L, 3, UINT32_MAX), value_bytes, size);
	if (map->key_size > sizeof(key_bytes) || size != map->value_size)
		return failure_errno(L, EINVAL,
			"write tracepoint arguments: the map has keys of %d bytes and values of %d",
			(int)map->key_size, (int)map->value_size);
	encode(key, key_bytes, map->key_size);
	if (lua_isnil(L, 3))
		ret = sys_map_delete(map->handle.fd, key_bytes);
	else
		ret = sys_map_update(map->handle.fd, key_bytes, value, 0);
	if (ret < 0 && ret != -ENOENT)
		return failure_errno(L, ret, "write tracepoint arguments");
	lua_pushboolean(L, 1);
	return 1;
}

static int exe_tostring(lua_State *L)
{
	handle_check(L, 1, &exe_class);
	lua_pushfstring(L, "executable \"%s\"", push_path(L));
	return 1;
}

static const luaL_Reg methods[] = {
	{"path", exe_path},
	{"is_fixed", exe_is_fixed},
	{"find", exe_find_function},
	{"match", exe_match},
	{"offset_of", exe_offset},
	{"symbol_at", exe_name},
	{"usdt", exe_usdt},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", exe_tostring},
	{NULL, NULL},
};

const struct handle_class exe_class = {
	.name = "ebpf.exe",
	.what = "exe",
	.methods = methods,
	.metamethods = metamethods,
	.close = exe_handle_close,
};

void exe_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"open_exe", open_exe},
		{"find_exe", find_path},
		{"read_maps", read_maps},
		{"usdt_put", usdt_put},
		{"usdt_spec", usdt_spec},
		{NULL, NULL},
	};

	if (luaL_newmetatable(L, "ebpf.maps_text")) {
		lua_pushcfunction(L, maps_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	handle_register(L, &exe_class);
	luaL_setfuncs(L, functions, 0);
}
