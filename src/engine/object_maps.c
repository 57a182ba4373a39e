/* SPDX-License-Identifier: MIT */
/*
 * Maps defined by types: each variable of the section ".maps" is a struct whose members have
 * the names of the map's properties. Numbers are hidden in array lengths (__uint) and enums
 * (__ulong), types behind pointers (__type), see bpf_helpers.h.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "object_build.h"

enum { PIN_NONE, PIN_BY_NAME };

/* Maps and programs stand in the elements of other maps as fds. */
enum { SLOT_SIZE = 4 };

/* The definition being read. */
struct definition {
	const struct object_build *b;
	struct object_map *map;
	bool is_inner;
	bool has_key_size, has_value_size, has_values;
	bool holds_maps; /* `values` are maps, else programs */
	uint32_t values_offset; /* bytes into the variable */
};

static const struct btf *btf_of(const struct definition *d)
{
	return d->b->object->btf;
}

static const char *name_of(const struct definition *d, uint32_t offset)
{
	return btf_string(btf_of(d), offset);
}

/* The type that the pointer `id` points to; false when it is no pointer. */
static bool pointee(const struct btf *btf, uint32_t id, uint32_t *target)
{
	if (!btf_resolve(btf, id, &id) || btf_kind(btf_type(btf, id)) != BTF_KIND_PTR)
		return false;
	*target = btf_type(btf, id)->size;
	return true;
}

/* The number in `int (*name)[number]` or `enum { x = number } name`. */
static bool read_number(const struct btf *btf, uint32_t id, uint64_t *number)
{
	const struct btf_enum64 *wide;
	const struct btf_enum *narrow;
	const struct btf_type *type;

	if (pointee(btf, id, &id)) {
		if (!btf_resolve(btf, id, &id) || btf_kind(btf_type(btf, id)) != BTF_KIND_ARRAY)
			return false;
		*number = ((const struct btf_array *)btf_tail(btf_type(btf, id)))->nelems;
		return true;
	}
	if (!btf_resolve(btf, id, &id))
		return false;
	type = btf_type(btf, id);
	if (btf_vlen(type) != 1)
		return false;
	if (btf_kind(type) == BTF_KIND_ENUM64) {
		wide = btf_tail(type);
		*number = (uint64_t)wide->high << 32 | wide->low;
		return true;
	}
	narrow = btf_tail(type);
	*number = btf_kind(type) == BTF_KIND_ENUM ? (uint32_t)narrow->value : 0;
	return btf_kind(type) == BTF_KIND_ENUM;
}

/* Members that are plain numbers, and where they go. */
static const struct number_field {
	const char *name;
	size_t offset;
} number_fields[] = {
	{"type", offsetof(struct object_map, type)},
	{"key_size", offsetof(struct object_map, key_size)},
	{"value_size", offsetof(struct object_map, value_size)},
	{"max_entries", offsetof(struct object_map, max_entries)},
	{"map_flags", offsetof(struct object_map, flags)},
	{"numa_node", offsetof(struct object_map, numa_node)},
};

enum { NUMBER_FIELDS = sizeof(number_fields) / sizeof(number_fields[0]) };

static int set_number(
	struct definition *d, const struct number_field *field, uint64_t number, struct error *err)
{
	uint32_t narrow = (uint32_t)number;

	if (number > UINT32_MAX)
		return error_set(err, ENOEXEC, "%s does not fit 32 bits", field->name);
	memcpy((char *)d->map + field->offset, &narrow, sizeof(narrow));
	if (strcmp(field->name, "key_size") == 0)
		d->has_key_size = true;
	if (strcmp(field->name, "value_size") == 0)
		d->has_value_size = true;
	return 0;
}

static int set_pinning(struct definition *d, uint64_t pinning, struct error *err)
{
	if (pinning != PIN_NONE && pinning != PIN_BY_NAME)
		return error_set(err, ENOEXEC, "pinning %" PRIu64 " is not supported", pinning);
	if (pinning == PIN_BY_NAME && d->is_inner)
		return error_set(err, ENOEXEC, "an inner map cannot be pinned");
	d->map->pin_by_name = pinning == PIN_BY_NAME;
	return 0;
}

/* Reads "key" or "value": a pointer to the type. */
static int set_type(struct definition *d, const char *name, uint32_t id, uint32_t *type,
	uint32_t *size, struct error *err)
{
	if (!pointee(btf_of(d), id, &id))
		return error_set(err, ENOEXEC, "%s is no pointer to a type", name);
	if (!btf_size(btf_of(d), id, size))
		return error_set(err, ENOEXEC, "the type of %s has no size", name);
	*type = id;
	return 0;
}

static int read_struct(struct definition *d, uint32_t id, struct error *err);

