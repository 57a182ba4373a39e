/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <errno.h>
#include <string.h>

#include "../engine/btf_upload.h"
#include "../engine/func_info.h"
#include "../engine/link_insns.h"
#include "../engine/prog_load.h"
#include "../engine/probe.h"
#include "../engine/sections.h"
#include "../engine/sys.h"
#include "btf_handle.h"
#include "extern_set.h"
#include "failure.h"
#include "insns.h"
#include "open.h"
#include "options.h"
#include "pin.h"
#include "program_target.h"
#include "relocate.h"
#include "rooms.h"
#include "token.h"

/* A verifier log as a userdata, so that it is freed whatever throws. */
#define LOG_CLASS "ebpf.verifier_log"

/* Stack indices in core.new_program(). */
enum { SPEC = 1, OPTIONS, HANDLES, PROGRAM, LOG, LICENSE, INSNS };

const char *program_push_string(lua_State *L, int index, const char *field)
{
	compat_getuservalue(L, index);
	lua_getfield(L, -1, field);
	lua_remove(L, -2);
	return lua_tostring(L, -1);
}

/* Makes the program at `index` remember the value on top of the stack; pops it. */
static void remember(lua_State *L, int index, const char *field)
{
	compat_getuservalue(L, index);
	lua_insert(L, -2);
	lua_setfield(L, -2, field);
	lua_pop(L, 1);
}

static struct program *push_program(lua_State *L)
{
	struct program *p = handle_new(L, &program_class, sizeof(*p));

	lua_newtable(L);
	compat_setuservalue(L, -2);
	return p;
}

/* The program at index 1, or NULL when it is closed. */
static struct program *check_open(lua_State *L)
{
	struct program *p = handle_check(L, 1, &program_class);

	return p->handle.fd < 0 ? NULL : p;
}

static int log_gc(lua_State *L)
{
	prog_log_free(luaL_checkudata(L, 1, LOG_CLASS));
	return 0;
}

static struct prog_log *push_log(lua_State *L)
{
	struct prog_log *log = compat_newuserdata(L, sizeof(*log));

	memset(log, 0, sizeof(*log));
	luaL_setmetatable(L, LOG_CLASS);
	return log;
}

static int field_error(lua_State *L, const char *field, const char *wrong)
{
	return luaL_argerror(L, SPEC, lua_pushfstring(L, "field '%s': %s", field, wrong));
}

/* Pushes a string field of the spec, or nil. */
static const char *push_field(lua_State *L, const char *field)
{
	const char *s = options_string(L, SPEC, field);

	if (s && strlen(s) != lua_rawlen(L, -1))
		field_error(L, field, "contains a NUL byte");
	return s;
}

/* The name, with the characters that the kernel takes. Remembered whole; the kernel gets 15. */
static const char *read_name(lua_State *L)
{
	const char *name = push_field(L, "name");
	struct error err;

	if (name && prog_load_check_name(name, &err) < 0)
		field_error(L, "name", err.text);
	if (!name) {
		lua_pop(L, 1);
		lua_pushliteral(L, "");
		name = lua_tostring(L, -1);
	}
	remember(L, PROGRAM, "name");
	return name;
}

/* What the spec says about attaching; the section also tells whether old kernels matter. */
static void read_attachment(lua_State *L, struct program *p, struct prog_load *load)
{
	struct section_match match = {0};
	const char *section;

	section = push_field(L, "section");
	if (section)
		sections_match(section, &match);
	remember(L, PROGRAM, "section");
	push_field(L, "attach_to");
	remember(L, PROGRAM, "attach_to");
	lua_getfield(L, SPEC, "attach_type");
	p->has_attach_type = !lua_isnil(L, -1);
	lua_pop(L, 1);
	p->attach_type = options_name(L, SPEC, "attach_type", &names_attach_types, 0);
	load->attach_type = p->attach_type;
	/* One that the section does not imply is the user's wish, and must not be dropped. */
	load->attach_optional = match.def && match.def->flags & SECTION_ATTACH_OPTIONAL &&
				match.def->attach_type == p->attach_type;
}

