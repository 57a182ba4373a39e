/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int failure_push(lua_State *L, const struct error *err)
{
	lua_pushnil(L);
	lua_pushstring(L, err->text);
	if (err->code)
		lua_pushinteger(L, err->code);
	else
		lua_pushnil(L);
	return 3;
}

int failure_errno(lua_State *L, int code, const char *format, ...)
{
	char what[ERROR_TEXT_SIZE];
	struct error err;
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	error_errno(&err, code, "%s", what);
	return failure_push(L, &err);
}

void failure_push_errnos(lua_State *L)
{
	const struct error_errno *e;

	lua_newtable(L);
	for (e = error_errnos; e->name; e++) {
		lua_pushinteger(L, e->code);
		lua_setfield(L, -2, e->name);
	}
}
