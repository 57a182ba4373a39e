/* SPDX-License-Identifier: MIT */
/* A value inside a value, found by how Lua would write it: "key.addr", "args[2]". */
#ifndef EBPF_LAYOUT_PATH_H
#define EBPF_LAYOUT_PATH_H

#include "layout.h"

#pragma GCC visibility push(hidden)

/*
 * Finds the field at `path` of the type at the root of `layout`: elements of arrays count from 1,
 * bytes of char and u8 arrays are integers. *node is the field's, with its offset from the start of
 * the whole value. 0, or -1 with an error that names what is missing.
 */
int layout_find(
	const struct layout *layout, const char *path, struct layout_node *node, struct error *err);

#pragma GCC visibility pop

#endif
