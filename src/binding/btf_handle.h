/* SPDX-License-Identifier: MIT */
/*
 * The BTF of objects on its way into the kernel: each handle owns the fd of one BTF there. They
 * stand in a table that lasts as long as a load: what is loaded together shares them, and the
 * kernel keeps what it needs after they are closed.
 */
#ifndef EBPF_BTF_HANDLE_H
#define EBPF_BTF_HANDLE_H

#include "../engine/btf.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

struct btf_handle {
	struct handle handle; /* -1: the kernel takes none of it */
	struct btf *types;
	uint32_t lost; /* of btf_upload() */
};

/* Makes a table of handles of stack slot `index`, if it is nil. Returns whether it was: then
 * btf_handle_close_all() is due. */
bool btf_handle_table(lua_State *L, int index);
void btf_handle_close_all(lua_State *L, int index);

/* The handle of `types` in the table at `index`, put there and into the kernel at the first call;
 * it is good for as long as the table. Something else must hold `types` meanwhile. NULL with an error
 * when file descriptors ran out, or the token in the table is closed. A kernel that refuses BTF, or
 * this one, gives a closed handle: most can be loaded without. */
const struct btf_handle *btf_handle_open(
	lua_State *L, int index, struct btf *types, struct error *err);

/* The same for the BTF of a module of the running kernel, by its name: NULL with an error where it
 * cannot be had. */
const struct btf_handle *btf_handle_open_module(
	lua_State *L, int index, const char *module, struct error *err);

#pragma GCC visibility pop

#endif
