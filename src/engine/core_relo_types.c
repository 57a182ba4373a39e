/* SPDX-License-Identifier: MIT */
/*
 * When a type of the object and one of the kernel are alike. There are three ways to see it, all
 * of them libbpf's: fields, types that are asked for by name, and types that have to look alike.
 */
#include "core_relo_parts.h"

/* Of functions inside of functions, or structs inside of structs; deeper ones are not alike. */
enum { NESTING = 32 };

struct pair {
	struct core_fuel *fuel;
	const struct btf *local;
	const struct btf *target;
	struct error *err;
};

/* Two types, without typedefs and qualifiers. */
struct types {
	const struct btf_type *local;
	const struct btf_type *target;
};

static bool resolve(const struct btf *local, uint32_t local_id, const struct btf *target,
	uint32_t target_id, struct types *types)
{
	if (!btf_resolve(local, local_id, &local_id) || !btf_resolve(target, target_id, &target_id))
		return false;
	types->local = btf_type(local, local_id);
	types->target = btf_type(target, target_id);
	return true;
}

static bool same_kind(const struct types *types)
{
	return btf_kind(types->local) == btf_kind(types->target) ||
	       (core_is_enum(types->local) && core_is_enum(types->target));
}

static bool is_composite(const struct btf_type *type)
{
	return btf_kind(type) == BTF_KIND_STRUCT || btf_kind(type) == BTF_KIND_UNION;
}

/* Old compilers made bitfields of integers that begin inside of a byte. */
static bool is_part(const struct btf_type *integer)
{
	return *(const uint32_t *)btf_tail(integer) >> 16 & 0xff;
}

/* What an array is made of, a pointer leads to, or a function returns. */
static uint32_t next(const struct btf_type *type)
{
	return btf_kind(type) == BTF_KIND_ARRAY ? ((const struct btf_array *)btf_tail(type))->type
						: type->size;
}

static uint32_t length(const struct btf_type *array)
{
	return ((const struct btf_array *)btf_tail(array))->nelems;
}

/* One without a name is like any. */
static bool names_allow(const char *a, const char *b)
{
	return !*a || !*b || core_same_essence(a, b);
}

bool core_fields_compatible(
	const struct btf *local, uint32_t local_id, const struct btf *target, uint32_t target_id)
{
	struct types types;
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (!resolve(local, local_id, target, target_id, &types))
			return false;
		if (is_composite(types.local) && is_composite(types.target))
			return true;
		if (!same_kind(&types))
			return false;
		switch (btf_kind(types.local)) {
		case BTF_KIND_PTR:
		case BTF_KIND_FLOAT:
			return true;
		case BTF_KIND_FWD:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
			return names_allow(
				btf_name(local, types.local), btf_name(target, types.target));
		case BTF_KIND_INT:
			return !is_part(types.local) && !is_part(types.target);
		case BTF_KIND_ARRAY:
			local_id = next(types.local);
			target_id = next(types.target);
			break;
		default:
			return false;
		}
	}
	return false;
}

typedef int (*comparison)(
	const struct pair *pair, uint32_t local_id, uint32_t target_id, int flags, int level);

/* Compares the parameters of functions. */
static int compare_parameters(const struct pair *pair, const struct types *types,
	comparison compare, int flags, int level)
{
	const uint32_t *local = btf_tail(types->local), *target = btf_tail(types->target);
	uint32_t i;
	int ret = 1;

	if (btf_vlen(types->local) != btf_vlen(types->target) || !level)
		return 0;
	/* Of each parameter there are its name and its type. */
	for (i = 0; ret > 0 && i < btf_vlen(types->local); i++)
		ret = compare(pair, local[2 * i + 1], target[2 * i + 1], flags, level - 1);
	return ret;
}

static int compatible(
	const struct pair *pair, uint32_t local_id, uint32_t target_id, int flags, int level)
{
	struct types types;
	int depth, ret;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (core_spend(pair->fuel, pair->err) < 0)
			return -1;
		if (!resolve(pair->local, local_id, pair->target, target_id, &types) ||
			!same_kind(&types))
			return 0;
		switch (btf_kind(types.local)) {
		case BTF_KIND_UNKN:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FWD:
			return 1;
		case BTF_KIND_INT:
			return !is_part(types.local) && !is_part(types.target);
		case BTF_KIND_ARRAY:
		case BTF_KIND_PTR:
			break;
		case BTF_KIND_FUNC_PROTO:
			ret = compare_parameters(pair, &types, compatible, flags, level);
			if (ret <= 0)
				return ret;
			break;
		default:
			return 0;
		}
		local_id = next(types.local);
		target_id = next(types.target);
	}
	return 0;
}

int core_types_compatible(struct core_fuel *fuel, const struct btf *local, uint32_t local_id,
	const struct btf *target, uint32_t target_id, struct error *err)
{
	struct pair pair = {fuel, local, target, err};

	/* Names have been compared; kinds without typedefs taken away are to be the same, too. */
	if (btf_kind(btf_type(local, local_id)) != btf_kind(btf_type(target, target_id)) &&
		!(core_is_enum(btf_type(local, local_id)) &&
			core_is_enum(btf_type(target, target_id))))
		return 0;
	return compatible(&pair, local_id, target_id, 0, NESTING);
}

