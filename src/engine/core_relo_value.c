/* SPDX-License-Identifier: MIT */
/* What a relocation is given, once it is known where the field or type is. */
#include <errno.h>
#include <string.h>

#include "core_relo_parts.h"

enum { BYTE = 8, WORD_BYTES = 8, WORD_BITS = 64 };

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { IS_BIG_ENDIAN = 1 };
#else
enum { IS_BIG_ENDIAN = 0 };
#endif

/* What has to be read to get a field: `bytes` at `start`, of which `bits` count. */
struct extent {
	uint64_t start; /* bytes */
	uint32_t bytes;
	uint64_t first; /* bits from the start of everything */
	uint64_t bits;
	bool bitfield;
};

/* The smallest aligned word that has the whole bitfield; at least as large as its type. */
static int cover_bitfield(
	struct extent *extent, const struct btf_type *type, uint32_t bits, struct error *err)
{
	uint32_t bytes = type->size;

	extent->bitfield = true;
	extent->bits = bits;
	if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != WORD_BYTES)
		return error_set(err, ENOEXEC, "a bitfield of a type of %u bytes", bytes);
	extent->start = extent->first / BYTE / bytes * bytes;
	while (extent->first + bits > (extent->start + bytes) * BYTE) {
		if (bytes == WORD_BYTES)
			return error_set(err, ENOEXEC, "a bitfield that no 8 bytes hold");
		bytes *= 2;
		extent->start = extent->first / BYTE / bytes * bytes;
	}
	extent->bytes = bytes;
	return 0;
}

static int measure(struct extent *extent, const struct core_place *place, struct error *err)
{
	const struct btf_type *owner = btf_type(place->btf, place->owner), *type;
	uint32_t id, count, offset, bits = 0;
	const struct btf_member *members;

	members = btf_members(owner, &count);
	if (place->owner)
		btf_member_place(place->btf, owner, members + place->index, &offset, &bits);
	extent->first = place->bits;
	if (bits) {
		if (!btf_resolve(place->btf, place->type, &id))
			return error_set(err, ENOEXEC, "a bitfield of a type that is a circle");
		type = btf_type(place->btf, id);
		if (btf_kind(type) != BTF_KIND_INT && !core_is_enum(type))
			return error_set(err, ENOEXEC, "a bitfield that is no number");
		return cover_bitfield(extent, type, bits, err);
	}
	if (!btf_size(place->btf, place->type, &extent->bytes))
		return error_set(err, ENOEXEC, "a field whose type has no size");
	extent->bitfield = false;
	extent->start = place->bits / BYTE;
	extent->bits = (uint64_t)extent->bytes * BYTE;
	return 0;
}

static bool is_signed(const struct core_place *place)
{
	const struct btf_type *type;
	uint32_t id;

	if (!btf_resolve(place->btf, place->type, &id))
		return false;
	type = btf_type(place->btf, id);
	if (core_is_enum(type))
		return btf_flag(type);
	return btf_kind(type) == BTF_KIND_INT && btf_int_encoding(type) & BTF_INT_SIGNED;
}

/* How far to the left the bits go, so that they end at the end of a 64-bit word. */
static uint64_t left_shift(const struct extent *extent)
{
	uint64_t skipped = extent->first - extent->start * BYTE;

	if (IS_BIG_ENDIAN)
		return (uint64_t)(WORD_BYTES - extent->bytes) * BYTE + skipped;
	return WORD_BITS - (skipped + extent->bits);
}

static int field_value(
	struct core_value *value, uint32_t kind, const struct core_place *place, struct error *err)
{
	struct extent extent = {0};

