/* SPDX-License-Identifier: MIT */
/* Access strings: what they mean in the types of the object. */
#include <errno.h>
#include <string.h>

#include "core_relo_parts.h"

/* Digits that are enough for any index. */
enum { NUMBER_DIGITS = 10 };

enum { BYTE = 8 };

bool core_same_name(const char *a, const char *b)
{
	return strncmp(a, b, BTF_NAME_LIMIT) == 0;
}

bool core_same_essence(const char *a, const char *b)
{
	size_t length = btf_essential_length(a);

	return length == btf_essential_length(b) && memcmp(a, b, length) == 0;
}

bool core_move(struct core_place *place, uint32_t type, uint32_t elements)
{
	uint64_t bytes;
	uint32_t size;

	if (!btf_size(place->btf, type, &size))
		return false;
	bytes = (uint64_t)elements * size;
	if (bytes > UINT32_MAX || place->bits + bytes * BYTE > (uint64_t)UINT32_MAX * BYTE)
		return false;
	place->bits += bytes * BYTE;
	return true;
}

const struct btf_array *core_array(const struct core_place *place, uint32_t index)
{
	const struct btf_array *array;
	uint32_t id;

	if (!btf_resolve(place->btf, place->type, &id) ||
		btf_kind(btf_type(place->btf, id)) != BTF_KIND_ARRAY)
		return NULL;
	array = btf_tail(btf_type(place->btf, id));
	if (index < array->nelems)
		return array;
	if (array->nelems || !place->owner)
		return NULL;
	return place->index + 1 == btf_vlen(btf_type(place->btf, place->owner)) ? array : NULL;
}

/* Reads "0:1:2". */
static bool parse_numbers(const char *text, uint32_t *numbers, uint32_t *count)
{
	uint64_t number;
	int digits;

	for (*count = 0; *count < CORE_STEPS; text++) {
		number = 0;
		for (digits = 0; *text >= '0' && *text <= '9'; text++) {
			if (++digits > NUMBER_DIGITS)
				return false;
			number = number * 10 + (uint64_t)(*text - '0');
		}
		if (!digits || number > UINT32_MAX)
			return false;
		numbers[(*count)++] = (uint32_t)number;
		if (*text != ':')
			return !*text;
	}
	return false;
}

static int wrong_access(const char *access, const char *why, struct error *err)
{
	return error_set(err, ENOEXEC, "its access string \"%.80s\" %s", access, why);
}

static void add_step(struct core_path *path, const char *name, uint32_t index)
{
	path->steps[path->count++] = (struct core_step){name, index, path->place.type};
}

static bool enter_member(struct core_path *path, uint32_t composite, uint32_t index)
{
	struct core_place *place = &path->place;
	const struct btf_type *type = btf_type(place->btf, composite);
	const struct btf_member *member;
	uint32_t count, offset, bits;
	const char *name;

	member = btf_members(type, &count);
	if (index >= count)
		return false;
	member += index;
	btf_member_place(place->btf, type, member, &offset, &bits);
	place->bits += offset;
	place->owner = composite;
	place->index = index;
	place->type = member->type;
	name = btf_string(place->btf, member->name_off);
	if (*name)
		add_step(path, name, 0);
	return true;
}

static bool enter_element(struct core_path *path, uint32_t index)
{
	const struct btf_array *array = core_array(&path->place, index);

	if (!array || !core_move(&path->place, array->type, index))
		return false;
	path->place.type = array->type;
	path->place.owner = 0;
	add_step(path, NULL, index);
	return true;
}

static bool follow(struct core_path *path, const uint32_t *numbers, uint32_t count)
{
	struct core_place *place = &path->place;
	const struct btf_type *type;
	uint32_t i, id;

	if (!core_move(place, place->root, numbers[0]))
		return false;
	add_step(path, NULL, numbers[0]);
	for (i = 1; i < count; i++) {
		if (!btf_resolve(place->btf, place->type, &id))
			return false;
		type = btf_type(place->btf, id);
		if (btf_kind(type) == BTF_KIND_ARRAY ? !enter_element(path, numbers[i])
						     : !enter_member(path, id, numbers[i]))
			return false;
	}
	return true;
}

static bool choose_enumerator(struct core_path *path, uint32_t index)
{
	struct core_place *place = &path->place;
	const struct btf_type *type;
	uint32_t id;

	if (!btf_resolve(place->btf, place->root, &id))
		return false;
	type = btf_type(place->btf, id);
	if (!core_is_enum(type) || index >= btf_vlen(type))
		return false;
	place->owner = id;
	place->index = index;
	add_step(path, btf_enum_name(place->btf, type, index), 0);
	return true;
}

int core_path_parse(struct core_path *path, const struct insn_relo *relo, struct error *err)
{
	const char *access = btf_string(relo->types, relo->access);
	uint32_t numbers[CORE_STEPS], count;

	path->kind = relo->kind;
	path->count = 0;
	path->place =
		(struct core_place){.btf = relo->types, .root = relo->type, .type = relo->type};
	if (!relo->type || relo->type >= relo->types->type_count)
		return error_set(err, ENOEXEC, "there is no BTF type %u", relo->type);
	if (!parse_numbers(access, numbers, &count))
		return wrong_access(access, "is not up to 64 numbers with colons between", err);
	if (core_is_about_type(relo->kind)) {
		if (count != 1 || numbers[0])
			return wrong_access(access, "is not \"0\", but it is about a type", err);
	} else if (core_is_about_enum(relo->kind)) {
		if (count != 1 || !choose_enumerator(path, numbers[0]))
			return wrong_access(access, "names no value of an enum", err);
	} else if (!follow(path, numbers, count)) {
		return wrong_access(access, "does not fit the type", err);
	}
	return 0;
}

void core_path_append_type(const struct core_path *path, struct error *err)
{
	const struct btf_type *type = btf_type(path->place.btf, path->place.root);
	const char *name = btf_name(path->place.btf, type);
	const char *kind =
		btf_kind(type) == BTF_KIND_ENUM64 ? "enum" : btf_kind_name(btf_kind(type));

	error_append(err, "%s %.*s", kind, (int)btf_essential_length(name), name);
}

void core_path_append_steps(const struct core_path *path, struct error *err)
{
	const char *name;
	uint32_t i;

	for (i = core_is_about_enum(path->kind) ? 0 : 1; i < path->count; i++) {
		name = path->steps[i].name;
		if (!name)
			error_append(err, "[%u]", path->steps[i].index);
		else if (core_is_about_enum(path->kind))
			error_append(err, "%.*s", (int)btf_essential_length(name), name);
		else
			error_append(err, "%s%.80s", i > 1 ? "." : "", name);
	}
}
