/* SPDX-License-Identifier: MIT */
#include "btf_type_table.h"

static void set_integer(lua_State *L, const char *field, uint32_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, field);
}

static void set_true(lua_State *L, const char *field, bool value)
{
	if (!value)
		return;
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, field);
}

/* Nothing is set where there is no name. */
static void set_name(lua_State *L, const char *name)
{
	if (!name[0])
		return;
	lua_pushstring(L, name);
	lua_setfield(L, -2, "name");
}

static void set_linkage(lua_State *L, uint32_t linkage)
{
	static const char *const names[] = {"static", "global", "extern"};

	if (linkage < sizeof(names) / sizeof(names[0]))
		lua_pushstring(L, names[linkage]);
	else
		lua_pushinteger(L, (lua_Integer)linkage);
	lua_setfield(L, -2, "linkage");
}

static void set_members(lua_State *L, const struct btf *btf, const struct btf_type *type)
{
	const struct btf_member *member;
	uint32_t count, i, offset, bits;

	member = btf_members(type, &count);
	lua_createtable(L, (int)count, 0);
	for (i = 0; i < count; i++, member++) {
		lua_createtable(L, 0, 4);
		set_name(L, btf_string(btf, member->name_off));
		set_integer(L, "type", member->type);
		btf_member_place(btf, type, member, &offset, &bits);
		set_integer(L, "offset", offset);
		if (bits)
			set_integer(L, "bits", bits);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, "members");
}

static void set_values(lua_State *L, const struct btf *btf, const struct btf_type *type)
{
	bool is_signed = btf_flag(type);
	uint64_t value;
	uint32_t i;

	lua_createtable(L, (int)btf_vlen(type), 0);
	for (i = 0; i < btf_vlen(type); i++) {
		lua_createtable(L, 0, 2);
		set_name(L, btf_enum_name(btf, type, i));
		value = btf_enum_value(type, i);
		/* 32 bits fit a number on each Lua; only enum64 may need more. */
		if (btf_kind(type) == BTF_KIND_ENUM)
			lua_pushinteger(
				L, is_signed ? (lua_Integer)(int32_t)value : (lua_Integer)value);
		else if (is_signed)
			compat_push_i64(L, (int64_t)value, INT64_EXACT);
		else
			compat_push_u64(L, value, INT64_EXACT);
		lua_setfield(L, -2, "value");
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, "values");
	set_true(L, "signed", is_signed);
}

struct param {
	uint32_t name_off;
	uint32_t type;
};

static void set_params(lua_State *L, const struct btf *btf, const struct btf_type *type)
{
	const struct param *param = btf_tail(type);
	uint32_t count = btf_vlen(type), i;

	/* "..." is a last parameter of no type. */
	if (count && !param[count - 1].type) {
		set_true(L, "variadic", true);
		count--;
	}
	lua_createtable(L, (int)count, 0);
	for (i = 0; i < count; i++, param++) {
		lua_createtable(L, 0, 2);
		set_name(L, btf_string(btf, param->name_off));
		set_integer(L, "type", param->type);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, "params");
}

static void set_variables(lua_State *L, const struct btf_type *type)
{
	const struct btf_var_secinfo *var = btf_tail(type);
	uint32_t i;

	lua_createtable(L, (int)btf_vlen(type), 0);
	for (i = 0; i < btf_vlen(type); i++, var++) {
		lua_createtable(L, 0, 3);
		set_integer(L, "type", var->type);
		set_integer(L, "offset", var->offset);
		set_integer(L, "size", var->size);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, "variables");
}

static void set_int(lua_State *L, const struct btf_type *type)
{
	uint32_t encoding = btf_int_encoding(type);

	set_integer(L, "bits", btf_int_bits(type));
	set_true(L, "signed", encoding & BTF_INT_SIGNED);
	set_true(L, "char", encoding & BTF_INT_CHAR);
	set_true(L, "bool", encoding & BTF_INT_BOOL);
}

static void set_array(lua_State *L, const struct btf_type *type)
{
	const struct btf_array *array = btf_tail(type);

	set_integer(L, "type", array->type);
	set_integer(L, "index_type", array->index_type);
	set_integer(L, "count", array->nelems);
}

/* Kinds whose third word is a size, or the id of a type. */
static const uint32_t sized_kinds = BTF_MASK(BTF_KIND_INT) | BTF_MASK(BTF_KIND_STRUCT) |
				    BTF_MASK(BTF_KIND_UNION) | BTF_MASK(BTF_KIND_ENUM) |
				    BTF_MASK(BTF_KIND_ENUM64) | BTF_MASK(BTF_KIND_FLOAT) |
				    BTF_MASK(BTF_KIND_DATASEC);
static const uint32_t referring_kinds = BTF_MASK(BTF_KIND_PTR) | BTF_MASK(BTF_KIND_TYPEDEF) |
					BTF_MASK(BTF_KIND_VOLATILE) | BTF_MASK(BTF_KIND_CONST) |
					BTF_MASK(BTF_KIND_RESTRICT) | BTF_MASK(BTF_KIND_FUNC) |
					BTF_MASK(BTF_KIND_FUNC_PROTO) | BTF_MASK(BTF_KIND_VAR) |
					BTF_MASK(BTF_KIND_DECL_TAG) | BTF_MASK(BTF_KIND_TYPE_TAG);

static void set_details(lua_State *L, const struct btf *btf, const struct btf_type *type)
{
	const uint32_t *word = btf_tail(type);

	switch (btf_kind(type)) {
	case BTF_KIND_INT:
		set_int(L, type);
		break;
	case BTF_KIND_ARRAY:
		set_array(L, type);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		set_members(L, btf, type);
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		set_values(L, btf, type);
		break;
	case BTF_KIND_FWD:
		lua_pushstring(L, btf_flag(type) ? "union" : "struct");
		lua_setfield(L, -2, "of");
		break;
	case BTF_KIND_FUNC:
		set_linkage(L, btf_vlen(type));
		break;
	case BTF_KIND_FUNC_PROTO:
		set_params(L, btf, type);
		break;
	case BTF_KIND_VAR:
		set_linkage(L, *word);
		break;
	case BTF_KIND_DATASEC:
		set_variables(L, type);
		break;
	case BTF_KIND_DECL_TAG:
		if (*word != UINT32_MAX)
			set_integer(L, "component", *word);
		break;
	default:
		break;
	}
}

void btf_type_table_push(lua_State *L, const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf_type(btf, id);
	uint32_t kind = btf_kind(type);

	luaL_checkstack(L, 8, "type");
	lua_createtable(L, 0, 6);
	set_integer(L, "id", id);
	lua_pushstring(L, btf_kind_name(kind));
	lua_setfield(L, -2, "kind");
	set_name(L, btf_name(btf, type));
	if (sized_kinds >> kind & 1)
		set_integer(L, "size", type->size);
	if (referring_kinds >> kind & 1)
		set_integer(L, "type", type->size);
	set_details(L, btf, type);
}