static void read_spec(lua_State *L, struct program *p, struct prog_load *load)
{
	static const char *const fields[] = {"name", "type", "attach_type", "attach_to",
		"attach_target", "instructions", "license", "kernel_version", "flags", "ifindex",
		"section", "autoload", NULL};

	options_check(L, SPEC, "program spec", fields);
	load->name = read_name(L);
	p->type = options_name(L, SPEC, "type", &names_prog_types, BPF_PROG_TYPE_UNSPEC);
	if (p->type == BPF_PROG_TYPE_UNSPEC)
		field_error(L, "type", "missing, and the section's name does not tell it");
	load->type = p->type;
	read_attachment(L, p, load);
	program_target_check(L, SPEC);
	load->kernel_version = (uint32_t)options_unsigned(L, SPEC, "kernel_version", UINT32_MAX, 0);
	load->flags = (uint32_t)options_unsigned(L, SPEC, "flags", UINT32_MAX, 0);
	load->ifindex = (uint32_t)options_unsigned(L, SPEC, "ifindex", UINT32_MAX, 0);
}

static void read_options(lua_State *L, struct prog_load *load)
{
	static const char *const names[] = {"log_level", "log_size", "kernel_btf", "token", NULL};

	if (lua_isnil(L, OPTIONS))
		return;
	options_check(L, OPTIONS, "load option", names);
	load->log_level = (uint32_t)options_unsigned(L, OPTIONS, "log_level", UINT32_MAX, 0);
	load->log_size =
		(uint32_t)options_unsigned(L, OPTIONS, "log_size", PROG_LOG_MAX, PROG_LOG_START);
	luaL_argcheck(L, load->log_size >= PROG_LOG_MIN, OPTIONS,
		"field 'log_size': at least 128 bytes expected");
	relocate_check_options(L, OPTIONS);
	lua_getfield(L, OPTIONS, "token");
	luaL_argcheck(L, lua_isnil(L, -1) || handle_test(L, -1, &token_class), OPTIONS,
		"field 'token': Token expected");
	token_keep(L, HANDLES);
}

/* Pushes the license, which must be there: without one the kernel takes the program for closed
 * source and refuses most of what it could call. */
static void push_license(lua_State *L, struct prog_load *load)
{
	load->license = push_field(L, "license");
	if (!load->license || !*load->license)
		field_error(L, "license", "missing; programs need one, such as \"GPL\"");
}

/* Pushes a private copy of the spec's instructions. */
static struct insns *push_instructions(lua_State *L, struct error *err)
{
	const struct insns *given;
	struct insns *copy;
	const char *bytes;
	size_t size;

	lua_getfield(L, SPEC, "instructions");
	given = insns_test(L, -1);
	if (given) {
		luaL_argcheck(L, given->count, SPEC, "field 'instructions': empty");
		copy = insns_push_copy(L, -1, err);
	} else {
		if (lua_type(L, -1) != LUA_TSTRING)
			field_error(L, "instructions",
				lua_isnil(L, -1) ? "missing" : "instructions or a string expected");
		bytes = lua_tolstring(L, -1, &size);
		luaL_argcheck(L, size, SPEC, "field 'instructions': empty");
		copy = insns_new(L);
		if (insns_from_bytes(copy, bytes, size, err) < 0)
			copy = NULL;
	}
	if (!copy)
		error_prefix(err, "read the instructions of a program");
	else
		lua_remove(L, -2);
	return copy;
}

/* Gives every reference its value. */
static int complete(lua_State *L, struct insns *list, struct error *err)
{
	if (list->foreign)
		return error_set(err, ENOEXEC,
			"the instructions are in the byte order of another machine; compile them "
			"with -target bpf");
	if (insns_refresh_maps(L, INSNS, list, err) < 0)
		return -1;
	return link_insns_resolve(list, err);
}

