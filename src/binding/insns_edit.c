/* SPDX-License-Identifier: MIT */
#include "insns_edit.h"

#include <errno.h>
#include <string.h>

#include "../engine/asm.h"
#include "../engine/asm_forms.h"
#include "../engine/insn_edit.h"
#include "failure.h"
#include "options.h"

/* The integer field `name` of the table at `arg`, within `size` bytes signed; 0 when it is nil. */
static int64_t read_signed(lua_State *L, int table, int arg, const char *name, size_t size)
{
	struct compat_integer n = {0};
	const char *wrong = NULL;

	lua_getfield(L, table, name);
	if (!lua_isnil(L, -1)) {
		wrong = compat_to_integer(L, -1, &n);
		if (!wrong && !compat_is_signed(&n, size) &&
			!(size == sizeof(uint64_t) && !n.negative))
			wrong = "out of range";
	}
	if (wrong)
		luaL_argerror(L, arg, lua_pushfstring(L, "field '%s': %s", name, wrong));
	lua_pop(L, 1);
	return (int64_t)n.value;
}

static enum insn_ref_kind read_kind(lua_State *L, int table, int arg)
{
	const char *given;
	int kind;

	lua_getfield(L, table, "kind");
	given = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	for (kind = 0; kind < INSN_REF_KINDS; kind++) {
		if (strcmp(given, asm_ref_kinds[kind]) == 0)
			break;
	}
	if (kind == INSN_REF_KINDS)
		luaL_argerror(L, arg, "field 'reference': its kind is none");
	lua_pop(L, 1);
	return (enum insn_ref_kind)kind;
}

/* The field `reference` of the table at `table`, as insns[i] has it, for the instruction `index`. */
static int read_reference(
	lua_State *L, struct insns *list, uint32_t index, int table, int arg, struct error *err)
{
	enum insn_ref_kind kind;
	const char *name;
	uint32_t offset;
	int ret;

	lua_getfield(L, table, "reference");
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return 0;
	}
	if (!lua_istable(L, -1))
		luaL_argerror(L, arg, "field 'reference': table expected");
	table = lua_gettop(L);
	kind = read_kind(L, table, arg);
	offset = (uint32_t)options_unsigned(L, table, "offset", UINT32_MAX, 0);
	lua_getfield(L, table, "name");
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_argerror(L, arg, "field 'reference': its name is no string");
	name = lua_tostring(L, -1);
	ret = insns_add_ref(list, index, kind, name, offset, err);
	lua_getfield(L, table, "resolved");
	if (ret == 0)
		list->refs[list->ref_count - 1].resolved = (uint8_t)lua_toboolean(L, -1);
	lua_settop(L, table - 1);
	return ret;
}

/* Appends the instruction that the table at `arg` describes as insns[i] does. */
static int read_slot(lua_State *L, struct insns *list, int arg, struct error *err)
{
	static const char *const names[] = {"code", "dst", "src", "off", "imm", "reference", "text",
		"class", "op", "size", "source", "symbol", "line", NULL};
	static const struct bpf_insn empty[2];
	struct bpf_insn insn = {0};
	uint32_t index = list->count;
	bool is_wide;
	int64_t imm;

	options_check(L, arg, "instruction", names);
	insn.code = (uint8_t)options_unsigned(L, arg, "code", UINT8_MAX, 0);
	insn.dst_reg = options_unsigned(L, arg, "dst", 15, 0) & 15;
	insn.src_reg = options_unsigned(L, arg, "src", 15, 0) & 15;
	insn.off = (int16_t)read_signed(L, arg, arg, "off", sizeof(insn.off));
	is_wide = insn.code == BPF_LD_IMM64;
	imm = read_signed(L, arg, arg, "imm", is_wide ? sizeof(imm) : sizeof(insn.imm));
	insn.imm = (int32_t)(uint32_t)imm;
	if (insns_append(list, empty, is_wide ? 2 : 1, err) < 0)
		return -1;
	insns_set(list, index, insn);
	if (is_wide)
		insns_set(list, index + 1,
			(struct bpf_insn){.imm = (int32_t)(uint32_t)((uint64_t)imm >> 32)});
	return read_reference(L, list, index, arg, arg, err);
}

