/* SPDX-License-Identifier: MIT */
#include "btf_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 200, ALIGN_MAX = 16, POINTER_SIZE = 8, BYTE = 8 };

/* What `known` keeps of a struct or union, besides its alignment, which is at most 16. */
enum { ALIGN_BITS = 0x1f, PACKED = 0x40, BUSY = 0x80 };

int btf_layout_init(struct btf_layout *layout, const struct btf *btf, struct error *err)
{
	layout->btf = btf;
	layout->known = calloc(btf->type_count, 1);
	if (!layout->known)
		return error_errno(err, ENOMEM, "lay out %u types", btf->type_count);
	return 0;
}

void btf_layout_free(struct btf_layout *layout)
{
	free(layout->known);
	memset(layout, 0, sizeof(*layout));
}

/* Whether a member cannot be where it is, as its type is aligned. */
static bool is_misplaced(const struct btf *btf, const struct btf_member *member, uint32_t align,
	uint32_t offset, uint32_t bits)
{
	uint32_t size;
	uint64_t unit;

	if (!bits)
		return offset % (align * BYTE);
	/* A bitfield does not cross the boundary of a value of its type. */
	if (!btf_size(btf, member->type, &size) || !size)
		return false;
	unit = (uint64_t)size * BYTE;
	return offset % unit + bits > unit;
}

static uint8_t look_at(struct btf_layout *layout, const struct btf_type *type)
{
	uint32_t count, i, offset, bits, align, most = 1;
	const struct btf_member *member = btf_members(type, &count);
	bool packed = false;

	for (i = 0; i < count; i++, member++) {
		btf_member_place(layout->btf, type, member, &offset, &bits);
		align = btf_layout_align(layout, member->type);
		if (is_misplaced(layout->btf, member, align, offset, bits))
			packed = true;
		if (align > most)
			most = align;
	}
	packed = packed || type->size % most;
	return packed ? PACKED | 1 : (uint8_t)most;
}

/* Types that hold themselves, or go too deep, are nobody's: any answer does for them. */
static uint8_t known(struct btf_layout *layout, uint32_t id)
{
	uint8_t found = layout->known[id];

	if (found)
		return found;
	if (layout->depth >= DEPTH_LIMIT)
		return 1;
	layout->known[id] = BUSY | 1;
	layout->depth++;
	found = look_at(layout, btf_type(layout->btf, id));
	layout->depth--;
	layout->known[id] = found;
	return found;
}

uint32_t btf_layout_align(struct btf_layout *layout, uint32_t id)
{
	const struct btf_type *type = &btf_void;
	const struct btf_array *array;
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (!btf_resolve(layout->btf, id, &id))
			return 1;
		type = btf_type(layout->btf, id);
		if (btf_kind(type) != BTF_KIND_ARRAY)
			break;
		array = btf_tail(type);
		id = array->type;
	}
	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
		return POINTER_SIZE;
	case BTF_KIND_INT:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FLOAT:
		return type->size <= ALIGN_MAX && type->size && !(type->size & (type->size - 1))
			       ? type->size
			       : 1;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return known(layout, id) & ALIGN_BITS;
	default:
		return 1;
	}
}

bool btf_layout_packed(struct btf_layout *layout, uint32_t id)
{
	return known(layout, id) & PACKED;
}
