/* SPDX-License-Identifier: MIT */
/* The types of C declarations as they are read: BTF that is being written, and beside it what BTF
 * does not tell, alignments above all. Sizes are those of LP64, on BPF as on x86-64 and arm64. */
#ifndef EBPF_C_TYPES_H
#define EBPF_C_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

/* No type is larger: BTF counts the bits before a member in 32 bits. */
enum { C_SIZE_MAX = 1 << 28 };

/* Stands for the id of a type that has no size yet. 0 is void. */
#define C_INCOMPLETE UINT32_MAX

enum c_base {
	C_CHAR,
	C_SCHAR,
	C_UCHAR,
	C_SHORT,
	C_USHORT,
	C_INT,
	C_UINT,
	C_LONG,
	C_ULONG,
	C_LLONG,
	C_ULLONG,
	C_INT128,
	C_UINT128,
	C_BOOL,
	C_FLOAT,
	C_DOUBLE,
	C_BASES,
};

struct c_type {
	uint32_t size;
	uint32_t align;
	bool integer; /* may be a bitfield */
	uint8_t bits; /* of an integer's values: 1 for bool */
};

struct c_types {
	struct pool names; /* their offsets are those of BTF's strings */
	uint32_t *words; /* the records, one after the other */
	uint32_t word_count, word_room;
	struct c_type *types; /* by id */
	uint32_t count, room;
	uint32_t bases[C_BASES]; /* ids; 0: not written yet */
	uint32_t pointer, kptr;
};

/* A member of a struct or union before and after it has its place. */
struct c_member {
	uint32_t name; /* number in the pool; that of "": nameless */
	uint32_t type;
	uint32_t align; /* as an attribute says; 0: as the type does */
	bool packed;
	bool bitfield;
	uint8_t bits;
	uint64_t offset; /* in bits */
};

struct c_record {
	uint32_t tag; /* number in the pool */
	bool is_union;
	bool packed;
	uint32_t align; /* at least this one; 0: as the members need it */
};

struct c_enumerator {
	uint32_t name;
	int64_t value; /* of more than INT64_MAX: its bits */
};

/* How the enum is kept: `is_signed` when a value is negative. */
struct c_enum {
	uint32_t tag;
	uint32_t size;
	bool is_signed;
};

/* `types` must be all zero; freeing is due also after a failure. All functions below return 0, or
 * -1 with an error, and give the id of the new type. */
int c_types_begin(struct c_types *types, struct error *err);
void c_types_free(struct c_types *types);

int c_types_base(struct c_types *types, enum c_base base, uint32_t *id, struct error *err);

/* A base type by the name the kernel or <stdint.h> gives it ("__be32", "size_t"); C_BASES: none. */
enum c_base c_types_find_base(const char *name, size_t size);

/* A struct that only the kernel looks into (bpf_spin_lock); its size is 0 for any other name. */
struct c_type c_types_kernels_own(const char *name);

int c_types_pointer(struct c_types *types, bool kptr, uint32_t *id, struct error *err);
int c_types_array(
	struct c_types *types, uint32_t element, uint32_t count, uint32_t *id, struct error *err);

/* `align` 0: that of the type. */
int c_types_typedef(struct c_types *types, uint32_t name, uint32_t type, uint32_t align,
	uint32_t *id, struct error *err);

int c_types_enum(struct c_types *types, const struct c_enum *e, const struct c_enumerator *values,
	uint32_t count, uint32_t *id, struct error *err);

/* Places the members, as gcc and clang do, and writes the struct. */
int c_types_record(struct c_types *types, const struct c_record *record, struct c_member *members,
	uint32_t count, uint32_t *id, struct error *err);

/* Writes a struct of a known size whose members do not matter. */
int c_types_opaque(
	struct c_types *types, uint32_t tag, struct c_type type, uint32_t *id, struct error *err);

/* The whole as a BTF section, malloc()ed. */
void *c_types_finish(const struct c_types *types, size_t *size, struct error *err);

#pragma GCC visibility pop

#endif
