/* SPDX-License-Identifier: MIT */
#include "insns_text.h"

#include <errno.h>
#include <string.h>

#include "../engine/asm.h"
#include "../engine/asm_forms.h"
#include "../engine/disasm.h"
#include "btf_object.h"
#include "failure.h"
#include "options.h"

#define CLASS "ebpf.text"

/* Pushes a userdata that owns a text. */
static struct text *new_text(lua_State *L)
{
	struct text *text = compat_newuserdata(L, sizeof(*text));

	memset(text, 0, sizeof(*text));
	luaL_setmetatable(L, CLASS);
	return text;
}

static int gc(lua_State *L)
{
	text_free(luaL_checkudata(L, 1, CLASS));
	return 0;
}

/* Pops a text, and pushes what it says. */
static void push_text(lua_State *L, struct text *text)
{
	lua_pushlstring(L, text->bytes ? text->bytes : "", text->size);
	text_free(text);
	lua_remove(L, -2);
}

/* tostring(insns): a line for each instruction, as llvm-objdump and the verifier write them, with
 * functions, labels and lines of source. asm.parse() reads it. */
int insns_text_tostring(lua_State *L)
{
	const struct insns *list = insns_check(L, 1);
	struct text *text = new_text(L);
	struct error err;

	if (disasm(list, text, &err) < 0)
		return luaL_error(L, "%s", err.text);
	push_text(L, text);
	return 1;
}

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *value)
{
	if (!value)
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

/* What the bits of an opcode mean. */
static void set_meaning(lua_State *L, uint8_t code)
{
	static const char *const classes[] = {
		"ld", "ldx", "st", "stx", "alu", "jmp", "jmp32", "alu64"};
	static const char *const alu[16] = {"add", "sub", "mul", "div", "or", "and", "lsh", "rsh",
		"neg", "mod", "xor", "mov", "arsh", "end"};
	static const char *const jumps[16] = {"ja", "jeq", "jgt", "jge", "jset", "jne", "jsgt",
		"jsge", "call", "exit", "jlt", "jle", "jslt", "jsle", "jcond"};
	static const char *const modes[8] = {
		"imm", "abs", "ind", "mem", "memsx", NULL, "atomic", NULL};
	static const uint8_t sizes[4] = {4, 2, 1, 8};
	unsigned int class = code & 7;
	bool compares = code >> 4 && (code >> 4 < 8 || (code >> 4 > 9 && code >> 4 < 14));
	bool is_alu = class == 4 || class == 7;

	set_string(L, "class", classes[class]);
	if (class < 4) {
		set_string(L, "op", modes[code >> 5]);
		set_integer(L, "size", sizes[code >> 3 & 3]);
	} else {
		set_string(L, "op", is_alu ? alu[code >> 4] : jumps[code >> 4]);
		if (is_alu || compares)
			set_string(L, "source", code & 8 ? "reg" : "imm");
	}
}

/* The immediate; of a 64-bit load, the whole value. */
static void set_imm(lua_State *L, const struct insns *list, uint32_t index, struct bpf_insn insn)
{
	uint64_t imm;

	if (!insns_is_load64(list, index)) {
		set_integer(L, "imm", insn.imm);
		return;
	}
	imm = (uint64_t)(uint32_t)insns_get(list, index + 1).imm << 32;
	compat_push_i64(L, (int64_t)(imm | (uint32_t)insn.imm), INT64_EXACT);
	lua_setfield(L, -2, "imm");
}

static void set_symbol(lua_State *L, const struct insns *list, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < list->symbol_count && list->symbols[i].index <= index; i++) {
		if (list->symbols[i].index == index)
			set_string(L, "symbol", insns_name(list, list->symbols[i].name));
	}
}

static void set_line(lua_State *L, const struct insns *list, uint32_t index)
{
	const struct abi_line_info *line = disasm_line(list, index);

	if (!line)
		return;
	lua_createtable(L, 0, 4);
	set_string(L, "text", btf_string(list->types, line->line_off));
	set_string(L, "file", btf_string(list->types, line->file_name_off));
	set_integer(L, "line", line->line_col >> 10);
	set_integer(L, "column", line->line_col & 0x3ff);
	lua_setfield(L, -2, "line");
}

