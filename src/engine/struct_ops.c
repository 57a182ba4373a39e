/* SPDX-License-Identifier: MIT */
#include "struct_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "bpf_struct_ops_"

/* The member of the value that is struct X itself. */
static bool find_struct(struct struct_ops *ops, const char *name)
{
	const struct btf_type *value = btf_type(ops->btf, ops->value_id), *type;
	const struct btf_member *members;
	uint32_t i, count, bits, id;

	members = btf_members(value, &count);
	for (i = 0; i < count; i++) {
		if (!btf_resolve(ops->btf, members[i].type, &id))
			continue;
		type = btf_type(ops->btf, id);
		if (btf_kind(type) != BTF_KIND_STRUCT ||
			strcmp(btf_name(ops->btf, type), name) != 0)
			continue;
		btf_member_place(ops->btf, value, &members[i], &ops->offset, &bits);
		ops->offset /= 8;
		ops->type_id = id;
		ops->size = type->size;
		ops->value_size = value->size;
		return ops->offset <= value->size && type->size <= value->size - ops->offset;
	}
	return false;
}

int struct_ops_find(
	struct core_target *kernel, const char *name, struct struct_ops *ops, struct error *err)
{
	char wanted[sizeof(PREFIX) + BTF_NAME_LIMIT];
	struct core_found found;

	memset(ops, 0, sizeof(*ops));
	snprintf(wanted, sizeof(wanted), PREFIX "%.*s", (int)btf_essential_length(name), name);
	if (core_target_find(kernel, wanted, BTF_MASK(BTF_KIND_STRUCT), NULL, &found, err) < 0)
		return -1;
	ops->btf = found.btf;
	ops->module = found.module;
	ops->value_id = found.id;
	if (found.id && find_struct(ops, wanted + strlen(PREFIX)))
		return 0;
	return error_set(err, ESRCH,
		"no struct \"%.80s\" that programs can implement (%.120s) in the types of the "
		"kernel "
		"and of its %u modules",
		wanted + strlen(PREFIX), wanted, kernel->module_count);
}

static const struct btf_member *member_at(const struct struct_ops *ops, uint32_t index)
{
	uint32_t count;

	return btf_members(btf_type(ops->btf, ops->type_id), &count) + index;
}

bool struct_ops_find_member(const struct struct_ops *ops, const char *name, uint32_t *index)
{
	const struct btf_member *members;
	uint32_t i, count;

	members = btf_members(btf_type(ops->btf, ops->type_id), &count);
	for (i = 0; *name && i < count; i++) {
		if (strcmp(btf_string(ops->btf, members[i].name_off), name) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}

/* Where a member lies, and what it is. */
struct place {
	uint32_t kind; /* behind typedefs and the like */
	uint32_t offset; /* bytes */
	uint32_t size; /* bytes; 0: a bitfield */
};

/* False when the member has no place within `size` bytes. */
static bool find_place(const struct btf *btf, const struct btf_type *type,
	const struct btf_member *member, struct place *place)
{
	uint32_t offset, bits, id;

	btf_member_place(btf, type, member, &offset, &bits);
	*place = (struct place){.offset = offset / 8};
	if (bits) {
		place->size = 0;
		return (offset + (uint64_t)bits + 7) / 8 <= type->size;
	}
	if (offset % 8 || !btf_resolve(btf, member->type, &id) || !btf_size(btf, id, &place->size))
		return false;
	place->kind = btf_kind(btf_type(btf, id));
	return place->offset <= type->size && place->size <= type->size - place->offset;
}

static bool is_zero(const unsigned char *data, uint32_t size)
{
	while (size && !*data) {
		data++;
		size--;
	}
	return !size;
}

/* Copies a member that is not zero. */
static int convert_member(const struct struct_ops *ops, const struct place *from, const char *name,
	const unsigned char *data, unsigned char *value, struct error *err)
{
	struct place to;
	uint32_t index;

	if (!*name)
		return error_set(err, EOPNOTSUPP, "it has no name to find it by in the kernel");
	if (!struct_ops_find_member(ops, name, &index))
		return error_set(
			err, EOPNOTSUPP, "this kernel has no such member, and it is not zero");
	if (from->kind == BTF_KIND_PTR)
		return error_set(err, EINVAL, "a pointer can be the name of a program, or zero");
	if (!find_place(ops->btf, btf_type(ops->btf, ops->type_id), member_at(ops, index), &to))
		return error_set(err, EOPNOTSUPP, "its place in the kernel is unknown");
	if (!to.size || to.kind != from->kind || to.size != from->size)
		return error_set(err, EOPNOTSUPP,
			"the kernel has another type for it: %s of %u bytes, not %s of %u",
			to.size ? btf_kind_name(to.kind) : "bitfield", to.size,
			btf_kind_name(from->kind), from->size);
	memcpy(value + ops->offset + to.offset, data + from->offset, from->size);
	return 0;
}

/* The bits of a bitfield, if any of them are set. */
static bool has_bits(const struct btf *types, const struct btf_type *type,
	const struct btf_member *member, const unsigned char *data)
{
	uint32_t offset, bits, i, bit;

	btf_member_place(types, type, member, &offset, &bits);
	for (i = 0; i < bits; i++) {
		bit = offset + i;
		if (data[bit / 8] >> (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? bit % 8
										: 7 - bit % 8) &
			1)
			return true;
	}
	return false;
}

int struct_ops_convert(const struct struct_ops *ops, const struct btf *types, uint32_t id,
	const unsigned char *data, unsigned char *value, struct error *err)
{
	const struct btf_type *type;
	const struct btf_member *members;
	struct place from;
	const char *name;
	uint32_t i, count;
	int ret;

	if (!btf_resolve(types, id, &id))
		return error_set(err, EINVAL, "its type is malformed");
	type = btf_type(types, id);
	members = btf_members(type, &count);
	for (i = 0; i < count; i++) {
		name = btf_string(types, members[i].name_off);
		if (!find_place(types, type, &members[i], &from))
			ret = error_set(err, EINVAL, "it has no place");
		else if (!from.size && has_bits(types, type, &members[i], data))
			ret = error_set(err, EOPNOTSUPP, "bitfields must be zero");
		else if (is_zero(data + from.offset, from.size))
			ret = 0;
		else
			ret = convert_member(ops, &from, name, data, value, err);
		if (ret < 0)
			return error_prefix(err, "member \"%.80s\"", name);
	}
	return 0;
}

int struct_ops_set_program(const struct struct_ops *ops, const char *member, int prog_fd,
	unsigned char *value, struct error *err)
{
	const struct btf_type *type = btf_type(ops->btf, ops->type_id);
	uint64_t fd = (uint64_t)prog_fd;
	struct place place;
	uint32_t index, id;

	if (!struct_ops_find_member(ops, member, &index))
		return error_set(err, EOPNOTSUPP,
			"member \"%.80s\": this kernel has none of that name", member);
	if (!find_place(ops->btf, type, member_at(ops, index), &place) ||
		place.kind != BTF_KIND_PTR || place.size != sizeof(fd) ||
		!btf_resolve(ops->btf, member_at(ops, index)->type, &id) ||
		!btf_resolve(ops->btf, btf_type(ops->btf, id)->size, &id) ||
		btf_kind(btf_type(ops->btf, id)) != BTF_KIND_FUNC_PROTO)
		return error_set(err, EINVAL,
			"member \"%.80s\": the kernel has no pointer to a function there", member);
	memcpy(value + ops->offset + place.offset, &fd, sizeof(fd));
	return 0;
}
