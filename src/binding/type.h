/* SPDX-License-Identifier: MIT */
/*
 * C types as userdata, what ebpf.type() returns. The layout lies in the userdata itself, and needs
 * no finalizer: a codec may use it for as long as it keeps the userdata alive.
 */
#ifndef EBPF_TYPE_H
#define EBPF_TYPE_H

#include "../engine/error.h"
#include "../engine/layout.h"
#include "codec.h"

#pragma GCC visibility push(hidden)

struct type {
	struct layout layout; /* its block goes on behind the struct */
};

/* The type at `index`, or NULL when it is something else. */
const struct type *type_test(lua_State *L, int index);

/* The codec for its values; the caller sets the slot. */
void type_codec(const struct type *type, struct codec *codec);

/* Pushes the type that a C declaration means: 1, or -1 with an error and nothing pushed. */
int type_push_compiled(lua_State *L, const char *text, size_t size, struct error *err);

/* The same for the type `id` of some BTF, which must stay where it is until this returns. */
int type_push_built(lua_State *L, const struct btf *btf, uint32_t id, struct error *err);

/* Pushes the table of a type's field names, by their numbers in the layout; [0] is the type, which
 * so lives as long as they do. */
void type_push_names(lua_State *L, int type);

#pragma GCC visibility pop

#endif
