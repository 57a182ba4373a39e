/* SPDX-License-Identifier: MIT */
/*
 * What bytes of a C type mean: compiled once out of BTF, whose memory it does not need after. A
 * layout is one block of memory without pointers in it, so it can be copied anywhere.
 */
#ifndef EBPF_LAYOUT_H
#define EBPF_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum layout_kind {
	LAYOUT_UINT, /* of 1, 2, 4 or 8 bytes, or a bitfield; an enum or a pointer too */
	LAYOUT_INT,
	LAYOUT_BOOL,
	LAYOUT_FLOAT, /* of 4 or 8 bytes */
	LAYOUT_CHARS, /* char[size]: a string up to NUL */
	LAYOUT_BYTES, /* u8[size]: a binary string; __int128 too */
	LAYOUT_ARRAY, /* `count` times the node `first` */
	LAYOUT_STRUCT, /* `count` nodes from `first` on */
	LAYOUT_UNION,
	LAYOUT_HIDDEN, /* the kernel's own: zeroes to write, nothing to read */
};

/* What an integer was, for who prints the type. */
enum layout_role { LAYOUT_PLAIN, LAYOUT_ENUM, LAYOUT_POINTER, LAYOUT_INT128 };

/* A value, wherever its type is used; `offset` is from the start of the struct it is in. */
struct layout_node {
	uint8_t kind; /* enum layout_kind */
	uint8_t role; /* enum layout_role */
	uint8_t bit; /* where a bitfield begins in the byte at `offset` */
	uint8_t bits; /* its width; 0: no bitfield */
	uint32_t name; /* of a field; 0: none. The fields of such a struct are those around it */
	uint32_t tag; /* of a struct, union or enum, 0: none */
	uint32_t offset;
	uint32_t size; /* in bytes; of a bitfield, of its declared type */
	uint32_t first;
	uint32_t count;
};

struct layout {
	uint32_t bytes; /* of the whole block */
	uint32_t node_count;
	uint32_t name_count; /* names have the numbers 1 to name_count */
	uint32_t name_offsets; /* where, in the block, offsets into the block lie by number - 1 */
	uint32_t depth; /* how deep nodes are nested, 1 for a plain integer */
	struct layout_node nodes[]; /* [0] is the type itself */
};

enum {
	/* Structs and arrays nested deeper than any code does are malformed. */
	LAYOUT_DEPTH_MAX = 32,
	/* So many fields and elements make one value at most. */
	LAYOUT_VALUES_MAX = 1 << 24,
};

/*
 * Compiles the type `id`. The result is malloc()ed, or NULL after an error: a type without a size,
 * one that contains itself, members that overlap or lie outside, two fields of one name. The
 * errno is ENOEXEC, or ENOMEM.
 */
struct layout *layout_build(const struct btf *btf, uint32_t id, struct error *err);

static inline const char *layout_name(const struct layout *layout, uint32_t number)
{
	const char *block = (const char *)layout;
	const uint32_t *offsets = (const void *)(block + layout->name_offsets);

	return number ? block + offsets[number - 1] : "";
}

/* The type as C, NUL-terminated and malloc()ed, on one line; NULL when memory runs out. What is
 * printed declares the same layout again. */
char *layout_print(const struct layout *layout);

/* A bitfield's value, not sign-extended, and how it is set; the other bits around stay. */
uint64_t layout_get_bits(const struct layout_node *node, const unsigned char *bytes);
void layout_set_bits(const struct layout_node *node, unsigned char *bytes, uint64_t value);

#pragma GCC visibility pop

#endif
