/* SPDX-License-Identifier: MIT */
/*
 * The userdata "ebpf.insns": owns a struct insns. Its user value is a table of the maps that
 * references were given, by symbol: they live as long as the instructions that hold their fds,
 * and loading looks again at which fd each has, since the user may have closed one meanwhile.
 */
#ifndef EBPF_INSNS_H
#define EBPF_INSNS_H

#include "../engine/insn.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes an empty list. */
struct insns *insns_new(lua_State *L);

/* The list at `arg`; raises an error when it is something else. insns_test() gives NULL then. */
struct insns *insns_check(lua_State *L, int arg);
struct insns *insns_test(lua_State *L, int index);

/* Pushes a copy of the list at `index`, maps and all. Returns NULL with an error. */
struct insns *insns_push_copy(lua_State *L, int index, struct error *err);

/* Adds the maps that the list at `from` remembers to those of the list at `to`. EEXIST: both have
 * one of a name, and not the same. */
int insns_merge_maps(lua_State *L, int to, int from, struct error *err);

/* Fills the empty list `list` from the bytes of an instruction stream, in the list's byte order. */
int insns_from_bytes(struct insns *list, const char *bytes, size_t size, struct error *err);

/* Reads the option `byte_order` of the options at a stack index: whether it is the one that this
 * machine does not have. */
bool insns_check_byte_order(lua_State *L, int options);

/* Writes the fds that the remembered maps have now into `list`, the userdata at `index`. A map
 * closed meanwhile is an error (EBADF) that names the symbol. */
int insns_refresh_maps(lua_State *L, int index, struct insns *list, struct error *err);

/* Pushes a table that describes a reference. */
void insns_push_ref(lua_State *L, const struct insns *list, const struct insn_ref *ref);

#pragma GCC visibility pop

#endif