/* Whether the kernel has the type of each function. */
static bool has_funcs(const struct insns *list, const struct btf_handle *btf)
{
	uint32_t i;

	for (i = 0; i < list->func_count; i++) {
		if (!btf_upload_keeps(list->types, btf->lost, list->funcs[i].type_id))
			return false;
	}
	return btf->handle.fd >= 0;
}

/* Tells of the functions and the lines of source in `info`, where there are types of them that
 * the kernel takes. Returns -1 only when file descriptors ran out. */
static int describe(lua_State *L, const struct insns *list, struct func_info *info,
	struct prog_load *load, struct error *err)
{
	const struct btf_handle *btf;

	if (!list->types || list->foreign || !insns_have_funcs(list))
		return 0;
	btf = btf_handle_open(L, HANDLES, list->types, err);
	if (!btf)
		return -1;
	if (!has_funcs(list, btf))
		return 0;
	*info = (struct func_info){
		.btf_fd = btf->handle.fd,
		.records = list->funcs,
		.count = list->func_count,
		.lines = list->lines,
		.line_count = insns_have_lines(list) ? list->line_count : 0,
	};
	load->functions = info;
	return 0;
}

static int read_token(lua_State *L, struct prog_load *load, struct error *err)
{
	load->token = token_fd(L, HANDLES, err);
	return load->token;
}

/* Returns the fd, or -1. The maps' fds are looked up anew each time: a collection between two
 * attempts may run code that closes one. */
static int load_insns(lua_State *L, struct insns *list, struct prog_load *load,
	struct prog_log *log, struct error *err)
{
	char what[PROG_LOAD_TEXT];
	struct func_info info;

	if (relocate(L, OPTIONS, HANDLES, list, err) < 0 ||
		extern_set_link(L, HANDLES, list, &load->fd_array, err) < 0 ||
		describe(L, list, &info, load, err) < 0 ||
		program_target_find(L, SPEC, HANDLES, load, err) < 0 ||
		complete(L, list, err) < 0 || read_token(L, load, err) < 0) {
		prog_load_describe(load, what, sizeof(what));
		return error_prefix(err, "%s", what);
	}
	load->code = list->code;
	load->count = list->count;
	load->relocated = list;
	return prog_load(load, log, err);
}

/* The same, once more when that ran out of file descriptors which garbage may hold. */
static int load_again(lua_State *L, struct insns *list, struct prog_load *load,
	struct prog_log *log, struct error *err)
{
	int fd = load_insns(L, list, load, log, err);

	if (fd < 0 && handle_reclaimed(L, -err->code))
		fd = load_insns(L, list, load, log, err);
	return fd;
}

/* Pushes nil, message, errno, and the log when there is one. */
static int load_failed(lua_State *L, const struct prog_log *log, const struct error *err)
{
	int n = failure_push(L, err);

	if (!log->text || !log->text[0])
		return n;
	lua_pushstring(L, log->text);
	return n + 1;
}

