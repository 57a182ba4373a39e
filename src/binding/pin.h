/* SPDX-License-Identifier: MIT */
/*
 * Pins in the BPF file system, the same for maps, programs and links. The userdata at stack
 * index 1 begins with a struct handle, and its user value is a table, where the path of the pin
 * is kept as "pinned".
 */
#ifndef EBPF_PIN_H
#define EBPF_PIN_H

#include "../engine/error.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

/*
 * Bodies of methods: object:pin(path), object:unpin(), object:is_pinned(). Messages name the
 * object by the string "name" of the user value, when there is one: map "events".
 *
 * pin(path) -> true, or nil, message, errno. Pinning again under another path moves the pin, and
 * replaces nothing (EEXIST). EINVAL: the path is not in a BPF file system.
 * unpin() -> true, or nil, message, errno. True also when it is not pinned (any more).
 * is_pinned() -> whether this userdata was pinned, or opened from a pin, and the path of that pin
 * or nil; the file is not looked at.
 */
int pin_pin(lua_State *L, const struct handle_class *class);
int pin_unpin(lua_State *L, const struct handle_class *class);
int pin_is_pinned(lua_State *L, const struct handle_class *class);

/*
 * Opens the object pinned at the path at stack index `arg` into `handle`, a closed one of `class`,
 * and remembers the path as its pin: the userdata is on top of the stack. 0, or -1 with an error,
 * also when what is pinned there is of another kind.
 */
int pin_open(lua_State *L, int arg, struct handle *handle, const struct handle_class *class,
	uint32_t file_flags, struct error *err);

#pragma GCC visibility pop

#endif