/* What is to be put in: the instructions at `arg`, or those that text or a table makes, in the byte
 * order of `list`. Leaves them on the stack. */
static const struct insns *push_given(
	lua_State *L, const struct insns *list, int arg, struct error *err)
{
	struct asm_options options = {.foreign = list->foreign};
	struct insns *made;
	const char *text;
	size_t size;
	int ret;

	if (insns_test(L, arg)) {
		lua_pushvalue(L, arg);
		return insns_check(L, arg);
	}
	if (lua_type(L, arg) != LUA_TSTRING && !lua_istable(L, arg))
		luaL_argerror(L, arg, "instructions, text, or a table that describes one expected");
	made = insns_new(L);
	made->foreign = list->foreign;
	if (lua_istable(L, arg)) {
		ret = read_slot(L, made, arg, err);
	} else {
		text = lua_tolstring(L, arg, &size);
		ret = asm_parse(made, text, size, &options, err);
	}
	return ret < 0 ? NULL : made;
}

/* Puts the instructions on top of the stack into the list at 1, and returns what a method does. On
 * failure nothing has changed. */
static int splice(lua_State *L, uint32_t at, uint32_t removed, struct error *err)
{
	struct insns *list = insns_check(L, 1), *made, old;
	int given = lua_gettop(L);

	made = insns_new(L);
	if (insns_merge_maps(L, given + 1, 1, err) < 0 ||
		insns_merge_maps(L, given + 1, given, err) < 0 ||
		insns_splice(made, list, at, removed, lua_touserdata(L, given), err) < 0) {
		error_prefix(err, "edit instructions");
		return failure_push(L, err);
	}
	old = *list;
	*list = *made;
	*made = old; /* freed when it is collected */
	compat_getuservalue(L, given + 1);
	compat_setuservalue(L, 1);
	lua_pushboolean(L, 1);
	return 1;
}

/* The argument as an index from 0, below `limit`. */
static uint32_t check_index(lua_State *L, int arg, uint32_t limit)
{
	uint64_t index = compat_check_unsigned(L, arg, UINT32_MAX);

	luaL_argcheck(L, index >= 1 && index <= limit, arg, "index out of range");
	return (uint32_t)index - 1;
}

/* How many slots are to go: the argument, or those of the instruction at an index. */
static uint32_t check_count(lua_State *L, int arg, const struct insns *list, uint32_t index)
{
	uint64_t count;

	if (lua_isnoneornil(L, arg))
		return insns_length(list, index);
	count = compat_check_unsigned(L, arg, UINT32_MAX);
	luaL_argcheck(L, count <= list->count - index, arg, "more slots than there are");
	return (uint32_t)count;
}

static int edit(lua_State *L, uint32_t at, uint32_t removed, int arg)
{
	struct error err;

	if (!push_given(L, insns_check(L, 1), arg, &err)) {
		error_prefix(&err, "edit instructions");
		return failure_push(L, &err);
	}
	return splice(L, at, removed, &err);
}

/* insns:insert(i, code) -> true, or nil, message, errno
 * Puts instructions in front of slot i; #insns + 1 is behind the last one. What led there leads to
 * them. `code` is instructions, text as of asm.parse(), or a table as insns[i] gives. */
int insns_edit_insert(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);

	return edit(L, check_index(L, 2, list->count + 1), 0, 3);
}

/* insns:append(code): puts them behind the last one. */
int insns_edit_append(lua_State *L)
{
	return edit(L, insns_check(L, 1)->count, 0, 2);
}

/* insns:replace(i, code [, n]): puts them in the place of n slots from i on, or of the instruction
 * there. */
int insns_edit_replace(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);
	uint32_t at = check_index(L, 2, list->count);

	return edit(L, at, check_count(L, 4, list, at), 3);
}

/* insns:remove(i [, n]): takes away n slots, or the instruction there. */
int insns_edit_remove(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);
	uint32_t at = check_index(L, 2, list->count);
	uint32_t count = check_count(L, 3, list, at);
	struct error err;

	insns_new(L)->foreign = list->foreign;
	return splice(L, at, count, &err);
}
