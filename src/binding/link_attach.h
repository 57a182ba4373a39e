/* SPDX-License-Identifier: MIT */
/* What the functions that attach programs share. Each takes a table of options, at index 1, with
 * the field `program`, and makes a Link of it. */
#ifndef EBPF_LINK_ATTACH_H
#define EBPF_LINK_ATTACH_H

#include "../engine/attach_perf.h"
#include "../engine/error.h"
#include "compat.h"
#include "program.h"

#pragma GCC visibility push(hidden)

/* A way to attach. */
struct link_kind {
	const char *name;
	/* Attaches the program for the part of a Link of that number, to what `target` describes;
	 * fills `hold`, which comes empty: 0, or -1 with an error. */
	int (*open)(const void *target, uint32_t part, int prog_fd, struct attach_hold *hold,
		struct error *err);
};

int link_attach_field_error(lua_State *L, const char *name, const char *wrong);

/* The string field of the options; raises when it is missing. It stays on the stack. */
const char *link_attach_string(lua_State *L, const char *name);

/* The same; NULL where there is none, and nil stays on the stack. */
const char *link_attach_optional_string(lua_State *L, const char *name);

/* The field `program` of the options, of type `type` or `other`. It stays on the stack. */
struct program *link_attach_program(lua_State *L, uint32_t type, uint32_t other);

/* The process id in the options; nil is -1, all processes, and 0 the caller. */
int link_attach_pid(lua_State *L);

/* The numbers, up to `max`, of the array at field `name` into `out`, which has room for `count`:
 * there must be as many. Where there is no such field `out` is left alone. */
void link_attach_numbers(
	lua_State *L, const char *name, uint64_t max, uint64_t *out, uint32_t count);

/* Attaches the program at `index` in `parts` places, one for most; on top of the stack is the name
 * of what it is attached to, or nil. Pushes a Link; or nil, message, errno. */
int link_attach(
	lua_State *L, int index, const struct link_kind *kind, const void *target, uint32_t parts);

/* nil, `attach "<name of the program at index>": <why>`, errno */
int link_attach_failed(lua_State *L, int index, struct error *err);

/* The rooms of the kinds of links, each adding its functions to the table on top of the stack. */
void link_trace_register(lua_State *L);
void link_probe_register(lua_State *L);
void link_multi_register(lua_State *L);
void link_tracing_register(lua_State *L);
void link_net_register(lua_State *L);
void link_struct_ops_register(lua_State *L);

#pragma GCC visibility pop

#endif
