/* SPDX-License-Identifier: MIT */
/* Going a path in the kernel's types. */
#include <errno.h>

#include "core_relo_parts.h"

int core_spend(struct core_fuel *fuel, struct error *err)
{
	if (!fuel->left)
		return error_set(err, ENOEXEC, "the types are too many to compare");
	fuel->left--;
	return 0;
}

struct search {
	struct core_fuel *fuel;
	const struct btf *local;
	const struct core_step *step;
	struct core_place *place;
	struct error *err;
};

/* Finds a member by name in a struct or union, and in what it contains without a name. */
static int find_member(const struct search *s, uint32_t id, uint32_t depth)
{
	struct core_place *place = s->place;
	const struct btf_member *member;
	const struct btf_type *type;
	uint32_t i, count, offset, bits;
	uint64_t start = place->bits;
	const char *name;
	int ret;

	if (depth == BTF_DEPTH_MAX || !btf_resolve(place->btf, id, &id))
		return 0;
	type = btf_type(place->btf, id);
	member = btf_members(type, &count);
	for (i = 0; i < count; i++, member++) {
		if (core_spend(s->fuel, s->err) < 0)
			return -1;
		btf_member_place(place->btf, type, member, &offset, &bits);
		place->bits = start + offset;
		name = btf_string(place->btf, member->name_off);
		if (!*name) {
			ret = find_member(s, member->type, depth + 1);
			if (ret)
				return ret;
		} else if (core_same_name(name, s->step->name)) {
			place->owner = id;
			place->index = i;
			place->type = member->type;
			return core_fields_compatible(
				s->local, s->step->type, place->btf, member->type);
		}
	}
	return 0;
}

static int find_enumerator(
	struct core_fuel *fuel, const char *wanted, struct core_place *place, struct error *err)
{
	const struct btf_type *type;
	uint32_t i;

	if (!btf_resolve(place->btf, place->root, &place->owner))
		return 0;
	type = btf_type(place->btf, place->owner);
	if (!core_is_enum(type))
		return 0;
	for (i = 0; i < btf_vlen(type); i++) {
		if (core_spend(fuel, err) < 0)
			return -1;
		if (core_same_essence(btf_enum_name(place->btf, type, i), wanted)) {
			place->index = i;
			return 1;
		}
	}
	return 0;
}

static int find_field(struct core_fuel *fuel, const struct core_path *path,
	struct core_place *place, struct error *err)
{
	struct search s = {.fuel = fuel, .local = path->place.btf, .place = place, .err = err};
	const struct btf_array *array;
	uint32_t i;
	int ret;

	if (!core_move(place, place->root, path->steps[0].index))
		return 0;
	for (i = 1; i < path->count; i++) {
		s.step = &path->steps[i];
		if (s.step->name) {
			ret = find_member(&s, place->type, 0);
			if (ret <= 0)
				return ret;
			continue;
		}
		array = core_array(place, s.step->index);
		if (!array || !core_move(place, array->type, s.step->index))
			return 0;
		place->type = array->type;
		place->owner = 0;
	}
	return 1;
}

int core_match(struct core_fuel *fuel, const struct core_path *path, struct btf *btf, uint32_t root,
	struct core_place *place, struct error *err)
{
	const struct core_place *local = &path->place;

	*place = (struct core_place){.btf = btf, .root = root, .type = root};
	if (core_spend(fuel, err) < 0)
		return -1;
	if (path->kind == CORE_TYPE_MATCHES)
		return core_types_match(fuel, local->btf, local->root, btf, root, err);
	if (core_is_about_type(path->kind))
		return core_types_compatible(fuel, local->btf, local->root, btf, root, err);
	if (core_is_about_enum(path->kind))
		return find_enumerator(fuel, path->steps[0].name, place, err);
	return find_field(fuel, path, place, err);
}
