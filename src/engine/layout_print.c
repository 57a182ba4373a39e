/* SPDX-License-Identifier: MIT */
/*
 * Layouts as C. BTF does not keep alignments, so each struct is tried as a plain one, then as a
 * packed one, and where neither gives the offsets it has, its gaps are told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c_types.h"
#include "layout.h"

/* Types that unfold to more text are cut off: they could be exponential in their BTF. */
enum { TEXT_MAX = 1 << 20 };

enum mode { UNKNOWN, PLAIN, PACKED, GAPS };

/* What is known of the struct whose first child a node is. */
struct shape {
	uint8_t mode;
	bool printed; /* in full, so that its tag says all */
	uint32_t align;
};

struct printer {
	const struct layout *layout;
	struct shape *shapes; /* by node */
	char *text;
	uint32_t size, room;
	bool failed;
};

static void put(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct printer *p, const char *format, ...)
{
	char *grown;
	va_list ap;
	int size;

	va_start(ap, format);
	size = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (p->failed || size < 0 || p->size > TEXT_MAX)
		return;
	grown = pool_grow(p->text, &p->room, p->size, (uint32_t)size + 1, 1);
	if (!grown) {
		p->failed = true;
		return;
	}
	p->text = grown;
	va_start(ap, format);
	vsnprintf(grown + p->size, (size_t)size + 1, format, ap);
	va_end(ap);
	p->size += (uint32_t)size;
}

static const struct layout_node *child(
	const struct printer *p, const struct layout_node *node, uint32_t i)
{
	return &p->layout->nodes[node->first + i];
}

static const char *tag_of(const struct printer *p, const struct layout_node *node)
{
	return layout_name(p->layout, node->tag);
}

/* Whether a hidden field can be declared; else it is printed as a gap. */
static bool is_gap(const struct printer *p, const struct layout_node *node)
{
	if (node->kind != LAYOUT_HIDDEN)
		return false;
	if (node->role == LAYOUT_POINTER && node->name)
		return false;
	return !node->name || !node->size ||
	       c_types_kernels_own(tag_of(p, node)).size != node->size;
}

static uint32_t align_of(struct printer *p, const struct layout_node *node);

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t start_of(const struct layout_node *node)
{
	return (uint64_t)node->offset * 8 + node->bit;
}

static uint64_t bits_of(const struct layout_node *node)
{
	return node->bits ? node->bits : (uint64_t)node->size * 8;
}

/* Where a compiler would put the field, when `at` bits are used. */
static uint64_t place_of(
	struct printer *p, const struct layout_node *node, uint64_t at, bool packed)
{
	uint64_t unit = (uint64_t)node->size * 8;

	if (!node->bits)
		return round_up(at, packed ? 8 : (uint64_t)align_of(p, node) * 8);
	return !packed && at % unit + node->bits > unit ? round_up(at, unit) : at;
}

/* Whether the struct, declared so, has the offsets and the size that it has. */
static bool fits(struct printer *p, const struct layout_node *node, bool packed, uint32_t *align)
{
	const struct layout_node *n;
	uint64_t at = 0, most = 0;
	uint32_t i, own;

	*align = 1;
	for (i = 0; i < node->count; i++) {
		n = child(p, node, i);
		if (is_gap(p, n))
			continue;
		if (place_of(p, n, node->kind == LAYOUT_UNION ? 0 : at, packed) != start_of(n))
			return false;
		at = start_of(n) + bits_of(n);
		most = at > most ? at : most;
		own = packed ? 1 : align_of(p, n);
		*align = own > *align ? own : *align;
	}
	return round_up(round_up(most, 8) / 8, *align) == node->size;
}

static struct shape shape_of(struct printer *p, const struct layout_node *node)
{
	struct shape shape = {.align = 1};

	if (!node->count)
		return (struct shape){.mode = node->size ? GAPS : PLAIN, .align = 1};
	if (p->shapes[node->first].mode)
		return p->shapes[node->first];
	if (fits(p, node, false, &shape.align))
		shape.mode = PLAIN;
	else if (fits(p, node, true, &shape.align))
		shape.mode = PACKED;
	else
		shape = (struct shape){.mode = GAPS, .align = 1};
	p->shapes[node->first] = shape;
	return shape;
}

static uint32_t align_of(struct printer *p, const struct layout_node *node)
{
	switch (node->kind) {
	case LAYOUT_STRUCT:
	case LAYOUT_UNION:
		return shape_of(p, node).align;
	case LAYOUT_ARRAY:
		return align_of(p, child(p, node, 0));
	case LAYOUT_HIDDEN:
		return node->role == LAYOUT_POINTER ? 8
						    : c_types_kernels_own(tag_of(p, node)).align;
	case LAYOUT_CHARS:
		return 1;
	case LAYOUT_BYTES:
		return node->role == LAYOUT_INT128 ? 16 : 1;
	default:
		return node->size;
	}
}

