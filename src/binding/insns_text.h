/* SPDX-License-Identifier: MIT */
/* Instructions as text, and one of them as a table. */
#ifndef EBPF_INSNS_TEXT_H
#define EBPF_INSNS_TEXT_H

#include "insns.h"

#pragma GCC visibility push(hidden)

/* The function tostring() of the class. */
int insns_text_tostring(lua_State *L);

/* core.insns_parse(text [, options]) */
int insns_text_parse(lua_State *L);

/* Pushes a table that describes the slot at an index. */
void insns_text_push_slot(lua_State *L, const struct insns *list, uint32_t index);

/* Makes the class of text in the making. */
void insns_text_register(lua_State *L);

#pragma GCC visibility pop

#endif
