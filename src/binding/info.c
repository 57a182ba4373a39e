/* SPDX-License-Identifier: MIT */
#include "info.h"

#include <stdio.h>
#include <string.h>

#include "../engine/abi_info.h"
#include "options.h"

static const size_t sizes[] = {
	[INFO_U32] = sizeof(uint32_t),
	[INFO_I32] = sizeof(int32_t),
	[INFO_U64] = sizeof(uint64_t),
	[INFO_LATE] = sizeof(uint64_t),
	[INFO_NAMED] = sizeof(uint32_t),
	[INFO_FLAG] = sizeof(uint32_t),
	[INFO_NAME] = BPF_OBJ_NAME_LEN,
	[INFO_TAG] = BPF_TAG_SIZE,
};

void info_set_integer(lua_State *L, const char *name, uint32_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, name);
}

void info_set_u64(lua_State *L, const char *name, uint64_t value)
{
	compat_push_digits(L, value);
	lua_setfield(L, -2, name);
}

void info_set_string(lua_State *L, const char *name, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

void info_set_named(lua_State *L, const char *name, const struct names_table *table, uint32_t value)
{
	options_push_name(L, table, value);
	lua_setfield(L, -2, name);
}

static void push_tag(lua_State *L, const unsigned char *tag)
{
	char text[2 * BPF_TAG_SIZE + 1];
	int i;

	for (i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", tag[i]);
	lua_pushstring(L, text);
}

static void push_field(lua_State *L, const struct info_field *field, const char *at)
{
	uint64_t wide = 0;
	uint32_t value = 0;

	if (field->kind == INFO_U64 || field->kind == INFO_LATE)
		memcpy(&wide, at, sizeof(wide));
	else if (field->kind != INFO_NAME && field->kind != INFO_TAG)
		memcpy(&value, at, sizeof(value));
	switch (field->kind) {
	case INFO_U32:
		lua_pushinteger(L, (lua_Integer)value);
		break;
	case INFO_I32:
		lua_pushinteger(L, (lua_Integer)(int32_t)value);
		break;
	case INFO_U64:
		compat_push_digits(L, wide);
		break;
	case INFO_LATE:
		if (wide)
			compat_push_digits(L, wide);
		else
			lua_pushnil(L);
		break;
	case INFO_NAMED:
		options_push_name(L, field->names, value);
		break;
	case INFO_FLAG:
		lua_pushboolean(L, value != 0);
		break;
	case INFO_NAME:
		lua_pushlstring(L, at, strnlen(at, BPF_OBJ_NAME_LEN));
		break;
	case INFO_TAG:
		push_tag(L, (const unsigned char *)at);
		break;
	}
}

void info_set(lua_State *L, const struct info_field *fields, const void *info, size_t known)
{
	const struct info_field *field;

	for (field = fields; field->name; field++) {
		if (known < field->offset + sizes[field->kind])
			continue;
		push_field(L, field, (const char *)info + field->offset);
		lua_setfield(L, -2, field->name);
	}
}
