/* SPDX-License-Identifier: MIT */
/*
 * The userdata "ebpf.program": a program in the kernel. It remembers what its spec said about
 * attaching. The user value is a table of strings: "name", "section", "attach_to", "pinned" (the
 * path of its pin) and "log".
 */
#ifndef EBPF_PROGRAM_H
#define EBPF_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "handle.h"

#pragma GCC visibility push(hidden)

struct program {
	struct handle handle;
	uint32_t type; /* BPF_PROG_TYPE_* */
	uint32_t attach_type; /* BPF_* attach type, where has_attach_type */
	bool has_attach_type;
};

/* Pushes the string that the program at `index` remembers under `field`, or nil. The text is
 * valid as long as it is on the stack; NULL for nil. */
const char *program_push_string(lua_State *L, int index, const char *field);

/* The methods of program_run.c: p:test(), p:benchmark(), p:run(). */
int program_test(lua_State *L);
int program_benchmark(lua_State *L);
int program_run(lua_State *L);

/* The method of program_stream.c: p:read_stream(). */
int program_read_stream(lua_State *L);

/* The methods of program_info.c: p:info(), p:stats(). */
int program_info(lua_State *L);
int program_stats(lua_State *L);
void program_info_register(lua_State *L);

/* The methods of program_code.c: p:instructions(), p:lines(), p:jited(). */
int program_instructions(lua_State *L);
int program_lines(lua_State *L);
int program_jited(lua_State *L);

#pragma GCC visibility pop

#endif
