/* SPDX-License-Identifier: MIT */
/* Object files become plain Lua tables: lua/ebpf/spec.lua gives them their methods. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/kconfig.h"
#include "../engine/object.h"
#include "../engine/sys.h"
#include "btf_object.h"
#include "failure.h"
#include "insns.h"
#include "options.h"
#include "rooms.h"
#include "type.h"

#define PARSED_CLASS "ebpf.parsed_object"

enum {
	FILE_LIMIT = 1 << 30,
	/* Bytes that compiled types may take: so many, and so many times the size of the BTF. */
	TYPES_LEAST = 1 << 16,
	TYPES_TIMES = 8,
};

/* Owns what is in C while tables are made of it, so that an error thrown meanwhile leaks nothing. */
struct parsed {
	char *file;
	struct object object;
};

static void parsed_release(struct parsed *parsed)
{
	free(parsed->file);
	parsed->file = NULL;
	object_free(&parsed->object);
}

static int parsed_gc(lua_State *L)
{
	parsed_release(luaL_checkudata(L, 1, PARSED_CLASS));
	return 0;
}

static struct parsed *parsed_new(lua_State *L)
{
	struct parsed *parsed = compat_newuserdata(L, sizeof(*parsed));

	memset(parsed, 0, sizeof(*parsed));
	luaL_setmetatable(L, PARSED_CLASS);
	return parsed;
}

static void set_integer(lua_State *L, const char *name, uint32_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, name);
}

/* The table on top gets {key, <value above it>} as its element `index`. Pops the value. */
static void add_pair(lua_State *L, uint32_t index, uint32_t key)
{
	lua_createtable(L, 2, 0);
	lua_insert(L, -2);
	lua_rawseti(L, -2, 2);
	lua_pushinteger(L, (lua_Integer)key);
	lua_rawseti(L, -2, 1);
	lua_rawseti(L, -2, (int)index);
}

/* A struct_ops map: the name of its struct, and which members of it are which programs. */
static void set_struct(lua_State *L, const struct object_map *map, const struct btf *btf)
{
	const struct btf_type *type = btf_type(btf, map->value_type_id);
	const struct btf_member *members = btf_tail(type);
	uint32_t i;

	set_string(L, "struct", btf_name(btf, type));
	lua_createtable(L, 0, (int)map->slot_count);
	for (i = 0; i < map->slot_count; i++)
		set_string(L, btf_string(btf, members[map->slots[i].key].name_off),
			map->slots[i].name);
	lua_setfield(L, -2, "members");
	set_boolean(L, "autocreate", !map->on_request);
}

/* Initial elements: the bytes of a data section, or the names of maps or programs. */
static void set_contents(lua_State *L, const struct object_map *map)
{
	uint32_t i, slots = map->data ? 0 : map->slot_count;

	if (!slots && !map->data)
		return;
	lua_newtable(L);
	for (i = 0; i < slots; i++) {
		lua_pushstring(L, map->slots[i].name);
		add_pair(L, i + 1, map->slots[i].key);
	}
	if (map->data) {
		lua_pushlstring(L, (const char *)map->data, map->data_size);
		add_pair(L, 1, 0);
	}
	lua_setfield(L, -2, "contents");
}

/* Which of the object's types the keys and values have. */
static void set_btf(lua_State *L, const struct object_map *map, int types)
{
	if (!types || (!map->key_type_id && !map->value_type_id))
		return;
	lua_createtable(L, 0, 3);
	lua_pushvalue(L, types);
	lua_setfield(L, -2, "types");
	set_integer(L, "key_type_id", map->key_type_id);
	set_integer(L, "value_type_id", map->value_type_id);
	lua_setfield(L, -2, "btf");
}

/*
 * Compiles the types of keys and values, each once. An object may have many types that are made of
 * the same large ones, so there is a limit to what they may take in all; what is beyond it, or
 * has no layout, is left without a type.
 */
struct compiler {
	const struct btf *btf;
	const struct btf *names; /* the same, also where it is of no use for values */
	int types; /* stack index of what the specs share for the BTF; 0: there is none */
	int known; /* stack index of a table of types by id; false: it has none */
	uint64_t bytes_left;
};

/* Pushes a new type, or false. */
static void compile_type(lua_State *L, struct compiler *c, uint32_t id)
{
	const struct type *type;
	uint64_t cost = c->btf->type_count;
	struct error err;

	if (cost > c->bytes_left || type_push_built(L, c->btf, id, &err) < 0) {
		lua_pushboolean(L, 0);
		return;
	}
	type = lua_touserdata(L, -1);
	cost += type->layout.bytes;
	c->bytes_left = cost < c->bytes_left ? c->bytes_left - cost : 0;
}

static void set_type(lua_State *L, struct compiler *c, const char *field, uint32_t id)
{
	if (!c->btf || !id || !btf_resolve(c->btf, id, &id))
		return;
	lua_rawgeti(L, c->known, (int)id);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		compile_type(L, c, id);
		lua_pushvalue(L, -1);
		lua_rawseti(L, c->known, (int)id);
	}
	if (lua_isuserdata(L, -1))
		lua_setfield(L, -2, field);
	else
		lua_pop(L, 1);
}