/*
 * core.new_program(spec [, options]) -> Program, or nil, message, errno, verifier log
 *
 * Loads a program into the kernel (BPF_PROG_LOAD). The spec is not changed. Its fields:
 *   type            name as bpftool has it ("xdp") or number; needed
 *   instructions    instructions, or their bytes in native byte order; needed
 *   license         needed; "GPL" opens all helpers
 *   name            letters, digits, '_' and '.'; the kernel is told the first 15
 *   attach_type, attach_to, section   what p:attach() goes by. attach_to is also what a program of
 *                   type tracing, lsm, ext or struct_ops is loaded for: the name of a function (or
 *                   "module:function"), tracepoint, LSM hook or iterator; "struct:member"
 *   attach_target   a Program, when attach_to is the name of one of its functions
 *   kernel_version, flags, ifindex    as the kernel defines them
 *   autoload        no concern of this function
 * Options: log_level (1 branches, 2 all states, 4 statistics; 0, the default, asks for no log
 * unless loading fails), log_size (bytes to begin with; it grows until the log fits) and kernel_btf
 * (the types that CO-RE relocations go by, in the place of the running kernel's and its modules':
 * BTF, its bytes, or the path of a file that has it) and token (a Token: with what it delegates).
 * Instructions from an object with BTF are loaded with the types of their functions and the lines
 * they came from, which the log and `bpftool prog dump xlated` show then. A third argument, a
 * table that begins empty, keeps the BTF in the kernel for other maps and programs of the object.
 * CO-RE relocations are applied as libbpf does it, save that several types of one name are told apart
 * by how much they lack. Instructions that ask for what the kernel lacks are poisoned; should the
 * verifier get to one, the message names the type and the field. ENOTUNIQ: several types are equally
 * good and differ. ERANGE: an offset does not fit. ENOENT: the kernel has no BTF, or a reference is
 * not satisfied. ESRCH: there is no such thing as it is loaded for, or symbols of the kernel that it
 * needs are not there (see externs.h). EBADF: a map referred to is closed, or the attach_target.
 * ENOEXEC: the
 * instructions are for a machine of the other byte order. EACCES, EINVAL and others: the
 * verifier's or the kernel's; the message sums up why, where in the source, and what to do.
 */
static int new_program(lua_State *L)
{
	struct prog_load load = {0};
	struct prog_log *log;
	struct program *p;
	struct insns *list;
	struct error err;
	bool own_handles;
	int fd;

	lua_settop(L, HANDLES);
	luaL_checktype(L, SPEC, LUA_TTABLE);
	own_handles = btf_handle_table(L, HANDLES);
	p = push_program(L);
	read_spec(L, p, &load);
	read_options(L, &load);
	log = push_log(L);
	push_license(L, &load);
	list = push_instructions(L, &err);
	if (!list)
		return failure_push(L, &err);
	fd = load_again(L, list, &load, log, &err);
	p->handle.fd = fd < 0 ? -1 : fd;
	if (own_handles) {
		btf_handle_close_all(L, HANDLES);
		extern_set_close(L, HANDLES);
	}
	if (fd < 0)
		return load_failed(L, log, &err);
	if (load.log_level && log->text) {
		lua_pushstring(L, log->text);
		remember(L, PROGRAM, "log");
	}
	prog_log_free(log);
	lua_pushvalue(L, PROGRAM);
	return 1;
}

/* Asks the kernel what the program at the top of the stack is called, and its type. */
static int learn(lua_State *L, struct program *p, struct error *err)
{
	struct abi_prog_info info = {0};
	int ret = sys_obj_info(p->handle.fd, &info, sizeof(info));

	if (ret < 0) {
		error_errno(err, ret, "ask for the program's type");
		return probe_explain_privilege(err, 0);
	}
	p->type = info.type;
	info.name[sizeof(info.name) - 1] = '\0';
	lua_pushstring(L, info.name);
	remember(L, lua_gettop(L) - 1, "name");
	return 0;
}

/* The type that the abi at `arg` wants; 0: any. */
static uint32_t check_abi(lua_State *L, int arg)
{
	static const char *const fields[] = {"type", NULL};

	if (lua_isnoneornil(L, arg))
		return BPF_PROG_TYPE_UNSPEC;
	options_check(L, arg, "program abi", fields);
	return options_name(L, arg, "type", &names_prog_types, BPF_PROG_TYPE_UNSPEC);
}

static int check_type(lua_State *L, const struct program *p, uint32_t wanted, struct error *err)
{
	if (!wanted || wanted == p->type)
		return 0;
	options_push_name(L, &names_prog_types, p->type);
	options_push_name(L, &names_prog_types, wanted);
	return error_set(
		err, EINVAL, "its type is %s, not %s", lua_tostring(L, -2), lua_tostring(L, -1));
}

/* Finishes a program that has just been opened; its userdata is on top of the stack. It has to be
 * of the type `wanted`, unless that is 0; `what` has been attempted. */
