/* SPDX-License-Identifier: MIT */
#include "insns.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../engine/asm_forms.h"
#include "../engine/link_insns.h"
#include "../engine/map_poison.h"
#include "failure.h"
#include "insns_edit.h"
#include "insns_text.h"
#include "options.h"
#include "rooms.h"

#define CLASS "ebpf.insns"

struct insns *insns_new(lua_State *L)
{
	struct insns *list = compat_newuserdata(L, sizeof(*list));

	memset(list, 0, sizeof(*list));
	luaL_setmetatable(L, CLASS);
	lua_newtable(L);
	compat_setuservalue(L, -2);
	return list;
}

struct insns *insns_check(lua_State *L, int arg)
{
	return luaL_checkudata(L, arg, CLASS);
}

struct insns *insns_test(lua_State *L, int index)
{
	return luaL_testudata(L, index, CLASS);
}

int insns_merge_maps(lua_State *L, int to, int from, struct error *err)
{
	int top = lua_gettop(L);
	int ret = 0;

	compat_getuservalue(L, to);
	compat_getuservalue(L, from);
	lua_pushnil(L);
	while (ret == 0 && lua_next(L, top + 2)) {
		lua_pushvalue(L, -2);
		lua_rawget(L, top + 1);
		if (!lua_isnil(L, -1) && !lua_rawequal(L, -1, -2))
			ret = error_set(err, EEXIST, "\"%.80s\" has been given two different maps",
				lua_tostring(L, -3));
		lua_pop(L, 1);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, top + 1);
	}
	lua_settop(L, top);
	return ret;
}

struct insns *insns_push_copy(lua_State *L, int index, struct error *err)
{
	struct insns *copy;

	index = lua_absindex(L, index);
	copy = insns_new(L);
	if (insns_merge_maps(L, lua_gettop(L), index, err) < 0 ||
		insns_copy(copy, lua_touserdata(L, index), err) < 0) {
		lua_pop(L, 1);
		return NULL;
	}
	return copy;
}

int insns_from_bytes(struct insns *list, const char *bytes, size_t size, struct error *err)
{
	if (size % BPF_INSN_SIZE)
		return error_set(err, EINVAL, "%zu bytes are no whole number of instructions of %d",
			size, BPF_INSN_SIZE);
	if (size / BPF_INSN_SIZE > INT32_MAX)
		return error_set(err, E2BIG, "too many instructions");
	return insns_append(list, bytes, (uint32_t)(size / BPF_INSN_SIZE), err);
}

int insns_refresh_maps(lua_State *L, int index, struct insns *list, struct error *err)
{
	int top = lua_gettop(L);
	const struct handle *map;
	const char *symbol;
	int ret = 0;

	compat_getuservalue(L, index);
	lua_pushnil(L);
	while (ret >= 0 && lua_next(L, top + 1)) {
		symbol = lua_tostring(L, -2);
		map = lua_touserdata(L, -1);
		if (map->fd < 0)
			ret = error_set(
				err, EBADF, "the map given for \"%.80s\" is closed", symbol);
		else
			ret = insns_rewrite_map(list, symbol, map->fd, err);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return ret < 0 ? -1 : 0;
}

static int gc(lua_State *L)
{
	insns_free(insns_check(L, 1));
	return 0;
}

/* #insns: how many 8-byte slots there are; a 64-bit load takes two. */
static int len(lua_State *L)
{
	lua_pushinteger(L, insns_check(L, 1)->count);
	return 1;
}

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

/* insns[i]: slot i, counted from 1; nil outside the list. insns.name: a method. */
static int get(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);
	lua_Number i;

	if (lua_type(L, 2) != LUA_TNUMBER) {
		lua_pushvalue(L, 2);
		lua_rawget(L, lua_upvalueindex(1));
		return 1;
	}
	i = lua_tonumber(L, 2);
	if (!(i >= 1 && i <= list->count) || i != (lua_Number)(uint32_t)i) {
		lua_pushnil(L);
		return 1;
	}
	insns_text_push_slot(L, list, (uint32_t)i - 1);
	return 1;
}

