/* SPDX-License-Identifier: MIT */
/* BPF Type Format: the types of an object file or of the kernel. Ids and string offsets are
 * checked once, when the section is parsed; the accessors then trust what they read. */
#ifndef EBPF_BTF_H
#define EBPF_BTF_H

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

struct btf_var_secinfo {
	uint32_t type;
	uint32_t offset;
	uint32_t size;
};

struct btf {
	unsigned char *data; /* a copy of the whole section, in native byte order */
	size_t size;
	const char *strings;
	uint32_t string_size;
	const struct btf_type **types; /* by id; [0] is void */
	uint32_t type_count; /* ids run from 0 to type_count - 1 */
};

/* `btf` must be all zero; btf_free() is due whether parsing succeeded or not. */
int btf_parse(struct btf *btf, const void *data, size_t size, struct error *err);
void btf_free(struct btf *btf);

#pragma GCC visibility pop

#endif
