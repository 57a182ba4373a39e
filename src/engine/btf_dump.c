/* SPDX-License-Identifier: MIT */
/*
 * The order of declarations: C wants a struct before another that contains it, a typedef before
 * its use, and a "struct name;" before a pointer to what is not defined yet.
 */
#include "btf_dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btf_dump_print.h"

enum { DEPTH_LIMIT = 1000 };

/* What is known of a type. Weak: it may be pointed to; strong: it may be contained. */
enum { WEAK = 1, STRONG = 2, BUSY = 4, WRITTEN = 8, REFERRED = 16 };

struct dump {
	struct btf *btf;
	struct btf_printer printer;
	uint8_t *states; /* by id */
	uint32_t depth;
};

static int need(struct dump *d, uint32_t id, bool strong, struct error *err);

static int need_members(struct dump *d, const struct btf_type *type, struct error *err)
{
	uint32_t count, i;
	const struct btf_member *member = btf_members(type, &count);

	for (i = 0; i < count; i++) {
		if (need(d, member[i].type, true, err) < 0)
			return -1;
	}
	return 0;
}

static int need_record(struct dump *d, uint32_t id, bool strong, struct error *err)
{
	const struct btf_type *type = btf_type(d->btf, id);

	/* Without a name it is written where it is used, whole. */
	if (!btf_name(d->btf, type)[0])
		return need_members(d, type, err);
	if (!strong) {
		btf_print_forward(&d->printer, id);
		return 0;
	}
	if (need_members(d, type, err) < 0)
		return -1;
	btf_print_definition(&d->printer, id);
	d->states[id] |= WRITTEN | WEAK;
	return 0;
}

static int need_typedef(struct dump *d, uint32_t id, bool strong, struct error *err)
{
	const struct btf_type *type = btf_type(d->btf, id);

	if (!(d->states[id] & WRITTEN)) {
		if (need(d, type->size, false, err) < 0)
			return -1;
		btf_print_typedef(&d->printer, id);
		d->states[id] |= WRITTEN;
	}
	return strong ? need(d, type->size, true, err) : 0;
}

static int need_prototype(struct dump *d, const struct btf_type *type, struct error *err)
{
	const uint32_t *param = btf_tail(type);
	uint32_t i;

	for (i = 0; i < btf_vlen(type); i++) {
		if (need(d, param[2 * i + 1], false, err) < 0)
			return -1;
	}
	return need(d, type->size, false, err);
}

static int need_kind(struct dump *d, uint32_t id, bool strong, struct error *err)
{
	const struct btf_type *type = btf_type(d->btf, id);

	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
		return need(d, type->size, false, err);
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return need(d, type->size, strong, err);
	case BTF_KIND_ARRAY:
		return need(d, ((const struct btf_array *)btf_tail(type))->type, true, err);
	case BTF_KIND_FUNC_PROTO:
		return need_prototype(d, type, err);
	case BTF_KIND_TYPEDEF:
		return need_typedef(d, id, strong, err);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return need_record(d, id, strong, err);
	case BTF_KIND_FWD:
		btf_print_forward(&d->printer, id);
		d->states[id] |= STRONG;
		return 0;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		if (btf_name(d->btf, type)[0] && !(d->states[id] & WRITTEN))
			btf_print_definition(&d->printer, id);
		d->states[id] |= WRITTEN;
		return 0;
	default:
		return 0;
	}
}

/* Sees to it that the type can be used. Each type is looked at twice at most, as weak and as
 * strong; a type that is needed as strong while that is seen to contains itself. */
static int need(struct dump *d, uint32_t id, bool strong, struct error *err)
{
	uint8_t wanted = strong ? STRONG : WEAK;
	int ret;

	/* void, or no type at all */
	if (btf_kind(btf_type(d->btf, id)) == BTF_KIND_UNKN || d->states[id] & wanted)
		return 0;
	if ((strong && d->states[id] & BUSY) || d->depth >= DEPTH_LIMIT)
		return error_set(err, ENOEXEC, "BTF type %u %s", id,
			d->depth >= DEPTH_LIMIT ? "goes too deep" : "contains itself");
	d->states[id] |= wanted == WEAK ? WEAK : BUSY;
	d->depth++;
	ret = need_kind(d, id, strong, err);
	d->depth--;
	d->states[id] |= wanted;
	d->states[id] &= (uint8_t) ~(strong ? BUSY : 0);
	return d->printer.failed ? -1 : ret;
}