static int adopt(lua_State *L, struct program *p, uint32_t wanted, const char *what)
{
	struct error err;

	if (learn(L, p, &err) == 0 && check_type(L, p, wanted, &err) == 0)
		return 1;
	handle_shut(&p->handle);
	error_prefix(&err, "%s", what);
	return failure_push(L, &err);
}

int program_push_by_id(lua_State *L, uint32_t id)
{
	struct program *p = push_program(L);
	char what[OPEN_WHAT];
	struct error err;

	if (open_by_id(L, &p->handle, BPF_PROG_GET_FD_BY_ID, id, 0, what, &err) < 0)
		return failure_push(L, &err);
	return adopt(L, p, BPF_PROG_TYPE_UNSPEC, what);
}

/* core.program_from_id(id) -> Program, or nil, message, errno. ENOENT: there is none. EPERM: it
 * needs CAP_SYS_ADMIN. The spec's section and the like are not known. */
static int program_from_id(lua_State *L)
{
	return program_push_by_id(L, (uint32_t)compat_check_unsigned(L, 1, UINT32_MAX));
}

/* core.program_from_fd(fd [, abi]) -> Program, or nil, message, errno
 * A Program with a descriptor of its own. EBADF: `fd` is closed. EINVAL: it is no program, or not
 * of the type that `abi` says, {type = name}. The spec's section and the like are not known. */
static int program_from_fd(lua_State *L)
{
	uint32_t type = check_abi(L, 2);
	struct program *p = push_program(L);
	char what[OPEN_WHAT];
	struct error err;

	if (open_by_fd(L, 1, &p->handle, what, &err) < 0)
		return failure_push(L, &err);
	return adopt(L, p, type, what);
}

/* A name the kernel does not have, since Linux before 4.15 keeps none, is that of the pin. */
static void name_after_pin(lua_State *L, int path)
{
	const char *s = lua_tostring(L, path);
	const char *slash = strrchr(s, '/');
	const char *name = program_push_string(L, -1, "name");

	lua_pop(L, 1);
	if (*name)
		return;
	lua_pushstring(L, slash ? slash + 1 : s);
	remember(L, lua_gettop(L) - 1, "name");
}

/*
 * core.load_pinned_program(path [, abi]) -> Program, or nil, message, errno
 * Opens a pinned program; `abi` is {type = name}, what it has to be. EINVAL: it is something else.
 */
static int load_pinned_program(lua_State *L)
{
	uint32_t type = check_abi(L, 2);
	struct program *p;
	struct error err;
	int ret;

	lua_settop(L, 1);
	p = push_program(L);
	if (pin_open(L, 1, &p->handle, &program_class, 0, &err) < 0)
		return failure_push(L, &err);
	lua_pushfstring(L, "open pinned program \"%s\"", lua_tostring(L, 1));
	lua_insert(L, -2);
	ret = adopt(L, p, type, lua_tostring(L, -2));
	if (ret == 1)
		name_after_pin(L, 1);
	return ret;
}

/* p:clone() -> another Program for the same kernel object, not pinned */
static int clone_program(lua_State *L)
{
	static const char *const fields[] = {"name", "section", "attach_to", "log"};
	const struct program *p = check_open(L);
	struct program *clone;
	size_t i;
	int fd;

	if (!p)
		return handle_closed(L, &program_class);
	lua_settop(L, 1);
	clone = push_program(L);
	clone->type = p->type;
	clone->attach_type = p->attach_type;
	clone->has_attach_type = p->has_attach_type;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		program_push_string(L, 1, fields[i]);
		remember(L, 2, fields[i]);
	}
	fd = sys_dup(p->handle.fd);
	if (handle_reclaimed(L, fd))
		fd = sys_dup(p->handle.fd);
	if (fd < 0)
		return failure_errno(L, fd, "clone program");
	clone->handle.fd = fd;
	return 1;
}

