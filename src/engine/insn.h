/* SPDX-License-Identifier: MIT */
/*
 * A list of instructions that still knows names: where functions begin (symbols) and which
 * instructions wait for an address or an fd (references). Indices count 8-byte slots, so a
 * 64-bit immediate load takes two. The slots are kept in the byte order they came in.
 */
#ifndef EBPF_INSN_H
#define EBPF_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "btf.h"
#include "error.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

/* What an instruction refers to by name. */
enum insn_ref_kind {
	INSN_REF_MAP, /* ld_imm64: the fd of a map */
	INSN_REF_MAP_VALUE, /* ld_imm64: an address inside the only value of a map */
	INSN_REF_CALL, /* call: a function of the program */
	INSN_REF_FUNC, /* ld_imm64: the address of a function, for a callback */
	INSN_REF_EXTERN, /* ld_imm64 or call: a symbol that the object does not define */
	INSN_REF_KERNEL, /* call: a function of the kernel, of a program that is loaded */
	INSN_REF_KINDS,
};

struct insn_ref {
	uint32_t index;
	uint32_t name; /* number in the names */
	uint8_t kind; /* enum insn_ref_kind */
	uint8_t resolved; /* the instruction has been given its value */
	uint32_t offset; /* INSN_REF_MAP_VALUE: bytes into the value */
};

struct insn_symbol {
	uint32_t index;
	uint32_t name;
};

/* What has become of a relocation. */
enum insn_relo_state {
	INSN_RELO_OPEN, /* it is still to be applied */
	INSN_RELO_DONE,
	/* The instruction must not be reached, since the kernel */
	INSN_RELO_NO_TYPE, /* has no such type, */
	INSN_RELO_NO_FIELD, /* has no such field or enumerator in it, */
	INSN_RELO_OTHER_SIZE, /* has a field that cannot be read or written with the instruction, */
	INSN_RELO_IN_MODULE, /* has it in a module, where its id is not unique. */
};

/* A CO-RE relocation: see core_relo.h. Functions of several objects may be linked, so that each
 * knows its types. */
struct insn_relo {
	uint32_t index;
	struct btf *types; /* one reference of it; NULL: not known */
	uint32_t type;
	uint32_t access; /* offset of a string in the types; without them, number in the names */
	uint32_t kind; /* enum core_kind, unless it is malformed */
	uint8_t state; /* enum insn_relo_state */
};

/* A symbol of the kernel that INSN_REF_EXTERN may be: see externs.h. Each knows its types, as
 * relocations do. */
struct insn_extern {
	uint32_t name;
	bool weak; /* the program does without it */
	bool poisoned; /* it is called, but the kernel lacks it */
	struct btf *types; /* one reference of it; NULL: nothing is known of the symbol's type */
	uint32_t type; /* a VAR or a FUNC */
};

struct insns {
	struct bpf_insn *code;
	uint32_t count, code_room;
	struct insn_symbol *symbols; /* ascending by index */
	uint32_t symbol_count, symbol_room;
	struct insn_ref *refs; /* ascending by index, at most one an instruction */
	uint32_t ref_count, ref_room;
	struct pool names;
	uint32_t *defined; /* by name: index of the symbol so called + 1; 0: there is none */
	uint32_t defined_count, defined_room;
	bool foreign; /* in the byte order this machine does not have */
	bool ids; /* read back from the kernel: loads of maps have their ids instead of fds */
	struct btf *types; /* of `funcs` and `lines`; NULL: there are none of these */
	struct abi_func_info *funcs; /* where which begins; ascending, at most one an instruction */
	uint32_t func_count, func_room;
	struct abi_line_info *lines; /* of source; likewise */
	uint32_t line_count, line_room;
	struct insn_relo *relos; /* ascending by index */
	uint32_t relo_count, relo_room;
	struct insn_extern *externs;
	uint32_t extern_count, extern_room;
	uint32_t *extern_of; /* by name: index among them + 1; 0, or no such element: it is none */
	uint32_t extern_of_count, extern_of_room;
};

/* An all-zero struct insns is an empty list. Freeing leaves an empty list again. */
void insns_free(struct insns *list);

