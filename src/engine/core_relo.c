/* SPDX-License-Identifier: MIT */
/* Choosing among candidates, and telling what was missing. */
#include "core_relo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_relo_parts.h"

static const char *const kind_names[CORE_KINDS] = {
	[CORE_BYTE_OFF] = "byte_off",
	[CORE_BYTE_SZ] = "byte_sz",
	[CORE_FIELD_EXISTS] = "field_exists",
	[CORE_SIGNED] = "signed",
	[CORE_LSHIFT_U64] = "lshift_u64",
	[CORE_RSHIFT_U64] = "rshift_u64",
	[CORE_LOCAL_TYPE_ID] = "local_type_id",
	[CORE_TARGET_TYPE_ID] = "target_type_id",
	[CORE_TYPE_EXISTS] = "type_exists",
	[CORE_TYPE_SIZE] = "type_size",
	[CORE_ENUMVAL_EXISTS] = "enumval_exists",
	[CORE_ENUMVAL_VALUE] = "enumval_value",
	[CORE_TYPE_MATCHES] = "type_matches",
};

const char *core_kind_name(uint32_t kind)
{
	return kind < CORE_KINDS ? kind_names[kind] : NULL;
}

bool core_relo_needs_target(const struct insns *list)
{
	uint32_t i;

	for (i = 0; i < list->relo_count; i++) {
		if (list->relos[i].state == INSN_RELO_OPEN &&
			list->relos[i].kind != CORE_LOCAL_TYPE_ID)
			return true;
	}
	return false;
}

/* The relocations that ask about one type. */
struct group {
	struct insn_relo **relos;
	uint32_t count;
	struct core_value *values; /* of the candidate being looked at */
	struct core_value *best; /* of the best one so far; as many follow behind `values` */
	uint32_t missing; /* how much that one lacks */
	uint32_t candidates;
};

struct session {
	struct insns *list;
	struct core_target *target;
	struct core_fuel fuel;
	struct core_path path; /* too large for the stack to have one in each function */
};

static int in_relo(const struct insn_relo *relo, struct error *err)
{
	const char *kind = core_kind_name(relo->kind);
	const char *name = btf_name(relo->types, btf_type(relo->types, relo->type));

	return error_prefix(err, "CO-RE relocation %s of instruction %u, type \"%.80s\"",
		kind ? kind : "of an unknown kind", relo->index, name);
}

/* What one relocation gets from one candidate. */
static int evaluate(struct session *s, const struct insn_relo *relo, struct core_value *value,
	struct btf *btf, uint32_t id, struct error *err)
{
	struct core_place place;
	int ret;

	if (core_path_parse(&s->path, relo, err) < 0)
		return -1;
	ret = core_match(&s->fuel, &s->path, btf, id, &place, err);
	if (ret <= 0) {
		core_value_missing(value, relo->kind, INSN_RELO_NO_FIELD);
		return ret;
	}
	if (core_value_at(value, relo->kind, &place, err) < 0)
		return -1;
	if (relo->kind == CORE_BYTE_OFF && !core_can_resize(&s->path.place, &place) &&
		value->state == INSN_RELO_DONE)
		value->state = INSN_RELO_OTHER_SIZE;
	return 0;
}

static bool same_value(const struct core_value *a, const struct core_value *b)
{
	return a->state == b->state && a->value == b->value && a->size == b->size;
}

/* Looks at a candidate, which becomes the best one when it lacks less than that. */
static int consider(
	struct session *s, struct group *g, struct btf *btf, uint32_t id, struct error *err)
{
	struct core_value *values;
	uint32_t i, missing = 0;

