/* SPDX-License-Identifier: MIT */
/*
 * BPF Type Format: the types of an object file or of the kernel, and where to get them.
 *
 * A struct btf is parsed once and never changes. What the kernel's BTF has much of is done late:
 * names are put in order when the first of them is looked for. What others wrote is checked as a
 * whole by btf_parse(); of the kernel's own BTF only the extent of each record is, since checking
 * it all would take longer than using it. Either way no id and no string offset can lead outside:
 * btf_type() answers void and btf_string() "" for what does not exist. So rely on kinds only
 * after a look at btf_kind(), and follow ids only through btf_type() and the functions below.
 */
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

/* The encodings of a BTF_KIND_INT. */
enum { BTF_INT_SIGNED = 1 << 0, BTF_INT_CHAR = 1 << 1, BTF_INT_BOOL = 1 << 2 };

/* How many typedefs, qualifiers, pointers or array dimensions are followed before a type counts
 * as malformed: ids may form a circle. */
enum { BTF_DEPTH_MAX = 32 };

/* Names longer than what the kernel accepts (KSYM_NAME_LEN) are never found. */
enum { BTF_NAME_LIMIT = 512 };

enum btf_storage {
	BTF_BORROWED, /* it stays valid for as long as the struct btf */
	BTF_ALLOCATED, /* by malloc(): freed with the struct btf */
	BTF_MAPPED, /* unmapped with it */
};

struct btf_named {
	uint32_t id;
	uint32_t name_off;
};

struct btf {
	uint32_t references;
	struct btf *base; /* split BTF: its ids and strings come before ours; NULL: none */
	unsigned char *data; /* everything, in native byte order */
	size_t size;
	enum btf_storage storage;
	bool foreign; /* it came in the byte order this machine does not have */
	const unsigned char *records; /* the types, one after the other */
	uint32_t *offsets; /* of our types, by id - first_id, in bytes */
	struct btf_named *named; /* our types that have a name and are no functions, by id */
	uint32_t named_count;
	uint32_t first_id; /* 1, or the base's type_count */
	uint32_t type_count; /* valid ids, of the base too, run from 0 to type_count - 1 */
	const char *strings;
	uint32_t first_string; /* string offsets below are the base's */
	uint32_t string_size; /* of the base too */
	struct btf_index *index; /* of names; NULL until a name is looked for */
	struct btf **weak; /* where a pointer to this is cleared with the last reference; or NULL */
};

extern const struct btf_type btf_void;

/*
 * Parses BTF in either byte order. `base` is NULL, or what split BTF continues, in which case it
 * is retained. `data` stays the caller's: it is copied. Returns 0 and a struct btf with one
 * reference, for btf_release(); or -1 with ENOEXEC (malformed), ENOMEM, or EINVAL when the base
 * is split itself.
 */
int btf_parse(struct btf **out, struct btf *base, const void *data, size_t size, struct error *err);

/*
 * The same without a copy: `data` is taken over as `storage` says, also when parsing fails.
 * `trusted`: nothing but the extent of each record is checked. BTF in the foreign byte order is
 * changed in place, so it must be BTF_ALLOCATED.
 */
int btf_adopt(struct btf **out, struct btf *base, void *data, size_t size, enum btf_storage storage,
	bool trusted, struct error *err);

/* References are counted, without regard to threads. Releasing NULL does nothing. */
struct btf *btf_retain(struct btf *btf);
void btf_release(struct btf *btf);

/* Parses a file: raw BTF, or an ELF file with a section ".BTF". */
int btf_load(struct btf **out, struct btf *base, const char *path, struct error *err);

/*
 * The BTF of the running kernel, mapped where it can be (since Linux 6.16), read elsewhere, with
 * debuggers' copies of vmlinux as a last resort. `module` names a module, whose BTF continues
 * `base`, the kernel's; NULL stands for the kernel's own, which has no base.
 */
int btf_load_kernel(struct btf **out, struct btf *base, const char *module, struct error *err);

/* Opens an fd of the BTF that the kernel has of a module (Linux 5.11; needs CAP_SYS_ADMIN). Returns
 * -1 with an error: ENOENT when there is none. */
int btf_open_module(const char *module, struct error *err);

/*
 * Opens the BTF of that id (Linux 4.18; needs CAP_SYS_ADMIN): the kernel's, a module's, or what a
 * process loaded. Returns 0, -1 with an error, or 1 when it is a module's and `base` is NULL:
 * to be repeated with the kernel's BTF as base.
 */
int btf_load_by_id(struct btf **out, struct btf *base, uint32_t id, struct error *err);

/* Opens the BTF of a loaded module in the kernel (Linux 5.11; needs CAP_SYS_ADMIN): the fd, or -1
 * with an error. */
