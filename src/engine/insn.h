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
#include "error.h"

#pragma GCC visibility push(hidden)

/* What an instruction refers to by name. */
enum insn_ref_kind {
	INSN_REF_MAP, /* ld_imm64: the fd of a map */
	INSN_REF_MAP_VALUE, /* ld_imm64: an address inside the only value of a map */
	INSN_REF_CALL, /* call: a function of the program */
	INSN_REF_FUNC, /* ld_imm64: the address of a function, for a callback */
	INSN_REF_EXTERN, /* ld_imm64 or call: a symbol that the object does not define */
};

struct insn_ref {
	uint32_t index;
	uint32_t name; /* offset into the names */
	uint8_t kind; /* enum insn_ref_kind */
	uint8_t resolved; /* the instruction has been given its value */
	uint32_t offset; /* INSN_REF_MAP_VALUE: bytes into the value */
};

struct insn_symbol {
	uint32_t index;
	uint32_t name;
};

struct insns {
	struct bpf_insn *code;
	uint32_t count, code_room;
	struct insn_symbol *symbols; /* ascending by index */
	uint32_t symbol_count, symbol_room;
	struct insn_ref *refs; /* ascending by index */
	uint32_t ref_count, ref_room;
	char *names; /* NUL-terminated strings, one after the other */
	uint32_t names_size, names_room;
	bool foreign; /* in the byte order this machine does not have */
};

/* An all-zero struct insns is an empty list. Freeing leaves an empty list again. */
void insns_free(struct insns *list);

int insns_append(struct insns *list, const void *code, uint32_t count, struct error *err);
int insns_add_symbol(struct insns *list, uint32_t index, const char *name, struct error *err);
int insns_add_ref(struct insns *list, uint32_t index, enum insn_ref_kind kind, const char *name,
	uint32_t offset, struct error *err);

/* `copy` must be empty. */
int insns_copy(struct insns *copy, const struct insns *from, struct error *err);

static inline const char *insns_name(const struct insns *list, uint32_t name)
{
	return list->names + name;
}

/* The symbol of that name, or NULL. */
const struct insn_symbol *insns_find_symbol(const struct insns *list, const char *name);

/* Appends slots and metadata of `from`, all indices moved behind what is there. */
int insns_append_list(struct insns *list, const struct insns *from, struct error *err);

/* Gives every reference to `name` the fd of a map (value: ld_imm64 of the address `offset` into
 * its value). Returns how many there were; -1 with an error when one of them is no ld_imm64. */
int insns_rewrite_map(struct insns *list, const char *name, int fd, struct error *err);

/* Gives every ld_imm64 that refers to `name` a 64-bit constant. Returns how many there were. */
int insns_rewrite_constant(struct insns *list, const char *name, uint64_t value, struct error *err);

#pragma GCC visibility pop

#endif