/* p:pin(path), p:unpin(), p:is_pinned(): see pin.h */
static int pin(lua_State *L)
{
	return pin_pin(L, &program_class);
}

static int unpin(lua_State *L)
{
	return pin_unpin(L, &program_class);
}

static int is_pinned(lua_State *L)
{
	return pin_is_pinned(L, &program_class);
}

static int push_remembered(lua_State *L, const char *field)
{
	if (!check_open(L))
		return handle_closed(L, &program_class);
	program_push_string(L, 1, field);
	return 1;
}

/* p:name() -> the name, whole when the program was loaded here, else as much as the kernel has */
static int name(lua_State *L)
{
	return push_remembered(L, "name");
}

/* p:section(), p:attach_to() -> what the spec said, or nil */
static int get_section(lua_State *L)
{
	return push_remembered(L, "section");
}

static int attach_to(lua_State *L)
{
	return push_remembered(L, "attach_to");
}

/* p:verifier_log() -> the log of loading, or nil when none was asked for */
static int verifier_log(lua_State *L)
{
	return push_remembered(L, "log");
}

/* p:type() -> "xdp" and so on; a number for types this library does not know */
static int type(lua_State *L)
{
	const struct program *p = check_open(L);

	if (!p)
		return handle_closed(L, &program_class);
	options_push_name(L, &names_prog_types, p->type);
	return 1;
}

/* p:attach_type() -> the spec's, by name, or nil */
static int attach_type(lua_State *L)
{
	const struct program *p = check_open(L);

	if (!p)
		return handle_closed(L, &program_class);
	if (p->has_attach_type)
		options_push_name(L, &names_attach_types, p->attach_type);
	else
		lua_pushnil(L);
	return 1;
}

/* p:abi() -> {type = name} */
static int abi(lua_State *L)
{
	const struct program *p = check_open(L);

	if (!p)
		return handle_closed(L, &program_class);
	lua_createtable(L, 0, 1);
	options_push_name(L, &names_prog_types, p->type);
	lua_setfield(L, -2, "type");
	return 1;
}

/* tostring(p) -> xdp "name" #7, where 7 is the fd; or xdp "name" (closed) */
static int tostring(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	const char *type_name;

	options_push_name(L, &names_prog_types, p->type);
	type_name = lua_tostring(L, -1);
	program_push_string(L, 1, "name");
	if (p->handle.fd < 0)
		lua_pushfstring(L, "%s \"%s\" (closed)", type_name, lua_tostring(L, -1));
	else
		lua_pushfstring(L, "%s \"%s\" #%d", type_name, lua_tostring(L, -1), p->handle.fd);
	return 1;
}

static const luaL_Reg methods[] = {
	{"test", program_test},
	{"benchmark", program_benchmark},
	{"run", program_run},
	{"read_stream", program_read_stream},
	{"info", program_info},
	{"stats", program_stats},
	{"instructions", program_instructions},
	{"lines", program_lines},
	{"jited", program_jited},
	{"clone", clone_program},
	{"pin", pin},
	{"unpin", unpin},
	{"is_pinned", is_pinned},
	{"name", name},
	{"type", type},
	{"attach_type", attach_type},
	{"attach_to", attach_to},
	{"section", get_section},
	{"verifier_log", verifier_log},
	{"abi", abi},
	{NULL, NULL},
};

static const luaL_Reg metamethods[] = {
	{"__tostring", tostring},
	{NULL, NULL},
};

const struct handle_class program_class = {
	.name = "ebpf.program",
	.what = "program",
	.methods = methods,
	.metamethods = metamethods,
};

static const luaL_Reg functions[] = {
	{"new_program", new_program},
	{"load_pinned_program", load_pinned_program},
	{"program_from_id", program_from_id},
	{"program_from_fd", program_from_fd},
	{NULL, NULL},
};

void program_register(lua_State *L)
{
	handle_register(L, &program_class);
	program_info_register(L);
	if (luaL_newmetatable(L, LOG_CLASS)) {
		lua_pushcfunction(L, log_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