static void refer(struct dump *d, uint32_t id)
{
	if (id < d->btf->type_count)
		d->states[id] |= REFERRED;
}

/* Marks what a type refers to. Enums without a name are of use also when nothing does. */
static void refer_all(struct dump *d, const struct btf_type *type)
{
	const uint32_t *word = btf_tail(type);
	uint32_t i;

	switch (btf_kind(type)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		for (i = 0; i < btf_vlen(type); i++)
			refer(d, word[3 * i + 1]);
		break;
	case BTF_KIND_FUNC_PROTO:
		for (i = 0; i < btf_vlen(type); i++)
			refer(d, word[2 * i + 1]);
		refer(d, type->size);
		break;
	case BTF_KIND_ARRAY:
		refer(d, word[0]);
		break;
	case BTF_KIND_PTR:
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
	case BTF_KIND_TYPEDEF:
		refer(d, type->size);
		break;
	default:
		break;
	}
}

static int dump_type(struct dump *d, uint32_t id, struct error *err)
{
	const struct btf_type *type = btf_type(d->btf, id);
	uint32_t kind = btf_kind(type);
	bool is_enum = kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;

	if (is_enum && btf_vlen(type) && !btf_name(d->btf, type)[0] &&
		!(d->states[id] & REFERRED)) {
		btf_print_definition(&d->printer, id);
		return d->printer.failed ? -1 : 0;
	}
	if (!btf_name(d->btf, type)[0])
		return 0;
	if (is_enum || kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION ||
		kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_FWD)
		return need(d, id, true, err);
	return 0;
}

static int dump_all(struct dump *d, struct error *err)
{
	uint32_t id;

	for (id = d->btf->first_id; id < d->btf->type_count; id++)
		refer_all(d, btf_type(d->btf, id));
	for (id = d->btf->first_id; id < d->btf->type_count; id++) {
		if (dump_type(d, id, err) < 0)
			return -1;
	}
	return 0;
}

static int dump_named(struct dump *d, const char *name, struct error *err)
{
	const uint32_t kinds = BTF_MASK(BTF_KIND_STRUCT) | BTF_MASK(BTF_KIND_UNION) |
			       BTF_MASK(BTF_KIND_ENUM) | BTF_MASK(BTF_KIND_ENUM64) |
			       BTF_MASK(BTF_KIND_TYPEDEF) | BTF_MASK(BTF_KIND_FWD);
	uint32_t id = btf_find(d->btf, name, kinds, 0);

	if (!id)
		return error_set(
			err, ENOENT, "no struct, union, enum or typedef is called \"%.80s\"", name);
	for (; id; id = btf_find(d->btf, name, kinds, id)) {
		if (dump_type(d, id, err) < 0)
			return -1;
	}
	return 0;
}

/* Programs that read the members of these types do so by relocations, as with bpftool's. */
static int write_all(struct dump *d, const char *name, const char *guard, struct error *err)
{
	struct btf_printer *p = &d->printer;

	if (guard)
		btf_print(p, "#ifndef %s\n#define %s\n\n", guard, guard);
	else
		btf_print(p, "#pragma once\n\n");
	btf_print(p, "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n"
		     "#pragma clang attribute push(__attribute__((preserve_access_index)), ");
	btf_print(p, "apply_to = record)\n#endif\n\n");
	if ((name ? dump_named(d, name, err) : dump_all(d, err)) < 0)
		return -1;
	btf_print(p, "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n");
	if (guard)
		btf_print(p, "\n#endif\n");
	return p->failed ? -1 : 0;
}

int btf_dump_c(struct btf *btf, const char *name, const char *guard, char **text, size_t *size,
	struct error *err)
{
	struct dump d = {.btf = btf};
	int ret = btf_printer_init(&d.printer, btf, err);

	d.states = calloc(btf->type_count, 1);
	if (ret == 0 && !d.states)
		ret = error_errno(err, ENOMEM, "order %u types", btf->type_count);
	if (ret == 0)
		ret = write_all(&d, name, guard, err);
	if (ret == 0) {
		*text = d.printer.text;
		*size = d.printer.size;
		d.printer.text = NULL;
	}
	free(d.states);
	btf_printer_free(&d.printer);
	return ret;
}