/* `code` need not be aligned. */
int insns_append(struct insns *list, const void *code, uint32_t count, struct error *err);

/* Symbols and references may come in any order, but ascending ones are added faster. The index
 * must be within the list; a name defined twice, or two references at one index, is an error. */
int insns_add_symbol(struct insns *list, uint32_t index, const char *name, struct error *err);
int insns_add_ref(struct insns *list, uint32_t index, enum insn_ref_kind kind, const char *name,
	uint32_t offset, struct error *err);

/* Says which types the list's functions and lines are going to name; the list had none. */
void insns_set_types(struct insns *list, struct btf *types);

/* Both behind those that are there; the index must be within the list. */
int insns_add_func(struct insns *list, struct abi_func_info func, struct error *err);
int insns_add_line(struct insns *list, struct abi_line_info line, struct error *err);

/* Likewise, with a reference to the relocation's types of its own. */
int insns_add_relo(struct insns *list, const struct insn_relo *relo, struct error *err);

/* Likewise, where the types are not known: `access` is the string itself. Such a relocation is kept,
 * but cannot be applied. */
int insns_add_loose_relo(
	struct insns *list, const struct insn_relo *relo, const char *access, struct error *err);

/* Says that references of kind INSN_REF_EXTERN to `name` mean a symbol of the kernel. What is there
 * already stays, save that it is needed as soon as one says so. */
int insns_add_extern(struct insns *list, const char *name, struct btf *types, uint32_t type,
	bool weak, struct error *err);

/* What is known about a name as a symbol of the kernel; NULL: it is none. */
struct insn_extern *insns_find_extern(const struct insns *list, uint32_t name);

/* Declares the external symbols of another list, too. */
int insns_copy_externs(struct insns *list, const struct insns *from, struct error *err);

/* Whether the types of all functions are known, and of all of them the line they begin in: the
 * kernel wants all or none. */
bool insns_have_funcs(const struct insns *list);
bool insns_have_lines(const struct insns *list);

/* Forgets types of functions and lines of source. */
void insns_drop_types(struct insns *list);

/* `copy` must be empty; it is left empty on failure. */
int insns_copy(struct insns *copy, const struct insns *from, struct error *err);

/* The text of a name; valid until the list gets a new one. */
static inline const char *insns_name(const struct insns *list, uint32_t name)
{
	return pool_get(&list->names, name);
}

/* Where the function of that name begins; false when the list does not define it. */
bool insns_find_symbol(const struct insns *list, const char *name, uint32_t *index);
bool insns_find_defined(const struct insns *list, uint32_t name, uint32_t *index);

/* The instruction at an index below list->count, in native byte order, and back. */
struct bpf_insn insns_get(const struct insns *list, uint32_t index);
void insns_set(struct insns *list, uint32_t index, struct bpf_insn insn);

/* What the instruction at an index refers to; NULL: nothing. */
const struct insn_ref *insns_find_ref(const struct insns *list, uint32_t index);

/* The access string of a relocation of the list; valid until the list gets a new name. */
const char *insns_relo_access(const struct insns *list, const struct insn_relo *relo);

/* Whether the instruction there is a 64-bit immediate load with both its slots. */
bool insns_is_load64(const struct insns *list, uint32_t index);

/* Appends slots and metadata of `from`, all indices moved behind what is there. Types of functions
 * and lines of source are dropped when both lists have some, and those of different BTF: a program
 * is loaded with one. After a failure `list` is good for nothing but insns_free(). */
int insns_append_list(struct insns *list, const struct insns *from, struct error *err);

/* Gives every reference to `name` the fd of a map (value: ld_imm64 of the address `offset` into
 * its value). Returns how many there were; -1 with an error, and nothing changed, when one of
 * them is no ld_imm64. */
int insns_rewrite_map(struct insns *list, const char *name, int fd, struct error *err);

/* Gives every ld_imm64 that refers to `name` a 64-bit constant. Returns how many there were. */
int insns_rewrite_constant(struct insns *list, const char *name, uint64_t value, struct error *err);

#pragma GCC visibility pop

#endif
