/* SPDX-License-Identifier: MIT */
/* What types mean: sizes, places of members, values of enumerators. */
#include "btf.h"

enum { MEMBER_OFFSET_BITS = 24, BYTE = 8 };

static const char *const kind_names[] = {
	[BTF_KIND_UNKN] = "void",
	[BTF_KIND_INT] = "int",
	[BTF_KIND_PTR] = "ptr",
	[BTF_KIND_ARRAY] = "array",
	[BTF_KIND_STRUCT] = "struct",
	[BTF_KIND_UNION] = "union",
	[BTF_KIND_ENUM] = "enum",
	[BTF_KIND_FWD] = "fwd",
	[BTF_KIND_TYPEDEF] = "typedef",
	[BTF_KIND_VOLATILE] = "volatile",
	[BTF_KIND_CONST] = "const",
	[BTF_KIND_RESTRICT] = "restrict",
	[BTF_KIND_FUNC] = "func",
	[BTF_KIND_FUNC_PROTO] = "func_proto",
	[BTF_KIND_VAR] = "var",
	[BTF_KIND_DATASEC] = "datasec",
	[BTF_KIND_FLOAT] = "float",
	[BTF_KIND_DECL_TAG] = "decl_tag",
	[BTF_KIND_TYPE_TAG] = "type_tag",
	[BTF_KIND_ENUM64] = "enum64",
};

const char *btf_kind_name(uint32_t kind)
{
	return kind < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[kind] : NULL;
}

/* Until Linux 5.0 bitfields were members of ints that say which of their bits count. */
static void place_by_int(
	const struct btf *btf, const struct btf_member *member, uint32_t *offset, uint32_t *bits)
{
	const struct btf_type *type;
	uint32_t id, shift;

	*offset = member->offset;
	*bits = 0;
	if (!btf_resolve(btf, member->type, &id))
		return;
	type = btf_type(btf, id);
	if (btf_kind(type) != BTF_KIND_INT)
		return;
	shift = *(const uint32_t *)btf_tail(type) >> 16 & 0xff;
	if (shift || btf_int_bits(type) != (uint64_t)type->size * BYTE || member->offset % BYTE) {
		*offset += shift;
		*bits = btf_int_bits(type);
	}
}

void btf_member_place(const struct btf *btf, const struct btf_type *type,
	const struct btf_member *member, uint32_t *offset, uint32_t *bits)
{
	if (btf_flag(type)) {
		*offset = member->offset & ((1U << MEMBER_OFFSET_BITS) - 1);
		*bits = member->offset >> MEMBER_OFFSET_BITS;
	} else {
		place_by_int(btf, member, offset, bits);
	}
}

uint64_t btf_enum_value(const struct btf_type *type, uint32_t index)
{
	const struct btf_enum64 *wide;
	const struct btf_enum *narrow;

	if (btf_kind(type) == BTF_KIND_ENUM64) {
		wide = (const struct btf_enum64 *)btf_tail(type) + index;
		return (uint64_t)wide->high << 32 | wide->low;
	}
	narrow = (const struct btf_enum *)btf_tail(type) + index;
	return btf_flag(type) ? (uint64_t)(int64_t)narrow->value : (uint32_t)narrow->value;
}

const char *btf_enum_name(const struct btf *btf, const struct btf_type *type, uint32_t index)
{
	uint32_t stride = btf_kind(type) == BTF_KIND_ENUM64 ? sizeof(struct btf_enum64)
							    : sizeof(struct btf_enum);

	return btf_string(btf, *(const uint32_t *)((const char *)btf_tail(type) + index * stride));
}

bool btf_resolve(const struct btf *btf, uint32_t id, uint32_t *resolved)
{
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		switch (btf_kind(btf_type(btf, id))) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			id = btf_type(btf, id)->size;
			break;
		default:
			*resolved = id;
			return true;
		}
	}
	return false;
}

bool btf_size(const struct btf *btf, uint32_t id, uint32_t *size)
{
	const struct btf_type *type;
	const struct btf_array *array;
	uint64_t times = 1;
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (!btf_resolve(btf, id, &id))
			return false;
		type = btf_type(btf, id);
		switch (btf_kind(type)) {
		case BTF_KIND_INT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FLOAT:
		case BTF_KIND_DATASEC:
			times *= type->size;
			break;
		case BTF_KIND_PTR:
			times *= sizeof(uint64_t); /* on the BPF machine, whatever ours */
			break;
		case BTF_KIND_VAR:
			id = type->size;
			continue;
		case BTF_KIND_ARRAY:
			array = btf_tail(type);
			times *= array->nelems;
			if (times > UINT32_MAX)
				return false;
			id = array->type;
			continue;
		default:
			return false;
		}
		*size = (uint32_t)times;
		return times <= UINT32_MAX;
	}
	return false;
}
