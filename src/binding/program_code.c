/* SPDX-License-Identifier: MIT */
/* The code of a loaded program: p:instructions(), p:lines(), p:jited(). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engine/btf.h"
#include "../engine/probe.h"
#include "../engine/xlated.h"
#include "btf_object.h"
#include "failure.h"
#include "info.h"
#include "insns.h"
#include "program.h"
#include "program_info.h"

enum { LINE_BITS = 10 };

/* Pushes an object with the program's BTF, closed where there is none or it may not be opened. */
static struct btf *push_btf(lua_State *L, const struct prog_info *info)
{
	struct btf_object *object = btf_object_new(L, "program");
	struct error ignored;

	if (info->kernel.btf_id)
		btf_load_by_id(&object->btf, NULL, info->kernel.btf_id, &ignored);
	return object->btf;
}

/* nil, message, errno: the kernel does not give what was asked for. */
static int withheld(lua_State *L, const char *what, bool hidden)
{
	struct error err;

	error_errno(
		&err, EPERM, "read %s of program \"%s\"", what, program_push_string(L, 1, "name"));
	if (hidden)
		error_append(&err, ": the sysctls kernel.kptr_restrict and net.core.bpf_jit_harden "
				   "hide them");
	else
		probe_explain_privilege(&err, PROBE_BPF);
	return failure_push(L, &err);
}

/* The name of function `index`: out of the BTF, or the program's. */
static const char *function_name(lua_State *L, const struct prog_info *info, const struct btf *btf,
	uint32_t index, char *out, size_t size)
{
	const struct abi_func_info *funcs = info->arrays[PROG_INFO_FUNCS];
	const char *name = "";

	if (btf && index < info->counts[PROG_INFO_FUNCS])
		name = btf_name(btf, btf_type(btf, funcs[index].type_id));
	if (*name) {
		snprintf(out, size, "%s", name);
	} else if (index == 0) {
		snprintf(out, size, "%s", program_push_string(L, 1, "name"));
		lua_pop(L, 1);
	} else {
		snprintf(out, size, "subprog_%u", index);
	}
	return out;
}

void program_info_complete_name(lua_State *L, const char *cut)
{
	int top = lua_gettop(L);
	const struct prog_info *info = program_info_push(L, PROG_INFO_WANT(PROG_INFO_FUNCS));
	const struct abi_func_info *funcs;
	const struct btf *btf;
	const char *name = "";

	if (info && info->counts[PROG_INFO_FUNCS]) {
		funcs = info->arrays[PROG_INFO_FUNCS];
		btf = push_btf(L, info);
		if (btf)
			name = btf_name(btf, btf_type(btf, funcs[0].type_id));
		if (strncmp(name, cut, strlen(cut)) == 0) {
			lua_pushstring(L, name);
			lua_setfield(L, top, "name");
		}
	}
	lua_settop(L, top);
}

/* Where functions begin, as far as the kernel has been told. */
static int add_functions(lua_State *L, struct insns *list, const struct prog_info *info,
	const struct btf *btf, struct error *err)
{
	const struct abi_func_info *funcs = info->arrays[PROG_INFO_FUNCS];
	char name[BTF_NAME_LIMIT + 1];
	uint32_t i, other, count = info->counts[PROG_INFO_FUNCS];

	if (!count)
		return insns_add_symbol(
			list, 0, function_name(L, info, btf, 0, name, sizeof(name)), err);
	for (i = 0; i < count; i++) {
		function_name(L, info, btf, i, name, sizeof(name));
		/* Static functions of several objects may share a name. */
		if (insns_find_symbol(list, name, &other))
			snprintf(name, sizeof(name), "subprog_%u", i);
		if (funcs[i].insn_off >= list->count)
			continue;
		if (insns_add_symbol(list, funcs[i].insn_off, name, err) < 0)
			return -1;
	}
	return 0;
}

static int add_types(
	struct insns *list, const struct prog_info *info, struct btf *btf, struct error *err)
{
	const struct abi_func_info *funcs = info->arrays[PROG_INFO_FUNCS];
	const struct abi_line_info *lines = info->arrays[PROG_INFO_LINES];
	uint32_t i;

	if (!btf)
		return 0;
	insns_set_types(list, btf);
	for (i = 0; i < info->counts[PROG_INFO_FUNCS]; i++) {
		if (funcs[i].insn_off < list->count && insns_add_func(list, funcs[i], err) < 0)
			return -1;
	}
	for (i = 0; i < info->counts[PROG_INFO_LINES]; i++) {
		if (lines[i].insn_off < list->count && insns_add_line(list, lines[i], err) < 0)
			return -1;
	}
	return 0;
}

/*
 * p:instructions() -> instructions, or nil, message, errno
 * What the program is in the kernel, after the verifier: dead code is gone, accesses to contexts
 * and many calls of helpers are the kernel's own. Loads of maps have ids in the place of fds; calls
 * of the kernel, the distance from its __bpf_call_base; calls of functions, and loads of their
 * addresses, are as in a program to load. Functions are named, and lines of source known, as far as
 * the program has BTF and it may be opened (CAP_SYS_ADMIN); those of the kernel, as far as
 * /proc/kallsyms shows addresses. EPERM: without CAP_BPF, or where the sysctls kernel.kptr_restrict
 * and net.core.bpf_jit_harden hide them.
 */
