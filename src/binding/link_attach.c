/* SPDX-License-Identifier: MIT */
#include "link_attach.h"

#include <errno.h>
#include <string.h>

#include "failure.h"
#include "link.h"
#include "options.h"
#include "rooms.h"

int link_attach_field_error(lua_State *L, const char *name, const char *wrong)
{
	return luaL_argerror(L, 1, lua_pushfstring(L, "field '%s': %s", name, wrong));
}

const char *link_attach_optional_string(lua_State *L, const char *name)
{
	const char *text = options_string(L, 1, name);

	if (text && strlen(text) != lua_rawlen(L, -1))
		link_attach_field_error(L, name, "string contains zeros");
	return text;
}

const char *link_attach_string(lua_State *L, const char *name)
{
	const char *text = link_attach_optional_string(L, name);

	if (!text)
		link_attach_field_error(L, name, "string expected");
	return text;
}

struct program *link_attach_program(lua_State *L, uint32_t type, uint32_t other)
{
	struct program *program;

	lua_getfield(L, 1, "program");
	program = handle_test(L, -1, &program_class);
	if (!program)
		link_attach_field_error(L, "program", "Program expected");
	if (program->type != type && program->type != other) {
		options_push_name(L, &names_prog_types, program->type);
		link_attach_field_error(L, "program",
			lua_pushfstring(L, "program of type %s expected, this is of type %s",
				names_of(&names_prog_types, type), lua_tostring(L, -1)));
	}
	return program;
}

int link_attach_pid(lua_State *L)
{
	bool is_there;

	lua_getfield(L, 1, "pid");
	is_there = !lua_isnil(L, -1);
	lua_pop(L, 1);
	return is_there ? (int)options_unsigned(L, 1, "pid", INT32_MAX, 0) : -1;
}

void link_attach_numbers(
	lua_State *L, const char *name, uint64_t max, uint64_t *out, uint32_t count)
{
	struct compat_integer n;
	const char *wrong;
	uint32_t i;

	lua_getfield(L, 1, name);
	if (!lua_isnil(L, -1) && (!lua_istable(L, -1) || lua_rawlen(L, -1) != count))
		link_attach_field_error(
			L, name, "array of as many numbers as there are offsets expected");
	for (i = 0; lua_istable(L, -1) && i < count; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		wrong = compat_to_integer(L, -1, &n);
		if (!wrong && !compat_is_unsigned(&n, max))
			wrong = "integer out of range";
		if (wrong)
			link_attach_field_error(L, name, wrong);
		out[i] = n.value;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Attaches one part. Collecting garbage may run code that closes the program. */
static int attach_part(lua_State *L, const struct program *program, const struct link_kind *kind,
	const void *target, uint32_t part, struct attach_hold *hold, struct error *err)
{
	int attempt, ret = -1;

	for (attempt = 0; ret < 0 && attempt < 2; attempt++) {
		memset(hold, 0, sizeof(*hold));
		hold->fd = -1;
		if (program->handle.fd < 0)
			return error_set(err, EBADF, "the program is closed");
		ret = kind->open(target, part, program->handle.fd, hold, err);
		if (ret < 0 && !handle_reclaimed(L, -err->code))
			break;
	}
	return ret;
}

int link_attach_failed(lua_State *L, int index, struct error *err)
{
	const char *name = program_push_string(L, index, "name");

	error_prefix(err, "attach \"%s\"", name ? name : "");
	return failure_push(L, err);
}

int link_attach(
	lua_State *L, int index, const struct link_kind *kind, const void *target, uint32_t parts)
{
	struct program *program = lua_touserdata(L, index);
	struct link *link = link_push(L, kind->name);
	struct attach_hold hold;
	struct error err = {0};
	uint32_t part;
	int ret;

	lua_pushvalue(L, -2);
	link_set_name(L, -2);
	if (program->handle.fd < 0)
		return handle_closed(L, &program_class);
	ret = link_reserve(link, parts, &err);
	for (part = 0; ret == 0 && part < parts; part++) {
		ret = attach_part(L, program, kind, target, part, &hold, &err);
		if (ret == 0)
			link_hold(link, part, &hold);
	}
	if (ret == 0)
		return 1;
	link_release(link);
	return link_attach_failed(L, index, &err);
}