static void push_map(lua_State *L, struct compiler *c, const struct object_map *map)
{
	luaL_checkstack(L, 12, "map spec");
	lua_newtable(L);
	set_string(L, "name", map->name);
	options_push_name(L, &names_map_types, map->type);
	lua_setfield(L, -2, "type");
	set_integer(L, "key_size", map->key_size);
	set_integer(L, "value_size", map->value_size);
	set_integer(L, "max_entries", map->max_entries);
	set_integer(L, "flags", map->flags);
	set_integer(L, "numa_node", map->numa_node);
	compat_push_u64(L, map->map_extra, INT64_EXACT);
	lua_setfield(L, -2, "map_extra");
	set_string(L, "pinning", map->pin_by_name ? "by_name" : "none");
	if (map->freeze)
		set_boolean(L, "freeze", true);
	if (map->mmapable)
		set_boolean(L, "mmapable", true);
	if (map->key_size)
		set_type(L, c, "key", map->key_type_id);
	if (map->value_size)
		set_type(L, c, "value", map->value_type_id);
	if (map->type == BPF_MAP_TYPE_STRUCT_OPS && map->data)
		set_struct(L, map, c->names);
	set_contents(L, map);
	set_btf(L, map, c->types);
	if (map->inner) {
		push_map(L, c, map->inner);
		lua_setfield(L, -2, "inner_map");
	}
}

static uint32_t program_flags(const struct section_def *def)
{
	uint32_t flags = 0;

	if (def->flags & SECTION_SLEEPABLE)
		flags |= BPF_F_SLEEPABLE;
	if (def->flags & SECTION_XDP_FRAGS)
		flags |= BPF_F_XDP_HAS_FRAGS;
	return flags;
}

/* What the section's name says. */
static void set_match(lua_State *L, const struct section_match *match)
{
	const struct section_def *def = match->def;

	options_push_name(L, &names_prog_types, def ? def->prog_type : BPF_PROG_TYPE_UNSPEC);
	lua_setfield(L, -2, "type");
	if (def && def->flags & SECTION_ATTACH) {
		options_push_name(L, &names_attach_types, def->attach_type);
		lua_setfield(L, -2, "attach_type");
	}
	/* What stands behind "struct_ops/" is for the reader only. */
	if (match->target && match->target[0] && def->prog_type != BPF_PROG_TYPE_STRUCT_OPS)
		set_string(L, "attach_to", match->target);
	set_integer(L, "flags", def ? program_flags(def) : 0);
	set_boolean(L, "autoload", match->autoload && def);
}

/* The instructions move out of the object into their own userdata. */
static void push_program(lua_State *L, const struct object *object, struct object_program *program)
{
	struct insns *insns;

	lua_newtable(L);
	set_string(L, "name", program->name);
	set_string(L, "section", program->section);
	set_match(L, &program->match);
	if (object->license)
		set_string(L, "license", object->license);
	set_integer(L, "kernel_version", object->kernel_version);
	insns = insns_new(L);
	*insns = program->insns;
	memset(&program->insns, 0, sizeof(program->insns));
	lua_setfield(L, -2, "instructions");
}

/* Pushes the table of map specs. */
static void push_maps(lua_State *L, struct compiler *c, const struct object *object)
{
	uint32_t i;

	lua_newtable(L);
	for (i = 0; i < object->map_count; i++) {
		push_map(L, c, &object->maps[i]);
		lua_setfield(L, -2, object->maps[i].name);
	}
}

/* Pushes the table of where the variables are. */
static void push_variables(lua_State *L, struct compiler *c, const struct object *object)
{
	const struct object_variable *variable;
	uint32_t i;

	lua_newtable(L);
	for (i = 0; i < object->variable_count; i++) {
		variable = &object->variables[i];
		lua_createtable(L, 0, 5);
		if (variable->kconfig)
			set_string(L, "kconfig", kconfig_kind_name(variable->kconfig));
		if (variable->is_signed)
			set_boolean(L, "signed", true);
		if (variable->weak)
			set_boolean(L, "weak", true);
		set_string(L, "name", variable->name);
		set_string(L, "section", variable->section);
		set_integer(L, "offset", variable->offset);
		set_integer(L, "size", variable->size);
		set_type(L, c, "type", variable->type_id);
		lua_setfield(L, -2, variable->name);
	}
}

/* Pushes the tables that have values in them: maps, and above it variables. `types`: as of struct
 * compiler. */
static void push_data(lua_State *L, const struct object *object, int types)
{
	struct compiler c = {.names = object->btf, .types = types, .bytes_left = TYPES_LEAST};

	/* Types in the other byte order are of no use: such an object is never loaded. */
	if (object->btf && !object->foreign) {
		c.btf = object->btf;
		c.bytes_left += (uint64_t)object->btf->size * TYPES_TIMES;
	}
	lua_newtable(L);
	c.known = lua_gettop(L);
	push_maps(L, &c, object);
	push_variables(L, &c, object);
	lua_remove(L, c.known);
}

