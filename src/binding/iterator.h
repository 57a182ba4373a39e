/* SPDX-License-Identifier: MIT */
/* A walk of an iterator program over the kernel's objects, as userdata with the output to read. */
#ifndef EBPF_ITERATOR_H
#define EBPF_ITERATOR_H

#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes a new walk of that link; or nil, message, errno. */
int iterator_push(lua_State *L, int link_fd);

void iterator_register(lua_State *L);

#pragma GCC visibility pop

#endif