	for (i = 0; i < g->count; i++) {
		if (evaluate(s, g->relos[i], &g->values[i], btf, id, err) < 0)
			return in_relo(g->relos[i], err);
		missing += !g->values[i].found;
	}
	if (g->candidates++ && missing > g->missing)
		return 0;
	for (i = 0; g->candidates > 1 && missing == g->missing && i < g->count; i++) {
		if (same_value(&g->values[i], &g->best[i]))
			continue;
		error_set(err, ENOTUNIQ,
			"the kernel has several types of that name, which differ in what is asked");
		return in_relo(g->relos[i], err);
	}
	values = g->best;
	g->best = g->values;
	g->values = values;
	g->missing = missing;
	return 0;
}

static int consider_all(struct session *s, struct group *g, struct btf *btf, const char *name,
	uint32_t kinds, uint32_t after, struct error *err)
{
	uint32_t id = after;

	while ((id = btf_find_essential(btf, name, kinds, id))) {
		if (consider(s, g, btf, id, err) < 0)
			return -1;
	}
	return 0;
}

static int find_candidates(struct session *s, struct group *g, struct error *err)
{
	const struct insn_relo *relo = g->relos[0];
	const struct btf_type *type = btf_type(relo->types, relo->type);
	const char *name = btf_name(relo->types, type);
	uint32_t kinds = BTF_MASK(btf_kind(type)), i;

	if (core_is_enum(type))
		kinds = BTF_MASK(BTF_KIND_ENUM) | BTF_MASK(BTF_KIND_ENUM64);
	if (!*name) {
		error_set(err, ENOEXEC, "what has no name cannot be looked for");
		return in_relo(relo, err);
	}
	if (consider_all(s, g, s->target->kernel, name, kinds, 0, err) < 0)
		return -1;
	if (g->candidates)
		return 0;
	if (core_target_read_modules(s->target, err) < 0)
		return -1;
	for (i = 0; i < s->target->module_count; i++) {
		struct btf *module = s->target->modules[i].btf;

		if (consider_all(s, g, module, name, kinds, module->first_id - 1, err) < 0)
			return -1;
	}
	return 0;
}

/* Finds what the object itself has in the place, and patches the instruction. */
static int apply(struct session *s, struct insn_relo *relo, const struct core_value *target,
	struct error *err)
{
	struct core_value local;

	if (core_path_parse(&s->path, relo, err) < 0 ||
		core_value_at(&local, relo->kind, &s->path.place, err) < 0 ||
		core_patch(s->list, relo, &local, target ? target : &local, err) < 0)
		return in_relo(relo, err);
	return 0;
}

static int apply_group(struct session *s, struct group *g, struct error *err)
{
	uint32_t i;

	if (find_candidates(s, g, err) < 0)
		return -1;
	for (i = 0; i < g->count; i++) {
		if (!g->candidates)
			core_value_missing(&g->best[i], g->relos[i]->kind, INSN_RELO_NO_TYPE);
		if (apply(s, g->relos[i], &g->best[i], err) < 0)
			return -1;
	}
	return 0;
}

static int compare_relos(const void *a, const void *b)
{
	const struct insn_relo *x = *(struct insn_relo *const *)a;
	const struct insn_relo *y = *(struct insn_relo *const *)b;

	if (x->types != y->types)
		return (uintptr_t)x->types < (uintptr_t)y->types ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x > y) - (x < y);
}

static int apply_groups(struct session *s, struct insn_relo **relos, uint32_t count,
	struct core_value *values, struct error *err)
{
	struct group g = {.relos = relos};
	uint32_t i;

	qsort(relos, count, sizeof(*relos), compare_relos);
	for (i = 0; i < count; i += g.count) {
		g = (struct group){
			.relos = relos + i, .values = values, .best = values + count, .count = 1};
		while (i + g.count < count && relos[i]->types == relos[i + g.count]->types &&
			relos[i]->type == relos[i + g.count]->type)
			g.count++;
		if (apply_group(s, &g, err) < 0)
			return -1;
	}
	return 0;
}

