/* SPDX-License-Identifier: MIT */
/*
 * The userdata "ebpf.btf": holds a reference to a struct btf. Several may hold the same one;
 * closing one leaves the others as they are. Kept apart from struct handle, as no fd is open.
 */
#ifndef EBPF_BTF_OBJECT_H
#define EBPF_BTF_OBJECT_H

#include "../engine/btf.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

enum { BTF_OBJECT_NAME = 64 };

struct btf_object {
	struct btf *btf; /* NULL: closed */
	char *text; /* what a method is making, freed with the rest */
	char name[BTF_OBJECT_NAME]; /* what it is the BTF of; cut to fit */
};

/* Pushes a new one that is closed: what is opened into its `btf` is released with it. `name` is
 * copied. */
struct btf_object *btf_object_new(lua_State *L, const char *name);

/* The userdata at `arg`, which may be closed; raises an error, or is NULL, for anything else. */
struct btf_object *btf_object_check(lua_State *L, int arg);
struct btf_object *btf_object_test(lua_State *L, int index);

/*
 * Pushes an object with the running kernel's BTF, which all of this Lua state share for as long
 * as one of them is open; or returns NULL with an error, and a closed object pushed.
 */
struct btf_object *btf_object_push_kernel(lua_State *L, struct error *err);

#pragma GCC visibility pop

#endif