void insns_text_push_slot(lua_State *L, const struct insns *list, uint32_t index)
{
	struct bpf_insn insn = insns_get(list, index);
	const struct insn_ref *ref = insns_find_ref(list, index);
	struct text *text;

	lua_createtable(L, 0, 12);
	set_integer(L, "code", insn.code);
	set_integer(L, "dst", insn.dst_reg);
	set_integer(L, "src", insn.src_reg);
	set_integer(L, "off", insn.off);
	set_imm(L, list, index, insn);
	/* The second slot of a 64-bit load says nothing by itself. */
	if (index && !insn.code && insns_is_load64(list, index - 1))
		return;
	set_meaning(L, insn.code);
	set_symbol(L, list, index);
	set_line(L, list, index);
	if (ref) {
		insns_push_ref(L, list, ref);
		lua_setfield(L, -2, "reference");
	}
	text = new_text(L);
	disasm_insn(list, index, text);
	push_text(L, text);
	lua_setfield(L, -2, "text");
}

/* Pushes a userdata that has the constants of the table on top of the stack, which it leaves there:
 * their names are its keys. */
static void read_constants(lua_State *L, int arg, struct asm_options *options)
{
	struct asm_constant *constants, *constant;
	int table = lua_gettop(L);
	struct compat_integer n;
	uint32_t count = 0;
	const char *wrong;

	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_argerror(L, arg, "field 'constants': a key that is no name");
		count++;
	}
	constants = compat_newuserdata(L, (count + 1) * sizeof(*constants));
	options->constants = constants;
	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
		constant = &constants[options->constant_count++];
		wrong = compat_to_integer(L, -1, &n);
		constant->name = lua_tostring(L, -2);
		if (wrong)
			luaL_argerror(L, arg,
				lua_pushfstring(L, "constant '%s': %s", constant->name, wrong));
		constant->value = n.value;
		constant->is_negative = n.negative;
	}
}

/* What the options say stays on the stack. */
static void read_options(lua_State *L, int arg, struct asm_options *options)
{
	static const char *const names[] = {"constants", "byte_order", "types", NULL};
	const struct btf_object *types;

	options_check(L, arg, "parse option", names);
	options->foreign = insns_check_byte_order(L, arg);
	lua_getfield(L, arg, "types");
	if (!lua_isnil(L, -1)) {
		types = btf_object_test(L, -1);
		if (!types || !types->btf)
			luaL_argerror(L, arg, "field 'types': BTF that is open expected");
		options->types = types->btf;
	}
	lua_getfield(L, arg, "constants");
	if (lua_isnil(L, -1))
		return;
	if (!lua_istable(L, -1))
		luaL_argerror(L, arg, "field 'constants': table expected");
	read_constants(L, arg, options);
}

/*
 * core.insns_parse(text [, options]) -> instructions, or nil, message, errno
 * Options: constants (table: numbers by name), byte_order ("little", "big"; this machine's by
 * default), types (BTF that CO-RE relocations in the text are about). EINVAL: the message begins
 * with the line and the column of what is wrong.
 */
int insns_text_parse(lua_State *L)
{
	struct asm_options options = {0};
	const char *text;
	struct insns *list;
	struct error err;
	size_t size;

	text = luaL_checklstring(L, 1, &size);
	lua_settop(L, 2);
	luaL_checkstack(L, LUA_MINSTACK, "parse instructions");
	if (!lua_isnil(L, 2))
		read_options(L, 2, &options);
	list = insns_new(L);
	if (asm_parse(list, text, size, &options, &err) < 0) {
		error_prefix(&err, "parse instructions");
		return failure_push(L, &err);
	}
	return 1;
}

void insns_text_register(lua_State *L)
{
	if (luaL_newmetatable(L, CLASS)) {
		lua_pushcfunction(L, gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
}