int btf_open_module(const char *name, struct error *err);

static inline uint32_t btf_kind(const struct btf_type *type)
{
	return type->info >> 24 & 0x1f;
}

/* The kind as bpftool calls it: "struct", "func_proto"; NULL when there is none of that number. */
const char *btf_kind_name(uint32_t kind);

/* How many members, parameters, enumerators or variables follow the type; a FUNC's linkage. */
static inline uint32_t btf_vlen(const struct btf_type *type)
{
	return type->info & 0xffff;
}

/* Struct, union: member offsets carry bitfield sizes; FWD: a union; ENUM, ENUM64: signed. */
static inline bool btf_flag(const struct btf_type *type)
{
	return type->info >> 31;
}

/* The linkage of a FUNC or VAR. */
static inline uint32_t btf_linkage(const struct btf_type *type)
{
	return btf_kind(type) == BTF_KIND_FUNC ? btf_vlen(type) : *(const uint32_t *)(type + 1);
}

/* The bytes of the record, with what lies behind the type. */
size_t btf_record_size(const struct btf_type *type);

/* What lies behind the type: its members, its array, its variables, ... */
static inline const void *btf_tail(const struct btf_type *type)
{
	return type + 1;
}

/* The type of an id; void where there is none. */
static inline const struct btf_type *btf_type(const struct btf *btf, uint32_t id)
{
	if (btf->base && id < btf->first_id)
		btf = btf->base;
	if (id - btf->first_id >= btf->type_count - btf->first_id)
		return &btf_void;
	return (const void *)(btf->records + btf->offsets[id - btf->first_id]);
}

/* A string by its offset; "" where there is none. */
static inline const char *btf_string(const struct btf *btf, uint32_t offset)
{
	if (btf->base && offset < btf->first_string)
		btf = btf->base;
	return offset < btf->string_size ? btf->strings + (offset - btf->first_string) : "";
}

/* The name of a type; "" for what has none. */
static inline const char *btf_name(const struct btf *btf, const struct btf_type *type)
{
	return btf_string(btf, type->name_off);
}

/* The members of a struct or union, and nothing of other kinds. */
static inline const struct btf_member *btf_members(const struct btf_type *type, uint32_t *count)
{
	bool has = btf_kind(type) == BTF_KIND_STRUCT || btf_kind(type) == BTF_KIND_UNION;

	*count = has ? btf_vlen(type) : 0;
	return btf_tail(type);
}

/*
 * Where a member of the struct or union `type` lies: bits from the start, and how many bits; 0
 * bits: it is no bitfield and as large as its type. In bit offsets, bit 0 is the lowest of byte
 * 0 on little endian machines and the highest of byte 0 on big endian ones.
 */
void btf_member_place(const struct btf *btf, const struct btf_type *type,
	const struct btf_member *member, uint32_t *offset, uint32_t *bits);

/* An INT: the bits of its value, and BTF_INT_*. */
static inline uint32_t btf_int_bits(const struct btf_type *type)
{
	return *(const uint32_t *)btf_tail(type) & 0xff;
}

static inline uint32_t btf_int_encoding(const struct btf_type *type)
{
	return *(const uint32_t *)btf_tail(type) >> 24 & 0xf;
}

/* The value of an enumerator of an ENUM or ENUM64, extended to 64 bits by the enum's sign. */
uint64_t btf_enum_value(const struct btf_type *type, uint32_t index);
const char *btf_enum_name(const struct btf *btf, const struct btf_type *type, uint32_t index);

/* A set of kinds for looking up. */
#define BTF_MASK(kind) (1U << (kind))

enum { BTF_ANY_KIND = -1 };

/*
 * The first id beyond `after` of a type of that name and of one of those kinds; 0 when there is
 * none. All of them, the base's first:
 *   for (id = 0; (id = btf_find(btf, name, BTF_MASK(BTF_KIND_STRUCT), id)); ) ...
 */
uint32_t btf_find(struct btf *btf, const char *name, uint32_t kinds, uint32_t after);

/* The same by essential names: flavours, as in "task_struct___old", count for nothing. */
uint32_t btf_find_essential(struct btf *btf, const char *name, uint32_t kinds, uint32_t after);

/* The length of a name without its flavour, which begins at the last "___" between others. */
size_t btf_essential_length(const char *name);

/* The id behind typedefs, qualifiers and type tags; false when they form a circle. */
bool btf_resolve(const struct btf *btf, uint32_t id, uint32_t *resolved);

/* The bytes a value of the type takes; false when it has no size, or one beyond 32 bits. */
bool btf_size(const struct btf *btf, uint32_t id, uint32_t *size);

#pragma GCC visibility pop

#endif