/* insns:copy() -> an independent list. */
static int copy(lua_State *L)
{
	struct error err;

	insns_check(L, 1);
	if (!insns_push_copy(L, 1, &err))
		return failure_push(L, &err);
	return 1;
}

/* insns:bytes() -> the slots as the kernel and object files hold them, 8 bytes each, in the order of
 * byte_order(). */
static int bytes(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);

	lua_pushlstring(L, list->count ? (const char *)list->code : "",
		(size_t)list->count * BPF_INSN_SIZE);
	return 1;
}

void insns_push_ref(lua_State *L, const struct insns *list, const struct insn_ref *ref)
{
	const struct insn_extern *wanted = insns_find_extern(list, ref->name);

	lua_createtable(L, 0, 4);
	set_integer(L, "index", (lua_Integer)ref->index + 1);
	lua_pushstring(L, insns_name(list, ref->name));
	lua_setfield(L, -2, "name");
	lua_pushstring(L, asm_ref_kinds[ref->kind]);
	lua_setfield(L, -2, "kind");
	if (ref->kind == INSN_REF_MAP_VALUE)
		set_integer(L, "offset", ref->offset);
	if (ref->resolved) {
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, "resolved");
	}
	if (wanted && wanted->weak) {
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, "weak");
	}
}

/* insns:references() -> array of {index=, name=, kind=, offset=, resolved=, weak=}, ascending: what
 * instructions refer to by name; resolved is true where they have been given it. kind is "map",
 * "map_value" (with the offset into the value), "call", "func" (the address of a function), "kernel"
 * (its own function, called by a loaded program) or "extern" (a symbol that the object does not
 * define; weak is true where the kernel may lack it). */
