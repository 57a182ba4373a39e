/* SPDX-License-Identifier: MIT */
/* What the rooms of links to the network share: options that name interfaces, files and programs.
 * The table of options is at index 1; what an option refers to stays on the stack. */
#ifndef EBPF_LINK_NET_H
#define EBPF_LINK_NET_H

#include "handle.h"
#include "link_attach.h"

#pragma GCC visibility push(hidden)

/* A thing by its name or path, or by a number: of an interface, or an fd. */
struct link_net_place {
	const char *name; /* NULL: by number */
	int number;
};

/* The option `field`, a string or a number; raises, saying what is expected, when it is missing.
 * Pushes how it is called. */
struct link_net_place link_net_place(lua_State *L, const char *field, const char *expected);

/* The option `interface`, likewise. */
struct link_net_place link_net_interface(lua_State *L);

/* The option `program`, which must be of one of those types, ended by BPF_PROG_TYPE_UNSPEC. */
struct program *link_net_program(lua_State *L, const uint32_t *types);

/* A number of one of the names (ended by NULL), -1 when the option is missing; else raises. */
int link_net_choice(lua_State *L, const char *field, const char *const *names);

/* Whether the option `by` is `other` rather than "link" or missing. */
bool link_net_by(lua_State *L, const char *other);

/* The option `attach_type`; or what the program was loaded for; or `fallback`; -1 for none. */
int link_net_attach_type(lua_State *L, const struct program *program, int fallback);

/* The option `replace`: false or nil, true, or a Program, which `replaced` then points to. */
bool link_net_replace(lua_State *L, const struct program **replaced);

void link_hook_register(lua_State *L);
void link_tc_register(lua_State *L);
void link_socket_register(lua_State *L);
void link_query_register(lua_State *L);

#pragma GCC visibility pop

#endif