/* Applies what needs no target, and collects the others. */
static int sort_out(struct session *s, struct insn_relo **relos, uint32_t *count, struct error *err)
{
	struct insn_relo *relo = s->list->relos, *end = relo + s->list->relo_count;

	for (; relo < end; relo++) {
		if (relo->state != INSN_RELO_OPEN)
			continue;
		if (!relo->types)
			return error_set(err, EINVAL,
				"CO-RE relocation of instruction %u: its types are not known: "
				"parse the text with the option types",
				relo->index);
		if (!core_kind_name(relo->kind)) {
			error_set(err, ENOEXEC, "its number is %u", relo->kind);
			return in_relo(relo, err);
		}
		if (relo->kind != CORE_LOCAL_TYPE_ID)
			relos[(*count)++] = relo;
		else if (apply(s, relo, NULL, err) < 0)
			return -1;
	}
	return 0;
}

int core_relo_apply(struct insns *list, struct core_target *target, struct error *err)
{
	struct session s = {.list = list, .target = target, .fuel = {CORE_FUEL}};
	struct insn_relo **relos;
	struct core_value *values;
	uint32_t count = 0;
	int ret;

	if (!list->relo_count)
		return 0;
	relos = calloc(list->relo_count, sizeof(*relos));
	values = calloc(list->relo_count, 2 * sizeof(*values));
	if (relos && values) {
		ret = sort_out(&s, relos, &count, err);
		if (ret == 0 && count)
			ret = apply_groups(&s, relos, count, values, err);
	} else {
		ret = error_errno(err, ENOMEM, "apply %u CO-RE relocations", list->relo_count);
	}
	free(values);
	free(relos);
	return ret;
}

/* The instruction that the verifier could not call, by the last words of its log. */
static bool find_poisoned(const char *log, uint32_t *index)
{
	static const char call[] = ": (85) call unknown#195896080";
	const char *found = NULL, *next = log;

	if (!strstr(log, "invalid func unknown#195896080"))
		return false;
	while ((next = strstr(next, call)))
		found = next++;
	if (!found)
		return false;
	while (found > log && found[-1] >= '0' && found[-1] <= '9')
		found--;
	*index = (uint32_t)strtoul(found, NULL, 10);
	return true;
}

static void append_reason(const struct core_path *path, uint32_t state, struct error *err)
{
	bool is_enum = core_is_about_enum(path->kind);

	core_path_append_type(path, err);
	switch (state) {
	case INSN_RELO_NO_FIELD:
		error_append(err, " of this kernel has no %s \"", is_enum ? "value" : "field");
		core_path_append_steps(path, err);
		error_append(err, "\" like the program's: guard it with %s",
			is_enum ? "bpf_core_enum_value_exists()" : "bpf_core_field_exists()");
		break;
	case INSN_RELO_OTHER_SIZE:
		error_append(err, " of this kernel has a field \"");
		core_path_append_steps(path, err);
		error_append(err, "\" of another size, and it is signed or no number: read it with "
				  "BPF_CORE_READ_BITFIELD_PROBED()");
		break;
	case INSN_RELO_IN_MODULE:
		error_append(err, " is a type of a module, and its id is not unique");
		break;
	default:
		error_append(err, " is not a type of this kernel: guard what needs it with "
				  "bpf_core_type_exists()");
	}
}

bool core_relo_explain(const struct insns *list, const char *log, struct error *err)
{
	struct core_path path;
	struct error ignored;
	uint32_t i, index;

	if (!list || !list->relo_count || !find_poisoned(log, &index))
		return false;
	for (i = 0; i < list->relo_count; i++) {
		const struct insn_relo *relo = &list->relos[i];

		if (relo->index != index || relo->state <= INSN_RELO_DONE)
			continue;
		if (core_path_parse(&path, relo, &ignored) < 0)
			return false;
		error_append(err, ": ");
		append_reason(&path, relo->state, err);
		error_append(err, " (CO-RE relocation %s)", core_kind_name(relo->kind));
		return true;
	}
	return false;
}
