/* SPDX-License-Identifier: MIT */
/* Tables of options and of specs: fields are read by name, checked, and unknown names refused. */
#ifndef EBPF_OPTIONS_H
#define EBPF_OPTIONS_H

#include "../engine/names.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

/* Raises when the table at `arg` has a key that `names` (ended by NULL) does not list. `what`
 * says what the table is: "map spec". */
void options_check(lua_State *L, int arg, const char *what, const char *const *names);

/* The unsigned field `name` of the table at `arg`, at most `max`; `fallback` when it is nil. */
uint64_t options_unsigned(lua_State *L, int arg, const char *name, uint64_t max, uint64_t fallback);

/* The boolean field; anything else than nil, true and false raises. */
bool options_boolean(lua_State *L, int arg, const char *name, bool fallback);

/* Pushes the string field and returns it, or pushes nil and returns NULL. */
const char *options_string(lua_State *L, int arg, const char *name);

/* The field as a name of `table` or a plain number; raises on unknown names. */
uint32_t options_name(lua_State *L, int arg, const char *name, const struct names_table *table,
	uint32_t fallback);

/* Pushes the name of `id`, or the number itself where the table knows none. */
void options_push_name(lua_State *L, const struct names_table *table, uint32_t id);

#pragma GCC visibility pop

#endif