/* Pushes the table of functions that are no programs: instructions by name. */
static void push_functions(lua_State *L, struct object *object)
{
	struct insns *insns;
	uint32_t i;

	lua_newtable(L);
	for (i = 0; i < object->function_count; i++) {
		insns = insns_new(L);
		*insns = object->functions[i].insns;
		memset(&object->functions[i].insns, 0, sizeof(*insns));
		lua_setfield(L, -2, object->functions[i].name);
	}
}

static void push_object(lua_State *L, struct object *object, const char *name)
{
	int types = 0;
	uint32_t i;

	luaL_checkstack(L, 12, "collection spec");
	if (object->btf) {
		btf_object_new(L, name)->btf = btf_retain(object->btf);
		types = lua_gettop(L);
	}
	lua_newtable(L);
	push_data(L, object, types);
	lua_setfield(L, -3, "variables");
	lua_setfield(L, -2, "maps");
	lua_newtable(L);
	for (i = 0; i < object->program_count; i++) {
		push_program(L, object, &object->programs[i]);
		lua_setfield(L, -2, object->programs[i].name);
	}
	lua_setfield(L, -2, "programs");
	push_functions(L, object);
	lua_setfield(L, -2, "functions");
	if (object->license)
		set_string(L, "license", object->license);
	if (types) {
		lua_pushvalue(L, types);
		lua_setfield(L, -2, "types");
	}
	set_integer(L, "kernel_version", object->kernel_version);
	set_string(L, "byte_order", object->big_endian ? "big" : "little");
}

/*
 * core.parse_object(bytes [, name]): the maps and programs of an object file, as tables.
 *
 * bytes  string: the whole file
 * name   string: what error messages call it
 *
 * Returns {maps = {[name] = ...}, programs = {[name] = ...}, functions = {[name] = ...}, license, kernel_version, byte_order,
 * types}, fields as told in lua/ebpf/spec.lua; or nil, message, errno: ENOEXEC when the object is
 * malformed or asks for what this library does not know, E2BIG when its programs together are too
 * large. No system call is made.
 */
static int parse_object(lua_State *L)
{
	size_t size;
	const char *bytes = luaL_checklstring(L, 1, &size);
	const char *name = luaL_optstring(L, 2, NULL);
	struct parsed *parsed = parsed_new(L);
	struct error err;

	if (object_parse(&parsed->object, bytes, size, &err) < 0) {
		parsed_release(parsed);
		if (name)
			error_prefix(&err, "parse spec \"%.200s\"", name);
		else
			error_prefix(&err, "parse spec");
		return failure_push(L, &err);
	}
	push_object(L, &parsed->object, name ? name : "object");
	parsed_release(parsed);
	return 1;
}

/*
 * core.load_object(path): the same for a file.
 *
 * Returns as parse_object() does; when the file cannot be read, nil, message and the errno of
 * open(2) or read(2); EISDIR for a directory, EINVAL for a device or a pipe, EFBIG beyond 1 GiB.
 */
static int load_object(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct parsed *parsed = parsed_new(L);
	struct error err;
	size_t size;
	int ret = sys_read_file(path, FILE_LIMIT, &parsed->file, &size);

	if (handle_reclaimed(L, ret))
		ret = sys_read_file(path, FILE_LIMIT, &parsed->file, &size);
	if (ret == -EINVAL)
		error_set(&err, EINVAL, "not a regular file");
	else if (ret < 0)
		error_describe(err.code = -ret, err.text, sizeof(err.text));
	else
		ret = object_parse(&parsed->object, parsed->file, size, &err);
	if (ret < 0) {
		parsed_release(parsed);
		error_prefix(&err, "load spec \"%.200s\"", path);
		return failure_push(L, &err);
	}
	push_object(L, &parsed->object, path);
	parsed_release(parsed);
	return 1;
}

/*
 * core.match_section(name): what the name of a program's section says about the program.
 *
 * Returns {type, attach_type, attach_to, flags, autoload}, of a program spec; type is "unspec"
 * and autoload false where the name says nothing. The rules and names are libbpf's.
 */
static int match_section(lua_State *L)
{
	struct section_match match;

	sections_match(luaL_checkstring(L, 1), &match);
	lua_newtable(L);
	set_match(L, &match);
	return 1;
}

/* core.section_patterns(): the names that are known, in the order they are tried. */
static int section_patterns(lua_State *L)
{
	uint32_t i;

	lua_createtable(L, (int)section_def_count, 0);
	for (i = 0; i < section_def_count; i++) {
		lua_pushstring(L, section_defs[i].pattern);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

void object_spec_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"parse_object", parse_object},
		{"load_object", load_object},
		{"match_section", match_section},
		{"section_patterns", section_patterns},
		{NULL, NULL},
	};

	if (luaL_newmetatable(L, PARSED_CLASS)) {
		lua_pushcfunction(L, parsed_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
