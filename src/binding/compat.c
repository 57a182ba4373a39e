/* SPDX-License-Identifier: MIT */
#include "compat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if LUA_VERSION_NUM < 502

void compat_setfuncs(lua_State *L, const luaL_Reg *list, int upvalues)
{
	int i;

	luaL_checkstack(L, upvalues + 1, "too many upvalues");
	for (; list->name; list++) {
		for (i = 0; i < upvalues; i++)
			lua_pushvalue(L, -upvalues);
		lua_pushcclosure(L, list->func, upvalues);
		lua_setfield(L, -(upvalues + 2), list->name);
	}
	lua_pop(L, upvalues);
}

void *compat_testudata(lua_State *L, int index, const char *name)
{
	void *p = lua_touserdata(L, index);
	int same;

	if (!p || !lua_getmetatable(L, index))
		return NULL;
	luaL_getmetatable(L, name);
	same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same ? p : NULL;
}

int compat_absindex(lua_State *L, int index)
{
	return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

const char *compat_tolstring(lua_State *L, int index, size_t *size)
{
	if (!luaL_callmeta(L, index, "__tostring")) {
		switch (lua_type(L, index)) {
		case LUA_TNUMBER:
		case LUA_TSTRING:
			lua_pushvalue(L, index);
			break;
		case LUA_TBOOLEAN:
			lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
			break;
		case LUA_TNIL:
			lua_pushliteral(L, "nil");
			break;
		default:
			lua_pushfstring(
				L, "%s: %p", luaL_typename(L, index), lua_topointer(L, index));
		}
	}
	return lua_tolstring(L, -1, size);
}

#endif

/* What a double holds exactly, both ways. */
#define EXACT_MAX (UINT64_C(1) << 53)

/* Reads a whole decimal or 0x string; returns what is wrong with it, or NULL. */
static const char *string_to_integer(const char *s, size_t size, struct compat_integer *out)
{
	uint64_t base = 10, n = 0, digit;
	bool negative = *s == '-';
	const char *p = s + negative;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	if (!*p)
		return "string is not an integer";
	for (; *p; p++) {
		if (*p >= '0' && *p <= '9')
			digit = (uint64_t)(*p - '0');
		else if (base == 16 && (*p | 32) >= 'a' && (*p | 32) <= 'f')
			digit = (uint64_t)((*p | 32) - 'a') + 10;
		else
			return "string is not an integer";
		if (n > (UINT64_MAX - digit) / base)
			return "integer needs more than 64 bits";
		n = n * base + digit;
	}
	if ((size_t)(p - s) != size)
		return "string is not an integer";
	if (negative && n > UINT64_C(1) << 63)
		return "integer needs more than 64 bits";
	*out = (struct compat_integer){negative ? 0 - n : n, negative && n, false};
	return NULL;
}

static const char *double_to_integer(double d, struct compat_integer *out)
{
	if (d != d || d - d != 0)
		return "number has no integer representation";
	if (d > (double)EXACT_MAX || d < -(double)EXACT_MAX)
		return "number beyond 2^53 is not exact; give a string of digits or a 64-bit "
		       "integer";
	if ((double)(int64_t)d != d)
		return "number has no integer representation";
	*out = (struct compat_integer){(uint64_t)(int64_t)d, d < 0, false};
	return NULL;
}

#if LUA_VERSION_NUM >= 503

void compat_open(lua_State *L)
{
	luaL_checkversion(L);
}

static const char *number_to_integer(lua_State *L, int index, struct compat_integer *out)
{
	lua_Integer i = lua_tointeger(L, index);

	if (!lua_isinteger(L, index))
		return double_to_integer(lua_tonumber(L, index), out);
	*out = (struct compat_integer){(uint64_t)i, i < 0, true};
	return NULL;
}

static const char *cdata_to_integer(lua_State *L, int index, struct compat_integer *out)
{
	(void)L;
	(void)index;
	(void)out;
	return "integer expected";
}

void compat_push_digits(lua_State *L, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
}

#else

/* Not in lua.h of PUC 5.1; LuaJIT's cdata has had this type tag since 2.0. */
enum { TYPE_CDATA = 10 };

/* Registry slots: constructors of uint64_t and int64_t, and predicates for both; nil on PUC. They
 * are numbers far from luaL_ref()'s, as a string would be hashed for each value. */
enum { NEW_U64 = 0x65627066, NEW_I64, IS_U64, IS_I64 };

static const char ffi_setup[] = "local ok, ffi = pcall(require, 'ffi')\n"
				"if not ok then return end\n"
				"local u, i = ffi.typeof'uint64_t', ffi.typeof'int64_t'\n"
				"local is = ffi.istype\n"
				"return u, i, function(v) return is(u, v) end,\n"
				"  function(v) return is(i, v) end\n";

void compat_open(lua_State *L)
{
	int base = lua_gettop(L);
	int i;

	lua_getglobal(L, "jit");
	if (lua_istable(L, -1) && luaL_loadstring(L, ffi_setup) == 0) {
		lua_call(L, 0, 4);
		for (i = 0; i < 4; i++) {
			lua_pushvalue(L, base + 2 + i);
			lua_rawseti(L, LUA_REGISTRYINDEX, NEW_U64 + i);
		}
	}
	lua_settop(L, base);
}

/* Pushes cdata of `constructor` holding `value`; false where there is no such thing. cdata's
 * payload is what lua_topointer() gives: there is no other C interface to it. */
static bool push_cdata(lua_State *L, int constructor, uint64_t value)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, constructor);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return false;
	}
	lua_call(L, 0, 1);
	memcpy((void *)(uintptr_t)lua_topointer(L, -1), &value, sizeof(value));
	return true;
}