/* `values` is an array of pointers, to the struct of the inner maps or to a program. */
static int set_values(struct definition *d, const struct btf_member *member, struct error *err)
{
	const struct btf *btf = btf_of(d);
	struct definition inner = {.b = d->b, .is_inner = true};
	char name[ELF_NAME_LIMIT + sizeof("_inner")];
	const struct btf_array *array;
	uint32_t id;

	if (d->is_inner)
		return error_set(err, ENOEXEC, "an inner map cannot have values");
	if (!btf_resolve(btf, member->type, &id) || btf_kind(btf_type(btf, id)) != BTF_KIND_ARRAY)
		return error_set(err, ENOEXEC, "values is no array");
	array = btf_tail(btf_type(btf, id));
	if (!pointee(btf, array->type, &id) || !btf_resolve(btf, id, &id))
		return error_set(err, ENOEXEC, "values is no array of pointers");
	d->has_values = true;
	d->values_offset = member->offset / 8;
	if (btf_kind(btf_type(btf, id)) == BTF_KIND_FUNC_PROTO)
		return 0;
	if (btf_kind(btf_type(btf, id)) != BTF_KIND_STRUCT)
		return error_set(err, ENOEXEC, "values are neither maps nor programs");
	d->holds_maps = true;
	inner.map = calloc(1, sizeof(*inner.map));
	if (!inner.map)
		return error_errno(err, ENOMEM, "keep the inner map");
	d->map->inner = inner.map;
	snprintf(name, sizeof(name), "%s_inner", d->map->name);
	inner.map->name = strdup(name);
	inner.map->section = strdup(d->map->section);
	if (!inner.map->name || !inner.map->section)
		return error_errno(err, ENOMEM, "keep the inner map");
	return read_struct(&inner, id, err) < 0 ? error_prefix(err, "inner map") : 0;
}

static int read_member(struct definition *d, const struct btf_member *member, struct error *err)
{
	const char *name = name_of(d, member->name_off);
	struct object_map *map = d->map;
	uint64_t number;
	size_t i;

	if (strcmp(name, "key") == 0)
		return set_type(d, name, member->type, &map->key_type_id, &map->key_size, err);
	if (strcmp(name, "value") == 0)
		return set_type(d, name, member->type, &map->value_type_id, &map->value_size, err);
	if (strcmp(name, "values") == 0)
		return set_values(d, member, err);
	for (i = 0; i < NUMBER_FIELDS && strcmp(name, number_fields[i].name) != 0; i++)
		;
	if (i == NUMBER_FIELDS && strcmp(name, "pinning") != 0 && strcmp(name, "map_extra") != 0)
		return error_set(err, ENOEXEC, "unknown field %.80s", name);
	if (!read_number(btf_of(d), member->type, &number))
		return error_set(err, ENOEXEC, "%s is no number: define it by __uint", name);
	if (i < NUMBER_FIELDS)
		return set_number(d, &number_fields[i], number, err);
	if (strcmp(name, "pinning") == 0)
		return set_pinning(d, number, err);
	map->map_extra = number;
	return 0;
}

