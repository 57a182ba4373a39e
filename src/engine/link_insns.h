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

/* Looks up a function by name; NULL when there is none. */
typedef const struct insns *(*link_insns_find)(void *library, const char *name);

/* Appends what is missing. Unknown names stay references, so that others may provide them. */
int link_insns(struct insns *program, link_insns_find find, void *library, struct error *err);

/* Writes the distances of all calls and function pointers. An unknown name is an error. */
int link_insns_resolve(struct insns *program, struct error *err);

#pragma GCC visibility pop

#endif
