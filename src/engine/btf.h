/* SPDX-License-Identifier: MIT */
/* BPF Type Format: the types of an object file or of the kernel. Ids and string offsets are
 * checked once, when the section is parsed; the accessors then trust what they read. */
#ifndef EBPF_BTF_H
#define EBPF_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum btf_kind {
	BTF_KIND_UNKN,
	BTF_KIND_INT,
	BTF_KIND_PTR,
	BTF_KIND_ARRAY,
	BTF_KIND_STRUCT,
	BTF_KIND_UNION,
	BTF_KIND_ENUM,
	BTF_KIND_FWD,
	BTF_KIND_TYPEDEF,
	BTF_KIND_VOLATILE,
	BTF_KIND_CONST,
	BTF_KIND_RESTRICT,
	BTF_KIND_FUNC,
	BTF_KIND_FUNC_PROTO,
	BTF_KIND_VAR,
	BTF_KIND_DATASEC,
	BTF_KIND_FLOAT,
	BTF_KIND_DECL_TAG,
	BTF_KIND_TYPE_TAG,
	BTF_KIND_ENUM64,
};

/* Records exactly as they lie in the section, in native byte order. */
struct btf_type {
	uint32_t name_off;
	uint32_t info;
	uint32_t size; /* or type */
};

struct btf_array {
	uint32_t type;
	uint32_t index_type;
	uint32_t nelems;
};

struct btf_member {
	uint32_t name_off;
	uint32_t type;
	uint32_t offset;
};

struct btf_enum {
	uint32_t name_off;
	int32_t value;
};

struct btf_enum64 {
	uint32_t name_off;
	uint32_t low;
	uint32_t high;
};

struct btf_var_secinfo {
	uint32_t type;
	uint32_t offset;
	uint32_t size;
};

enum btf_linkage { BTF_LINKAGE_STATIC, BTF_LINKAGE_GLOBAL, BTF_LINKAGE_EXTERN };

/* How many typedefs, qualifiers, pointers or array dimensions are followed before a type counts
 * as malformed: ids may form a circle. */
enum { BTF_DEPTH_MAX = 32 };

struct btf {
	unsigned char *data; /* a copy of the whole section, in native byte order */
	size_t size;
	const char *strings;
	uint32_t string_size;
	const struct btf_type **types; /* by id; [0] is void */
	uint32_t type_count; /* ids run from 0 to type_count - 1 */
};

/* Either byte order is taken. `btf` must be all zero; btf_free() is due whether parsing
 * succeeded or not. */
int btf_parse(struct btf *btf, const void *data, size_t size, struct error *err);
void btf_free(struct btf *btf);

static inline uint32_t btf_kind(const struct btf_type *type)
{
	return type->info >> 24 & 0x1f;
}

/* How many members, parameters, enumerators or variables follow the type; a FUNC's linkage. */
static inline uint32_t btf_vlen(const struct btf_type *type)
{
	return type->info & 0xffff;
}

/* What lies behind the type: its members, its array, its variables, ... */
static inline const void *btf_tail(const struct btf_type *type)
{
	return type + 1;
}

/* The type of an id found in this BTF. */
static inline const struct btf_type *btf_type(const struct btf *btf, uint32_t id)
{
	return btf->types[id];
}

/* A string whose offset was found in this BTF. */
static inline const char *btf_string(const struct btf *btf, uint32_t offset)
{
	return btf->strings + offset;
}

/* The id of the first type of that kind and name; 0 when there is none. */
uint32_t btf_find(const struct btf *btf, const char *name, enum btf_kind kind);

/* The id behind typedefs, qualifiers and tags; false when they form a circle. */
bool btf_resolve(const struct btf *btf, uint32_t id, uint32_t *resolved);

/* The bytes a value of the type takes; false when it has no size, or one beyond 32 bits. */
bool btf_size(const struct btf *btf, uint32_t id, uint32_t *size);

#pragma GCC visibility pop

#endif
