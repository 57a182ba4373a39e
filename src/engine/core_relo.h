/* SPDX-License-Identifier: MIT */
/*
 * CO-RE: compile once, run everywhere. A program that is compiled against some struct task_struct
 * has for each access a relocation which says what the instruction is about: kind, type, and an
 * access string. They are applied before the program is loaded. For
 *
 *	struct task_struct___old { int pad; struct { int pid; }; } *t; ... t->pid
 *
 * clang makes `r1 = *(u32 *)(r1 + 4)` with the relocation byte_off, task_struct___old, "0:1:0":
 *
 *  1. The access string is a path of numbers through the types of the object: element 0 of the
 *     pointer, member 1, its member 0. What it means to other types is what has a name: element
 *     0, field "pid" (core_path).
 *  2. Candidates are the kernel's types of the same kind and the same essential name, that is
 *     "task_struct", without the flavour; the modules' when the kernel has none (core_target).
 *  3. The path is gone again in each candidate, by names, through anonymous members, too. A field
 *     counts when its type is like the object's: a number for a number, a struct for a struct
 *     (core_match).
 *  4. The place it leads to, say 2456 bytes from the start, gives the value for the instruction,
 *     the place in the object's types the value that it must have had (core_value).
 *  5. Should there be several candidates, the one wins that lacks least of what all relocations
 *     for the type ask. Others that lack as little must agree with it on every value.
 *  6. The instruction gets its value: `r1 = *(u32 *)(r1 + 2456)`, of another size, too, where the
 *     number is unsigned (core_patch). An instruction that asks what the kernel does not have
 *     becomes a call of a function that does not exist: it may be code that is never reached. If
 *     it is, the verifier refuses it, and core_relo_explain() knows why.
 */
#ifndef EBPF_CORE_RELO_H
#define EBPF_CORE_RELO_H

#include <stdbool.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"
#include "insn.h"

#pragma GCC visibility push(hidden)

/* As the numbers in the section. */
enum core_kind {
	CORE_BYTE_OFF,
	CORE_BYTE_SZ,
	CORE_FIELD_EXISTS,
	CORE_SIGNED,
	CORE_LSHIFT_U64,
	CORE_RSHIFT_U64,
	CORE_LOCAL_TYPE_ID,
	CORE_TARGET_TYPE_ID,
	CORE_TYPE_EXISTS,
	CORE_TYPE_SIZE,
	CORE_ENUMVAL_EXISTS,
	CORE_ENUMVAL_VALUE,
	CORE_TYPE_MATCHES,
	CORE_KINDS,
};

/* "byte_off" and so on, as clang calls them; NULL when there is none of that number. */
const char *core_kind_name(uint32_t kind);

enum { CORE_MODULE_NAME = 64 }; /* more than the kernel's MODULE_NAME_LEN */

struct core_module {
	struct btf *btf;
	char name[CORE_MODULE_NAME];
};

/* Where types are looked for. All zero but for `kernel`, which is owned, as the modules are. */
struct core_target {
	struct btf *kernel;
	bool has_modules; /* `kernel` is the running one's, whose modules count too */
	bool modules_read;
	struct core_module *modules;
	uint32_t module_count, module_room;
};

void core_target_free(struct core_target *target);

/* Reads the BTF of the running kernel's modules, once. */
int core_target_read_modules(struct core_target *target, struct error *err);

/* A type of the target's. */
struct core_found {
	uint32_t id; /* 0: there is none */
	struct btf *btf; /* which has it, of the target's */
	const char *module; /* its name, if it is a module's; NULL: it is the kernel's own */
};

/*
 * Looks for a type by its name: in the kernel, then in the modules; with a `module`, only there,
 * "vmlinux" being the kernel. Returns -1 only when the modules cannot be read.
 */
int core_target_find(struct core_target *target, const char *name, uint32_t kinds,
	const char *module, struct core_found *found, struct error *err);

/* Whether relocations of the list are still to be applied for which a target must be had. */
bool core_relo_needs_target(const struct insns *list);

/*
 * Applies the relocations that are still to be applied. `target` may be NULL where none is needed.
 * Returns -1 with ENOEXEC when a relocation is malformed, ENOTUNIQ when it is ambiguous, ERANGE
 * when a value does not fit into its instruction; the list is then good for nothing. What the
 * target lacks is no error.
 */
int core_relo_apply(struct insns *list, struct core_target *target, struct error *err);

/* Whether the verifier's log ends at an instruction that lacks what it asked for; appends to the
 * error what that is. */
bool core_relo_explain(const struct insns *list, const char *log, struct error *err);

#pragma GCC visibility pop

#endif