/* The flag of matches(): a pointer has been followed, so that structs need only be so called. */
enum { BEHIND_POINTER = 1 };

static int matches(
	const struct pair *pair, uint32_t local_id, uint32_t target_id, int flags, int level);

/* Each enumerator must be there, of whatever value. */
static int enums_match(const struct pair *pair, const struct types *types)
{
	uint32_t i, j;

	if (types->local->size != types->target->size ||
		btf_vlen(types->local) > btf_vlen(types->target))
		return 0;
	for (i = 0; i < btf_vlen(types->local); i++) {
		for (j = 0; j < btf_vlen(types->target); j++) {
			if (core_spend(pair->fuel, pair->err) < 0)
				return -1;
			if (core_same_essence(btf_enum_name(pair->local, types->local, i),
				    btf_enum_name(pair->target, types->target, j)))
				break;
		}
		if (j == btf_vlen(types->target))
			return 0;
	}
	return 1;
}

/* Whether one of the members of the target is the local one. */
static int member_matches(const struct pair *pair, const struct btf_member *local,
	const struct btf_type *target, int level)
{
	const char *name = btf_string(pair->local, local->name_off);
	const struct btf_member *other;
	uint32_t i, count;
	int ret;

	other = btf_members(target, &count);
	for (i = 0; i < count; i++, other++) {
		if (core_spend(pair->fuel, pair->err) < 0)
			return -1;
		if (!core_same_essence(name, btf_string(pair->target, other->name_off)))
			continue;
		ret = matches(pair, local->type, other->type, 0, level);
		if (ret)
			return ret;
	}
	return 0;
}

static int composites_match(const struct pair *pair, const struct types *types, int level)
{
	const struct btf_member *member;
	uint32_t i, count;
	int ret = 1;

	member = btf_members(types->local, &count);
	if (count > btf_vlen(types->target) || !level)
		return 0;
	for (i = 0; ret > 0 && i < count; i++)
		ret = member_matches(pair, member + i, types->target, level - 1);
	return ret;
}

/* A forward declaration and what it declares, or the other way round. */
static bool announces(const struct btf_type *fwd, const struct btf_type *type)
{
	return btf_kind(type) == (btf_flag(fwd) ? BTF_KIND_UNION : BTF_KIND_STRUCT);
}

static int structs_match(
	const struct pair *pair, const struct types *types, bool behind_pointer, int level)
{
	bool same = btf_kind(types->local) == btf_kind(types->target);

	if (!behind_pointer)
		return same ? composites_match(pair, types, level) : 0;
	return same ||
	       (btf_kind(types->target) == BTF_KIND_FWD && announces(types->target, types->local));
}

static bool fwds_match(const struct types *types, bool behind_pointer)
{
	if (btf_kind(types->target) == BTF_KIND_FWD)
		return btf_flag(types->local) == btf_flag(types->target);
	return behind_pointer && announces(types->local, types->target);
}

static bool ints_match(const struct types *types)
{
	uint32_t differ = btf_int_encoding(types->local) ^ btf_int_encoding(types->target);

	return types->local->size == types->target->size && !(differ & BTF_INT_SIGNED);
}

/* What is left to compare of types of one kind that contain others; 2: what they lead to. */
static int contents_match(const struct pair *pair, const struct types *types, int flags, int level)
{
	uint32_t kind = btf_kind(types->local);
	int ret;

	if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION)
		return structs_match(pair, types, flags & BEHIND_POINTER, level);
	if (kind == BTF_KIND_FWD)
		return fwds_match(types, flags & BEHIND_POINTER);
	if (core_is_enum(types->local))
		return core_is_enum(types->target) ? enums_match(pair, types) : 0;
	if (kind != btf_kind(types->target))
		return 0;
	switch (kind) {
	case BTF_KIND_UNKN:
		return 1;
	case BTF_KIND_INT:
		return ints_match(types);
	case BTF_KIND_PTR:
		return 2;
	case BTF_KIND_ARRAY:
		return length(types->local) == length(types->target) ? 2 : 0;
	case BTF_KIND_FUNC_PROTO:
		ret = compare_parameters(pair, types, matches, flags, level);
		return ret > 0 ? 2 : ret;
	default:
		return 0;
	}
}

static int matches(
	const struct pair *pair, uint32_t local_id, uint32_t target_id, int flags, int level)
{
	struct types types;
	int depth, ret;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (core_spend(pair->fuel, pair->err) < 0)
			return -1;
		if (!resolve(pair->local, local_id, pair->target, target_id, &types) ||
			!core_same_essence(btf_name(pair->local, types.local),
				btf_name(pair->target, types.target)))
			return 0;
		ret = contents_match(pair, &types, flags, level);
		if (ret <= 1)
			return ret;
		if (btf_kind(types.local) == BTF_KIND_PTR)
			flags |= BEHIND_POINTER;
		local_id = next(types.local);
		target_id = next(types.target);
	}
	return 0;
}

int core_types_match(struct core_fuel *fuel, const struct btf *local, uint32_t local_id,
	const struct btf *target, uint32_t target_id, struct error *err)
{
	struct pair pair = {fuel, local, target, err};

	return matches(&pair, local_id, target_id, 0, NESTING);
}