/* Whether a double holds the value: its significant bits span at most 53 places. */
static bool is_exact(uint64_t value)
{
	return value < EXACT_MAX || value >> __builtin_ctzll(value) < EXACT_MAX;
}

void compat_push_u64(lua_State *L, uint64_t value, enum int64_mode mode)
{
	char text[32];

	if (mode == INT64_EXACT && push_cdata(L, NEW_U64, value))
		return;
	if (mode != INT64_DOUBLE && !is_exact(value)) {
		snprintf(text, sizeof(text), "%" PRIu64, value);
		luaL_error(L, "value %s is not exact as a Lua number", text);
	}
	lua_pushnumber(L, (lua_Number)value);
}

void compat_push_digits(lua_State *L, uint64_t value)
{
	char text[32];

	if (push_cdata(L, NEW_U64, value))
		return;
	if (is_exact(value)) {
		lua_pushnumber(L, (lua_Number)value);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, value);
	lua_pushstring(L, text);
}

void compat_push_i64(lua_State *L, int64_t value, enum int64_mode mode)
{
	char text[32];

	if (mode == INT64_EXACT && push_cdata(L, NEW_I64, (uint64_t)value))
		return;
	if (mode != INT64_DOUBLE && !is_exact(value < 0 ? -(uint64_t)value : (uint64_t)value)) {
		snprintf(text, sizeof(text), "%" PRId64, value);
		luaL_error(L, "value %s is not exact as a Lua number", text);
	}
	lua_pushnumber(L, (lua_Number)value);
}

bool compat_natural(lua_State *L, int index, uint64_t *value)
{
	double d;

	if (lua_type(L, index) != LUA_TNUMBER)
		return false;
	d = lua_tonumber(L, index);
	if (!(d >= 0 && d <= (double)EXACT_MAX))
		return false;
	*value = (uint64_t)d;
	return (double)*value == d;
}

static const char *number_to_integer(lua_State *L, int index, struct compat_integer *out)
{
	return double_to_integer(lua_tonumber(L, index), out);
}

static bool is_cdata(lua_State *L, int index, int predicate)
{
	bool is;

	lua_rawgeti(L, LUA_REGISTRYINDEX, predicate);
	lua_pushvalue(L, index);
	lua_call(L, 1, 1);
	is = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return is;
}

static const char *cdata_to_integer(lua_State *L, int index, struct compat_integer *out)
{
	bool is_signed;

	index = lua_absindex(L, index);
	if (lua_type(L, index) != TYPE_CDATA)
		return "integer expected";
	is_signed = is_cdata(L, index, IS_I64);
	if (!is_signed && !is_cdata(L, index, IS_U64))
		return "cdata is neither uint64_t nor int64_t";
	memcpy(&out->value, lua_topointer(L, index), sizeof(out->value));
	out->negative = is_signed && (int64_t)out->value < 0;
	out->wraps = false;
	return NULL;
}

#endif

const char *compat_to_integer(lua_State *L, int index, struct compat_integer *n)
{
	const char *s;
	size_t size;

	switch (lua_type(L, index)) {
	case LUA_TNUMBER:
		return number_to_integer(L, index, n);
	case LUA_TSTRING:
		s = lua_tolstring(L, index, &size);
		return string_to_integer(s, size, n);
	default:
		return cdata_to_integer(L, index, n);
	}
}

bool compat_is_unsigned(const struct compat_integer *n, uint64_t max)
{
	return n->value <= max && (!n->negative || n->wraps);
}

bool compat_is_signed(const struct compat_integer *n, size_t size)
{
	uint64_t limit = UINT64_C(1) << (size * 8 - 1);

	return n->negative ? n->value >= 0 - limit : n->value < limit;
}

uint64_t compat_check_unsigned(lua_State *L, int arg, uint64_t max)
{
	struct compat_integer n;
	const char *wrong;
	char text[80];

	wrong = compat_to_integer(L, arg, &n);
	if (!wrong && !compat_is_unsigned(&n, max)) {
		snprintf(
			text, sizeof(text), "integer out of range, 0 to %" PRIu64 " expected", max);
		wrong = text;
	}
	if (wrong)
		luaL_argerror(L, arg, wrong);
	return n.value;
}

void *compat_newuserdata(lua_State *L, size_t size)
{
#if LUA_VERSION_NUM >= 504
	return lua_newuserdatauv(L, size, 1);
#else
	return lua_newuserdata(L, size);
#endif
}

void compat_setuservalue(lua_State *L, int index)
{
#if LUA_VERSION_NUM >= 504
	lua_setiuservalue(L, index, 1);
#elif LUA_VERSION_NUM >= 502
	lua_setuservalue(L, index);
#else
	lua_setfenv(L, index);
#endif
}

void compat_getuservalue(lua_State *L, int index)
{
#if LUA_VERSION_NUM >= 504
	lua_getiuservalue(L, index, 1);
#elif LUA_VERSION_NUM >= 502
	lua_getuservalue(L, index);
#else
	lua_getfenv(L, index);
#endif
}

int compat_return_iterator(lua_State *L, int closing)
{
#if LUA_VERSION_NUM >= 504
	closing = lua_absindex(L, closing);
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushvalue(L, closing);
	return 4;
#else
	(void)closing;
	(void)L;
	return 1;
#endif
}