int program_instructions(lua_State *L)
{
	const struct prog_info *info = program_info_push(
		L, PROG_INFO_WANT(PROG_INFO_XLATED) | PROG_INFO_WANT(PROG_INFO_FUNCS) |
			   PROG_INFO_WANT(PROG_INFO_LINES));
	struct insns *list;
	struct error err;
	struct btf *btf;

	if (!info)
		return 3;
	if (!info->arrays[PROG_INFO_XLATED])
		return withheld(L, "instructions", info->kernel.xlated_prog_len != 0);
	btf = push_btf(L, info);
	list = insns_new(L);
	if (insns_from_bytes(list, info->arrays[PROG_INFO_XLATED], info->counts[PROG_INFO_XLATED],
		    &err) < 0 ||
		add_types(list, info, btf, &err) < 0 ||
		add_functions(L, list, info, btf, &err) < 0 ||
		xlated_describe(list, info->arrays[PROG_INFO_FUNCS], info->counts[PROG_INFO_FUNCS],
			&err) < 0)
		return failure_push(L, &err);
	return 1;
}

/*
 * p:lines() -> array of {index =, file =, line =, column =, source =}, ascending, or nil, message,
 * errno. Where lines of source begin, by index into p:instructions(), from 1 on; with address, of
 * the machine code, where the kernel tells. Empty for a program without line info. EPERM: as of
 * p:instructions(), or the program's BTF needs CAP_SYS_ADMIN.
 */
int program_lines(lua_State *L)
{
	const struct prog_info *info = program_info_push(
		L, PROG_INFO_WANT(PROG_INFO_LINES) | PROG_INFO_WANT(PROG_INFO_JITED_LINES));
	const struct abi_line_info *lines;
	const uint64_t *addresses;
	struct btf_object *object;
	struct error err;
	uint32_t i;

	if (!info)
		return 3;
	lines = info->arrays[PROG_INFO_LINES];
	addresses = info->arrays[PROG_INFO_JITED_LINES];
	object = btf_object_new(L, "program");
	if (lines && btf_load_by_id(&object->btf, NULL, info->kernel.btf_id, &err) != 0)
		return failure_push(L, &err);
	lua_createtable(L, (int)info->counts[PROG_INFO_LINES], 0);
	for (i = 0; i < info->counts[PROG_INFO_LINES]; i++) {
		lua_createtable(L, 0, 6);
		info_set_integer(L, "index", lines[i].insn_off + 1);
		info_set_string(L, "file", btf_string(object->btf, lines[i].file_name_off));
		info_set_string(L, "source", btf_string(object->btf, lines[i].line_off));
		info_set_integer(L, "line", lines[i].line_col >> LINE_BITS);
		info_set_integer(L, "column", lines[i].line_col & ((1U << LINE_BITS) - 1));
		if (i < info->counts[PROG_INFO_JITED_LINES] && addresses[i])
			info_set_u64(L, "address", addresses[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/*
 * p:jited() -> array of {name =, address =, bytes =}, or nil, message, errno
 * The machine code of each function of the program; address is nil where the kernel hides it.
 * EPERM: as of p:instructions(); ENOENT: the program is not compiled, as sysctl net.core.bpf_jit_enable is 0.
 */
int program_jited(lua_State *L)
{
	const struct prog_info *info = program_info_push(
		L, PROG_INFO_WANT(PROG_INFO_JITED) | PROG_INFO_WANT(PROG_INFO_KSYMS) |
			   PROG_INFO_WANT(PROG_INFO_LENGTHS) | PROG_INFO_WANT(PROG_INFO_FUNCS));
	const uint32_t *lengths;
	const uint64_t *addresses;
	uint32_t i, at = 0, length, total;
	char name[BTF_NAME_LIMIT + 1];
	const struct btf *btf;

	if (!info)
		return 3;
	if (!info->kernel.xlated_prog_len ||
		(info->kernel.jited_prog_len && !info->arrays[PROG_INFO_JITED]))
		return withheld(L, "machine code", info->kernel.xlated_prog_len != 0);
	if (!info->kernel.jited_prog_len)
		return failure_errno(L, ENOENT, "read machine code of program \"%s\"",
			program_push_string(L, 1, "name"));
	lengths = info->arrays[PROG_INFO_LENGTHS];
	addresses = info->arrays[PROG_INFO_KSYMS];
	total = info->counts[PROG_INFO_JITED];
	btf = push_btf(L, info);
	lua_newtable(L);
	for (i = 0; at < total; i++) {
		length = i < info->counts[PROG_INFO_LENGTHS] ? lengths[i] : total - at;
		if (length > total - at)
			length = total - at;
		lua_createtable(L, 0, 3);
		info_set_string(L, "name", function_name(L, info, btf, i, name, sizeof(name)));
		lua_pushlstring(L, (const char *)info->arrays[PROG_INFO_JITED] + at, length);
		lua_setfield(L, -2, "bytes");
		if (i < info->counts[PROG_INFO_KSYMS] && addresses[i])
			info_set_u64(L, "address", addresses[i]);
		lua_rawseti(L, -2, (int)i + 1);
		at += length;
	}
	return 1;
}