static void put_gap(struct printer *p, uint64_t bits)
{
	for (; bits > 64 && p->size <= TEXT_MAX; bits -= 64)
		put(p, "u64 : 64; ");
	if (bits)
		put(p, "u64 : %u; ", (unsigned int)(bits & 127));
}

static void put_field(struct printer *p, const struct layout_node *node);

static void put_body(struct printer *p, const struct layout_node *node, enum mode mode)
{
	const struct layout_node *n;
	uint64_t at = 0, whole = (uint64_t)node->size * 8;
	uint32_t i;

	for (i = 0; i < node->count; i++) {
		n = child(p, node, i);
		if (is_gap(p, n))
			continue;
		if (mode == GAPS && node->kind == LAYOUT_STRUCT)
			put_gap(p, start_of(n) - at);
		at = start_of(n) + bits_of(n);
		put_field(p, n);
		put(p, "; ");
	}
	if (mode != GAPS)
		return;
	if (node->kind == LAYOUT_UNION)
		put(p, "struct { ");
	put_gap(p, node->kind == LAYOUT_UNION ? whole : whole - at);
	if (node->kind == LAYOUT_UNION)
		put(p, "} __attribute__((packed)); ");
}

/* A struct of that tag has been printed, and is another one. */
static bool is_taken(const struct printer *p, const struct layout_node *node)
{
	const struct layout_node *n;
	uint32_t i;

	for (i = 0; i < p->layout->node_count; i++) {
		n = &p->layout->nodes[i];
		if ((n->kind == LAYOUT_STRUCT || n->kind == LAYOUT_UNION) && n->tag == node->tag &&
			n->count && n->first != node->first && p->shapes[n->first].printed)
			return true;
	}
	return false;
}

static void put_struct(struct printer *p, const struct layout_node *node, bool nameless)
{
	struct shape shape = shape_of(p, node);
	/* A field with a tag and without a name would declare nothing. */
	bool has_tag = node->tag && node->count && !nameless && !is_taken(p, node);

	put(p, node->kind == LAYOUT_UNION ? "union " : "struct ");
	if (has_tag)
		put(p, "%s ", tag_of(p, node));
	if (has_tag && shape.printed) {
		p->size--;
		return;
	}
	put(p, "{ ");
	put_body(p, node, shape.mode);
	put(p, shape.mode == PLAIN ? "}" : "} __attribute__((packed))");
	if (has_tag)
		p->shapes[node->first].printed = true;
}

/* What stands before the name. */
static void put_type(struct printer *p, const struct layout_node *node, bool nameless)
{
	switch (node->kind) {
	case LAYOUT_STRUCT:
	case LAYOUT_UNION:
		put_struct(p, node, nameless);
		break;
	case LAYOUT_UINT:
	case LAYOUT_INT:
		if (node->role == LAYOUT_POINTER)
			put(p, "void *");
		else
			put(p, "%c%u", node->kind == LAYOUT_UINT ? 'u' : 's', node->size * 8);
		break;
	case LAYOUT_BOOL:
		put(p, "bool");
		break;
	case LAYOUT_FLOAT:
		put(p, node->size == sizeof(float) ? "float" : "double");
		break;
	case LAYOUT_CHARS:
		put(p, "char");
		break;
	case LAYOUT_BYTES:
		put(p, node->role == LAYOUT_INT128 ? "__int128" : "u8");
		break;
	default:
		if (node->role == LAYOUT_POINTER)
			put(p, "void __kptr *");
		else
			put(p, "struct %s", tag_of(p, node));
	}
}

static void put_field(struct printer *p, const struct layout_node *node)
{
	const char *name = layout_name(p->layout, node->name);
	const struct layout_node *leaf = node;
	bool is_string;

	while (leaf->kind == LAYOUT_ARRAY)
		leaf = child(p, leaf, 0);
	put_type(p, leaf, !name[0] && node != p->layout->nodes);
	if (name[0])
		put(p, leaf->role == LAYOUT_POINTER ? "%s" : " %s", name);
	while (node->kind == LAYOUT_ARRAY) {
		put(p, "[%u]", node->count);
		node = child(p, node, 0);
	}
	is_string = leaf->kind == LAYOUT_CHARS ||
		    (leaf->kind == LAYOUT_BYTES && leaf->role != LAYOUT_INT128);
	if (is_string)
		put(p, "[%u]", leaf->size);
	if (leaf->bits)
		put(p, " : %u", leaf->bits);
	if (leaf->role == LAYOUT_ENUM && leaf->tag)
		put(p, " /* enum %s */", tag_of(p, leaf));
}

char *layout_print(const struct layout *layout)
{
	struct printer p = {.layout = layout};

	p.shapes = calloc(layout->node_count, sizeof(*p.shapes));
	if (!p.shapes)
		return NULL;
	put_field(&p, &layout->nodes[0]);
	if (p.size > TEXT_MAX)
		put(&p, " ...");
	free(p.shapes);
	if (p.failed) {
		free(p.text);
		return NULL;
	}
	return p.text;
}