	if (kind == CORE_FIELD_EXISTS) {
		value->value = 1;
		return 0;
	}
	if (measure(&extent, place, err) < 0)
		return -1;
	value->unsure = extent.bitfield && kind != CORE_SIGNED;
	switch (kind) {
	case CORE_BYTE_OFF:
		value->value = extent.start;
		value->size = extent.bitfield ? 0 : extent.bytes;
		return 0;
	case CORE_BYTE_SZ:
		value->value = extent.bytes;
		return 0;
	case CORE_SIGNED:
		value->value = is_signed(place);
		return 0;
	}
	if (extent.bits > WORD_BITS || !extent.bits)
		return error_set(err, ENOEXEC, "a field of %u bytes is no number", extent.bytes);
	value->value = kind == CORE_LSHIFT_U64 ? left_shift(&extent) : WORD_BITS - extent.bits;
	return 0;
}

static int type_value(
	struct core_value *value, uint32_t kind, const struct core_place *place, struct error *err)
{
	const struct btf *btf = place->btf;
	uint32_t size;

	switch (kind) {
	case CORE_LOCAL_TYPE_ID:
		value->value = place->root;
		value->unsure = true;
		return 0;
	case CORE_TARGET_TYPE_ID:
		value->value = place->root;
		value->unsure = true;
		/* Modules number their types all alike, from where the kernel's end. */
		if (btf->base && place->root >= btf->first_id)
			value->state = INSN_RELO_IN_MODULE;
		return 0;
	case CORE_TYPE_SIZE:
		if (!btf_size(btf, place->root, &size))
			return error_set(err, ENOEXEC, "BTF type %u has no size", place->root);
		value->value = size;
		return 0;
	default:
		value->value = 1;
		return 0;
	}
}

/* Compilers and kernels before 2022 do not say which enums are signed. So values of 32 bits are
 * always extended by their sign, as libbpf does; the compiler may have decided otherwise. */
static void enumerator_value(struct core_value *value, const struct btf_type *type, uint32_t index)
{
	value->value = btf_enum_value(type, index);
	if (btf_kind(type) == BTF_KIND_ENUM) {
		value->value = (uint64_t)(int64_t)(int32_t)value->value;
		value->unsure = value->value > INT32_MAX;
	}
}

int core_value_at(
	struct core_value *value, uint32_t kind, const struct core_place *place, struct error *err)
{
	memset(value, 0, sizeof(*value));
	value->found = true;
	value->state = INSN_RELO_DONE;
	if (core_is_about_type(kind))
		return type_value(value, kind, place, err);
	if (!core_is_about_enum(kind))
		return field_value(value, kind, place, err);
	if (kind == CORE_ENUMVAL_VALUE)
		enumerator_value(value, btf_type(place->btf, place->owner), place->index);
	else
		value->value = 1;
	return 0;
}

/* Who asks whether there is something gets 0. So does, as bpf_core_read.h says, who asks for the
 * size or the id of a type. */
void core_value_missing(struct core_value *value, uint32_t kind, enum insn_relo_state missing)
{
	bool has_answer = core_is_about_type(kind) || kind == CORE_FIELD_EXISTS ||
			  kind == CORE_ENUMVAL_EXISTS;

	memset(value, 0, sizeof(*value));
	value->state = has_answer ? INSN_RELO_DONE : missing;
}

/* Numbers without a sign can be widened by zeroes, and so can pointers: those of 32-bit kernels are
 * 8 bytes in the types of BPF. */
bool core_can_resize(const struct core_place *local, const struct core_place *target)
{
	const struct btf_type *from, *to;
	uint32_t from_id, to_id;

	if (!btf_resolve(local->btf, local->type, &from_id) ||
		!btf_resolve(target->btf, target->type, &to_id))
		return false;
	from = btf_type(local->btf, from_id);
	to = btf_type(target->btf, to_id);
	if (btf_kind(from) == BTF_KIND_PTR && btf_kind(to) == BTF_KIND_PTR)
		return true;
	return btf_kind(from) == BTF_KIND_INT && btf_kind(to) == BTF_KIND_INT &&
	       !is_signed(local) && !is_signed(target);
}