static int references(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);
	uint32_t i;

	lua_createtable(L, (int)list->ref_count, 0);
	for (i = 0; i < list->ref_count; i++) {
		insns_push_ref(L, list, &list->refs[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* insns:symbols() -> table: the index of each function's first slot, by the function's name. */
static int symbols(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);
	uint32_t i;

	lua_createtable(L, 0, (int)list->symbol_count);
	for (i = 0; i < list->symbol_count; i++)
		set_integer(L, insns_name(list, list->symbols[i].name),
			(lua_Integer)list->symbols[i].index + 1);
	return 1;
}

/* true, or why not; no references at all is ENOENT. */
static int push_rewritten(lua_State *L, int count, const char *symbol, struct error *err)
{
	if (count == 0)
		error_set(err, ENOENT, "symbol \"%.80s\" is not referenced", symbol);
	if (count <= 0)
		return failure_push(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

/* Replaces the map remembered for the symbol at 2 by the value on top of the stack, and leaves
 * the former one in its place. Giving the former one back never throws: its slot is there. */
static void exchange_map(lua_State *L)
{
	int top = lua_gettop(L);

	compat_getuservalue(L, 1);
	lua_pushvalue(L, 2);
	lua_rawget(L, top + 1);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, top);
	lua_rawset(L, top + 1);
	lua_replace(L, top);
	lua_settop(L, top);
}

/*
 * insns:rewrite_map(symbol, map) -> true, or nil, message, errno
 * Every reference to `symbol` becomes one to `map`, a Map; the instructions keep it from being
 * collected. ENOENT: nothing refers to the symbol. EINVAL: a reference is no 64-bit load.
 * EBADF: the map is closed.
 */
static int rewrite_map(lua_State *L)
{
	struct insns *list = insns_check(L, 1);
	const char *symbol = luaL_checkstring(L, 2);
	const struct handle *map = handle_check(L, 3, &map_class);
	struct error err;
	int n;

	if (map->fd < 0) {
		error_set(&err, EBADF, "rewrite \"%.80s\": the map is closed", symbol);
		return failure_push(L, &err);
	}
	lua_settop(L, 3);
	lua_pushvalue(L, 3);
	exchange_map(L);
	n = insns_rewrite_map(list, symbol, map->fd, &err);
	if (n <= 0)
		exchange_map(L);
	return push_rewritten(L, n, symbol, &err);
}

/*
 * core.poison_map(insns, symbol) -> true, or nil, message, errno
 * Every reference to `symbol` that has no map yet becomes an instruction that must not be reached,
 * since the map is not created. Errors as of rewrite_map.
 */
static int poison_map(lua_State *L)
{
	struct insns *list = insns_check(L, 1);
	const char *symbol = luaL_checkstring(L, 2);
	struct error err;

	return push_rewritten(L, map_poison(list, symbol, &err), symbol, &err);
}

/*
 * insns:rewrite_constant(symbol, integer) -> true, or nil, message, errno
 * Every 64-bit load that refers to `symbol` loads the integer instead: any from -2^63 to 2^64-1,
 * exactly. Errors as of rewrite_map.
 */
static int rewrite_constant(lua_State *L)
{
	struct insns *list = insns_check(L, 1);
	const char *symbol = luaL_checkstring(L, 2);
	struct error err;
	const char *wrong;
	struct compat_integer value;
	int n;

	wrong = compat_to_integer(L, 3, &value);
	if (wrong)
		return luaL_argerror(L, 3, wrong);
	n = insns_rewrite_constant(list, symbol, value.value, &err);
	if (n > 0) {
		lua_pushnil(L);
		exchange_map(L);
	}
	return push_rewritten(L, n, symbol, &err);
}

/* The lists from `first` to `last` on the stack, searched for functions. */
struct libraries {
	lua_State *L;
	int first, last;
};

static const struct insns *find_function(void *arg, const char *name)
{
	const struct libraries *libraries = arg;
	const struct insns *list;
	uint32_t index;
	int i;

	for (i = libraries->first; i <= libraries->last; i++) {
		list = lua_touserdata(libraries->L, i);
		if (insns_find_symbol(list, name, &index))
			return list;
	}
	return NULL;
}

/* A function defined by two libraries is an error, even when nobody calls it. */
static int check_duplicates(struct libraries *libraries, struct error *err)
{
	const struct insns *list;
	const char *name;
	uint32_t j;
	int i;

	for (i = libraries->first; i <= libraries->last; i++) {
		list = lua_touserdata(libraries->L, i);
		for (j = 0; j < list->symbol_count; j++) {
			name = insns_name(list, list->symbols[j].name);
			if (find_function(libraries, name) != list)
				return error_set(err, EEXIST, "duplicate symbol \"%.80s\"", name);
		}
	}
	return 0;
}

/* Links into the copy of the list that is on top of the stack. */
static int link_copy(struct libraries *libraries, struct error *err)
{
	struct insns *program = lua_touserdata(libraries->L, -1);
	int top = lua_gettop(libraries->L);
	const struct insn_ref *missing;
	int i;

	if (check_duplicates(libraries, err) < 0)
		return -1;
	if (link_insns(program, find_function, libraries, err) < 0)
		return -1;
	missing = link_insns_missing(program);
	if (missing)
		return error_set(err, ENOENT, "missing symbol \"%.80s\"",
			insns_name(program, missing->name));
	for (i = libraries->first; i <= libraries->last; i++) {
		if (insns_merge_maps(libraries->L, top, i, err) < 0)
			return -1;
	}
	return 0;
}

/* Pushes the instructions at an argument, or all those in the table there. */
static void spread_libraries(lua_State *L, int arg)
{
	if (!lua_istable(L, arg)) {
		insns_check(L, arg);
		lua_pushvalue(L, arg);
		return;
	}
	for (lua_pushnil(L); lua_next(L, arg); lua_insert(L, -2)) {
		luaL_checkstack(L, 8, "link instructions");
		luaL_argcheck(L, insns_test(L, -1) != NULL, arg,
			"a table of something else than instructions");
	}
}

/*
 * insns:link(library, ...) -> true, or nil, message, errno
 * Appends the functions that the instructions call and do not define, and those that these call,
 * from other lists, or tables of lists such as spec.functions. A list is appended whole, and once. ENOENT: a function called is nowhere.
 * EEXIST: a function is defined twice. On failure nothing is changed.
 */
static int link_lists(lua_State *L)
{
	struct insns *list = insns_check(L, 1), *linked, old;
	struct libraries libraries = {.L = L, .first = 2};
	struct error err;
	int i, last = lua_gettop(L);

	for (i = 2; i <= last; i++)
		spread_libraries(L, i);
	for (i = 2; i <= last; i++)
		lua_remove(L, 2);
	libraries.last = lua_gettop(L);
	luaL_checkstack(L, LUA_MINSTACK, "link instructions");
	linked = insns_push_copy(L, 1, &err);
	if (!linked || link_copy(&libraries, &err) < 0) {
		error_prefix(&err, "link instructions");
		return failure_push(L, &err);
	}
	old = *list;
	*list = *linked;
	*linked = old; /* freed when it is collected */
	compat_getuservalue(L, -1);
	compat_setuservalue(L, 1);
	lua_pushboolean(L, 1);
	return 1;
}

static const bool is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

bool insns_check_byte_order(lua_State *L, int options)
{
	const char *order = options_string(L, options, "byte_order");

	if (order && strcmp(order, "little") != 0 && strcmp(order, "big") != 0)
		luaL_argerror(L, options, "field 'byte_order': \"little\" or \"big\" expected");
	return order && (strcmp(order, "little") == 0) != is_little;
}

/* insns:byte_order() -> "little" or "big": what they are for, and that of bytes() */
static int byte_order(lua_State *L)
{
	lua_pushstring(L, insns_check(L, 1)->foreign != is_little ? "little" : "big");
	return 1;
}

/*
 * core.insns_from_bytes(string [, options]) -> instructions, or nil, message, errno
 * Undoes insns:bytes(). Options: byte_order ("little", "big"; this machine's by default). EINVAL:
 * no whole number of slots.
 */
static int from_bytes(lua_State *L)
{
	static const char *const names[] = {"byte_order", NULL};
	bool foreign = false;
	struct error err;
	struct insns *list;
	const char *s;
	size_t size;

	s = luaL_checklstring(L, 1, &size);
	if (!lua_isnoneornil(L, 2)) {
		options_check(L, 2, "from_bytes option", names);
		foreign = insns_check_byte_order(L, 2);
	}
	list = insns_new(L);
	list->foreign = foreign;
	if (insns_from_bytes(list, s, size, &err) < 0) {
		error_prefix(&err, "read instructions");
		return failure_push(L, &err);
	}
	return 1;
}

static const luaL_Reg methods[] = {
	{"copy", copy},
	{"bytes", bytes},
	{"byte_order", byte_order},
	{"references", references},
	{"symbols", symbols},
	{"rewrite_map", rewrite_map},
	{"rewrite_constant", rewrite_constant},
	{"link", link_lists},
	{"insert", insns_edit_insert},
	{"append", insns_edit_append},
	{"replace", insns_edit_replace},
	{"remove", insns_edit_remove},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__gc", gc},
	{"__len", len},
	{"__tostring", insns_text_tostring},
	{NULL, NULL},
};

void insns_register(lua_State *L)
{
	if (luaL_newmetatable(L, CLASS)) {
		luaL_setfuncs(L, metamethods, 0);
		lua_pushliteral(L, CLASS);
		lua_setfield(L, -2, "__name");
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, "methods");
		lua_pushcclosure(L, get, 1);
		lua_setfield(L, -2, "__index");
	}
	lua_getfield(L, -2, "methods");
	lua_getfield(L, -2, "methods");
	lua_setfield(L, -2, "insns");
	lua_pop(L, 2);
	lua_pushcfunction(L, from_bytes);
	lua_setfield(L, -2, "insns_from_bytes");
	lua_pushcfunction(L, poison_map);
	lua_setfield(L, -2, "poison_map");
	lua_pushcfunction(L, insns_text_parse);
	lua_setfield(L, -2, "insns_parse");
	insns_text_register(L);
}
