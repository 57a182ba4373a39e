/* SPDX-License-Identifier: MIT */
/*
 * What those who read samples and those who send them have in common: what samples are, and maps
 * that were handed over to them. Their user value is a table of both.
 */
#ifndef EBPF_BINDING_SAMPLES_H
#define EBPF_BINDING_SAMPLES_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* Reads the options `type` and `int64`, and `own` for the maps in the array at `maps`; makes the user
 * value of the userdata on top of the stack. */
struct codec samples_configure(lua_State *L, int options, int maps);

/* Closes the maps that were handed over to the userdata at `index`. Allocates nothing. */
void samples_close_maps(lua_State *L, int index);

#pragma GCC visibility pop

#endif
