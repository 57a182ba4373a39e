/* SPDX-License-Identifier: MIT */
/* What the kernel tells of an object: out of a struct into a table of Lua, as lists of fields say. */
#ifndef EBPF_INFO_H
#define EBPF_INFO_H

#include "../engine/names.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

enum info_kind {
	INFO_U32,
	INFO_I32,
	INFO_U64,
	INFO_LATE, /* u64 that came later than what lies behind it: 0 may mean that it is not told */
	INFO_NAMED, /* u32: its name in a table of names, or the number */
	INFO_FLAG, /* u32: whether it is not 0 */
	INFO_NAME, /* char[BPF_OBJ_NAME_LEN], up to NUL */
	INFO_TAG, /* BPF_TAG_SIZE bytes, in hex */
};

/* Ended by a NULL name. */
struct info_field {
	const char *name;
	size_t offset;
	enum info_kind kind;
	const struct names_table *names;
};

/* Sets those fields of the table on top that lie within the first `known` bytes of `info`. */
void info_set(lua_State *L, const struct info_field *fields, const void *info, size_t known);

void info_set_integer(lua_State *L, const char *name, uint32_t value);
void info_set_u64(lua_State *L, const char *name, uint64_t value);
void info_set_string(lua_State *L, const char *name, const char *value);
void info_set_named(
	lua_State *L, const char *name, const struct names_table *table, uint32_t value);

#pragma GCC visibility pop

#endif
