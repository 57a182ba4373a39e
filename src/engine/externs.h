/* SPDX-License-Identifier: MIT */
/*
 * Symbols of the kernel that programs refer to, declared with __ksym:
 *
 *   extern const void bpf_prog_put __ksym;         an address, as /proc/kallsyms has it
 *   extern const int bpf_prog_active __ksym;       a variable that the kernel's BTF has a type of
 *   extern void bpf_rcu_read_lock(void) __ksym;    a function of the kernel (kfunc), or of a module
 *
 * What programs are loaded together ask for is collected, looked up all at once, and then given to
 * each one's instructions. A weak symbol that is missing is 0 where its address is taken, and where
 * it is called the instruction becomes one that the verifier refuses, should it be reached.
 * Flavours count for nothing in the names of typed symbols: "bpf_iter_num_new___old". What text calls
 * by a name that nothing else has is a kfunc, too, whose prototype only the verifier looks at.
 */
#ifndef EBPF_EXTERNS_H
#define EBPF_EXTERNS_H

#include <stdbool.h>
#include <stdint.h>

#include "core_relo.h"
#include "error.h"
#include "insn.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

/* Poisoned calls have this number and that of the symbol among the list's; libbpf's number. */
enum { EXTERN_POISON = 2002000000 };

enum extern_kind {
	EXTERN_ADDRESS, /* of any symbol */
	EXTERN_VARIABLE,
	EXTERN_FUNCTION,
};

enum extern_state {
	EXTERN_OPEN, /* not yet looked for, or not found though it is needed */
	EXTERN_FOUND,
	EXTERN_ABSENT,
	EXTERN_OTHER_TYPE, /* it is there, but of another type than the program's */
	EXTERN_AMBIGUOUS, /* several symbols have that name */
};

struct extern_symbol {
	uint32_t name; /* number in the names */
	uint32_t next; /* one of the same name in another object; index + 1 */
	uint8_t kind; /* enum extern_kind */
	uint8_t state; /* enum extern_state */
	bool weak;
	struct btf *types; /* one reference of it; NULL: nothing is known of the symbol's type */
	uint32_t type;
	uint64_t value; /* the address, or the id in the kernel's BTF or the module's */
	uint32_t module; /* index of the module among `fds`; 0: it is the kernel's own */
};

/* All zero to begin with; externs_free() is due at the end, and closes what was opened. */
struct externs {
	struct pool names;
	uint32_t *first; /* by name: index of the symbol + 1 */
	uint32_t first_count, first_room;
	struct extern_symbol *symbols;
	uint32_t count, room;
	int *fds; /* BTF of modules, as programs are given them; [0] is none */
	uint32_t *modules; /* which module of the target each is of */
	uint32_t fd_count, fd_room, module_room;
};

void externs_free(struct externs *e);

/* Whether a list refers to symbols that it has not been given. */
bool externs_are_wanted(const struct insns *list);

/* Takes in what a list refers to and has not been given. */
int externs_add(struct externs *e, const struct insns *list, struct error *err);

/* Whether some are to be looked up for which the kernel's BTF is needed, and whether one of them
 * must be found. */
bool externs_need_types(const struct externs *e, bool *strong);

/*
 * Looks up what has not been looked up. `kernel` is the running kernel's BTF and its modules; NULL:
 * it has none, and so no typed symbols. Symbols are missing when that does not find all that are
 * needed: they stay EXTERN_OPEN, and externs_missing() tells.
 */
int externs_resolve(struct externs *e, struct core_target *kernel, struct error *err);

/*
 * Whether symbols that are needed were not found. `also` are names of other things that are missing,
 * `also_count` of them, called `what`; all go into the error, ESRCH; EINVAL when all are there, but
 * not what the program takes them for.
 */
bool externs_missing(const struct externs *e, const char *const *also, uint32_t also_count,
	const char *what, struct error *err);

/* Gives the list's instructions what was found. */
int externs_apply(const struct externs *e, struct insns *list, struct error *err);

/* Whether the verifier's log ends at a call of what the kernel lacks; appends to the error what
 * that is. */
bool externs_explain(const struct insns *list, const char *log, struct error *err);

#pragma GCC visibility pop

#endif
