/* SPDX-License-Identifier: MIT */
/* What the rooms of core_relo.h share. */
#ifndef EBPF_CORE_RELO_PARTS_H
#define EBPF_CORE_RELO_PARTS_H

#include "core_relo.h"

#pragma GCC visibility push(hidden)

/* Numbers in an access string; libbpf's limit. */
enum { CORE_STEPS = 64 };

/* A function that the kernel does not have: "bad relo"; libbpf's number, which people know. */
enum { CORE_POISON = 0xbad2310 };

/* What a path has led to, in the BTF of an object or of the kernel. */
struct core_place {
	struct btf *btf;
	uint32_t root; /* the type where it began */
	uint64_t bits; /* from the start of it */
	uint32_t owner; /* the struct or union that the field is a member of; 0: an array has it */
	uint32_t index; /* of the member, or of the enumerator */
	uint32_t type; /* of the field */
};

struct core_step {
	const char *name; /* of a member or an enumerator; NULL: an element */
	uint32_t index; /* of the element */
	uint32_t type; /* of the field there */
};

/* A relocation's type and access string, understood. Anonymous members are no steps. */
struct core_path {
	uint32_t kind; /* enum core_kind */
	struct core_step steps[CORE_STEPS];
	uint32_t count;
	struct core_place place;
};

static inline bool core_is_about_type(uint32_t kind)
{
	return (kind >= CORE_LOCAL_TYPE_ID && kind <= CORE_TYPE_SIZE) || kind == CORE_TYPE_MATCHES;
}

static inline bool core_is_about_enum(uint32_t kind)
{
	return kind == CORE_ENUMVAL_EXISTS || kind == CORE_ENUMVAL_VALUE;
}

static inline bool core_is_enum(const struct btf_type *type)
{
	return btf_kind(type) == BTF_KIND_ENUM || btf_kind(type) == BTF_KIND_ENUM64;
}

/* Names that are the same; of essential ones, which are the same without their flavours. */
bool core_same_name(const char *a, const char *b);
bool core_same_essence(const char *a, const char *b);

/* Moves a place by elements of a type; false when that is beyond what offsets reach. */
bool core_move(struct core_place *place, uint32_t type, uint32_t elements);

/* The array behind a type that has an element of that index, or NULL; one without a length has all
 * when it is the last member of a struct. */
const struct btf_array *core_array(const struct core_place *place, uint32_t index);

int core_path_parse(struct core_path *path, const struct insn_relo *relo, struct error *err);

/* Appends "struct task_struct", and `, field "a.b[3]"`. */
void core_path_append_type(const struct core_path *path, struct error *err);
void core_path_append_steps(const struct core_path *path, struct error *err);

/*
 * How much may still be looked at: types can be made so that comparing them takes as long as one
 * likes. No program needs a fraction of it.
 */
struct core_fuel {
	uint64_t left;
};

enum { CORE_FUEL = 1 << 25 };

int core_spend(struct core_fuel *fuel, struct error *err);

/* Goes the path from the type `root` of another BTF. Returns 1 and the place, 0 when it does not
 * lead anywhere there, or -1. */
int core_match(struct core_fuel *fuel, const struct core_path *path, struct btf *btf, uint32_t root,
	struct core_place *place, struct error *err);

/* Whether fields, or types that are looked for, can stand for each other: 1, 0, or -1. */
bool core_fields_compatible(
	const struct btf *local, uint32_t local_id, const struct btf *target, uint32_t target_id);
int core_types_compatible(struct core_fuel *fuel, const struct btf *local, uint32_t local_id,
	const struct btf *target, uint32_t target_id, struct error *err);

/* The same by what types look like, names of members and sizes of numbers included. */
int core_types_match(struct core_fuel *fuel, const struct btf *local, uint32_t local_id,
	const struct btf *target, uint32_t target_id, struct error *err);

struct core_value {
	enum insn_relo_state state; /* INSN_RELO_DONE, or why there is no value */
	bool found; /* there is such a type, field or enumerator */
	bool unsure; /* in the object, the compiler may have decided otherwise */
	uint64_t value;
	uint32_t size; /* CORE_BYTE_OFF: bytes of a field that is no bitfield; else 0 */
};

/* What the place means for a relocation. */
int core_value_at(
	struct core_value *value, uint32_t kind, const struct core_place *place, struct error *err);

/* The same where there is none: `missing` is INSN_RELO_NO_TYPE or INSN_RELO_NO_FIELD. */
void core_value_missing(struct core_value *value, uint32_t kind, enum insn_relo_state missing);

/* Whether a load of the one field may become one of the other, of another size. */
bool core_can_resize(const struct core_place *local, const struct core_place *target);

/* Changes the instruction, or poisons it, and remembers why in the relocation. */
int core_patch(struct insns *list, struct insn_relo *relo, const struct core_value *local,
	const struct core_value *target, struct error *err);

#pragma GCC visibility pop

#endif