/* Types may be given to these maps for the reader's sake; the kernel wants no size. */
static bool has_no_value(uint32_t type)
{
	return type == BPF_MAP_TYPE_RINGBUF || type == BPF_MAP_TYPE_USER_RINGBUF ||
	       type == BPF_MAP_TYPE_ARENA || type == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

/* What no member can tell alone. */
static int check_whole(struct definition *d, struct error *err)
{
	struct object_map *map = d->map;
	bool of_maps =
		map->type == BPF_MAP_TYPE_ARRAY_OF_MAPS || map->type == BPF_MAP_TYPE_HASH_OF_MAPS;

	if (!map->type)
		return error_set(err, ENOEXEC, "no type is given");
	if (map->key_type_id && d->has_key_size)
		return error_set(err, ENOEXEC, "key and key_size are both given");
	if (map->value_type_id && d->has_value_size)
		return error_set(err, ENOEXEC, "value and value_size are both given");
	if (d->is_inner && of_maps)
		return error_set(err, ENOEXEC, "it is a map of maps itself");
	if (map->value_type_id && has_no_value(map->type))
		map->value_size = 0;
	if (!d->has_values)
		return 0;
	if (!(d->holds_maps ? of_maps : map->type == BPF_MAP_TYPE_PROG_ARRAY))
		return error_set(err, ENOEXEC,
			"values are %s, which this type of map does not hold",
			d->holds_maps ? "maps" : "programs");
	if (map->value_size && map->value_size != SLOT_SIZE)
		return error_set(
			err, ENOEXEC, "value_size is %u, where values need 4", map->value_size);
	map->value_size = SLOT_SIZE;
	return 0;
}

static int read_struct(struct definition *d, uint32_t id, struct error *err)
{
	const struct btf_member *member, *earlier;
	const struct btf_type *type;
	uint32_t i;

	if (!btf_resolve(btf_of(d), id, &id) ||
		btf_kind(btf_type(btf_of(d), id)) != BTF_KIND_STRUCT)
		return error_set(err, ENOEXEC, "its definition is no struct");
	type = btf_type(btf_of(d), id);
	member = btf_tail(type);
	for (i = 0; i < btf_vlen(type); i++, member++) {
		if (d->has_values)
			return error_set(err, ENOEXEC, "values is not the last field");
		for (earlier = btf_tail(type); earlier < member; earlier++) {
			if (strcmp(name_of(d, earlier->name_off), name_of(d, member->name_off)) ==
				0)
				return error_set(err, ENOEXEC, "%.80s is given twice",
					name_of(d, member->name_off));
		}
		if (read_member(d, member, err) < 0)
			return -1;
	}
	return check_whole(d, err);
}

/* The symbols of the section by name: BTF knows names, only symbols know places. */
struct names {
	struct pool pool;
	const struct elf_symbol **symbols; /* by number */
	uint32_t count;
};

static int collect_names(
	struct object_build *b, uint32_t section, struct names *names, struct error *err)
{
	const struct elf_symbol *symbol;
	uint32_t i, number;

	names->symbols = calloc(b->elf.symbol_count + 1U, sizeof(*names->symbols));
	if (!names->symbols)
		return error_errno(err, ENOMEM, "read %u symbols", b->elf.symbol_count);
	for (i = 1; i < b->elf.symbol_count; i++) {
		symbol = &b->elf.symbols[i];
		if (symbol->section != section || !symbol->name[0] || symbol->type == STT_SECTION)
			continue;
		if (pool_add(&names->pool, symbol->name, &number, err) < 0)
			return -1;
		if (number < names->count)
			return error_set(err, ENOEXEC, "duplicate map \"%.80s\"", symbol->name);
		names->symbols[names->count++] = symbol;
	}
	return 0;
}

static int read_variable(struct object_build *b, uint32_t section, const struct btf_type *var,
	const struct names *names, struct error *err)
{
	const char *name = btf_string(b->object->btf, var->name_off);
	uint32_t linkage = *(const uint32_t *)btf_tail(var);
	struct definition d = {.b = b};
	uint32_t number;

	if (linkage == BTF_LINKAGE_STATIC)
		return error_set(err, ENOEXEC,
			"map \"%.80s\" is static: drop the static, a program refers to a map by "
			"its symbol",
			name);
	if (strnlen(name, ELF_NAME_LIMIT + 1) > ELF_NAME_LIMIT ||
		!pool_find(&names->pool, name, &number))
		return error_set(err, ENOEXEC, "map \"%.80s\" has no symbol", name);
	d.map = object_new_map(b, name, b->elf.sections[section].name, err);
	if (!d.map || object_add_place(b, section, names->symbols[number]->value, err) < 0)
		return -1;
	if (read_struct(&d, var->size, err) < 0)
		return error_prefix(err, "map \"%.80s\"", name);
	b->places[b->place_count - 1].has_values = d.has_values;
	b->places[b->place_count - 1].values_offset = d.values_offset;
	return 0;
}

static int read_variables(
	struct object_build *b, uint32_t section, const struct names *names, struct error *err)
{
	struct btf *btf = b->object->btf;
	const struct btf_var_secinfo *info;
	const struct btf_type *var, *datasec;
	uint32_t id = btf ? btf_find(btf, ".maps", BTF_MASK(BTF_KIND_DATASEC), 0) : 0;
	uint32_t i;

	if (!id)
		return error_set(err, ENOEXEC,
			"no BTF describes the maps: compile with -g, and do not strip .BTF");
	datasec = btf_type(btf, id);
	info = btf_tail(datasec);
	for (i = 0; i < btf_vlen(datasec); i++) {
		var = btf_type(btf, info[i].type);
		if (btf_kind(var) != BTF_KIND_VAR)
			return error_set(err, ENOEXEC, "a function among the maps");
		if (read_variable(b, section, var, names, err) < 0)
			return -1;
	}
	return 0;
}

/* Members have types, not values; only `values` does, by relocations. */
static int check_zero(const struct elf_section *section, struct error *err)
{
	uint64_t i;

	for (i = 0; section->data && i < section->size; i++) {
		if (section->data[i])
			return error_set(err, ENOEXEC,
				"a value other than zero at byte %" PRIu64
				": maps are defined by types, see __uint and __type",
				i);
	}
	return 0;
}

int object_read_btf_maps(struct object_build *b, uint32_t section, struct error *err)
{
	struct names names = {.count = 0};
	int ret = check_zero(&b->elf.sections[section], err);

	if (ret == 0)
		ret = collect_names(b, section, &names, err);
	if (ret == 0)
		ret = read_variables(b, section, &names, err);
	pool_free(&names.pool);
	free(names.symbols);
	return ret;
}
