/* SPDX-License-Identifier: MIT */
/*
 * Joins a program with the functions it calls: each function needed is appended once, from
 * `library`, also for what the appended ones call in turn; then calls and function pointers
 * get their distances. References to functions nobody has are an error that names them.
 */
#ifndef EBPF_LINK_INSNS_H
#define EBPF_LINK_INSNS_H

#include "error.h"
#include "insn.h"

#pragma GCC visibility push(hidden)

/* Looks up a function by name; NULL when there is none. The list it returns defines the name,
 * and may define others besides: it is appended whole. */
typedef const struct insns *(*link_insns_find)(void *library, const char *name);

/* Appends what is missing. An external symbol that `library` has becomes a call or a function
 * pointer; unknown names stay references, so that others may provide them. After a failure
 * `program` is good for nothing but insns_free(). */
int link_insns(struct insns *program, link_insns_find find, void *library, struct error *err);

/* The first reference to a function that the program does not define; NULL when all is there. */
const struct insn_ref *link_insns_missing(const struct insns *program);

/* Writes the distances of all calls and function pointers. A reference that nothing satisfies,
 * be it to a function, a map or an external symbol, is an error that names it. */
int link_insns_resolve(struct insns *program, struct error *err);

#pragma GCC visibility pop

#endif
