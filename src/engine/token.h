/* SPDX-License-Identifier: MIT */
/*
 * BPF tokens (Linux 6.9): what a BPF file system delegates to the user namespace it was mounted
 * for. A load that is given one may do that much with the capabilities it has in that namespace.
 *
 * Functions that take a token take its fd, or 0 for none: no fd of this library is 0.
 */
#ifndef EBPF_TOKEN_H
#define EBPF_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "error.h"
#include "names.h"

#pragma GCC visibility push(hidden)

/* The token of the BPF file system mounted at `path`; NULL: at the usual place. Returns the fd, or
 * -1 with an error that tells what is missing. */
int token_create(const char *path, struct error *err);

/* What a token delegates: a bit for each number of a command or type, or all of them. */
#define TOKEN_ANY UINT64_MAX
struct token_rights {
	uint64_t commands, maps, programs, attach_types;
};

/* The names of the commands that tokens are for. */
extern const struct names_table token_commands;

/* Reads from /proc what the token of that fd delegates. */
int token_rights(int token, struct token_rights *rights, struct error *err);

/* BPF_BTF_LOAD. Returns an fd or a negative errno. */
int token_load_btf(struct abi_btf_load *attr, int token);

/* What was refused. */
struct token_use {
	enum bpf_cmd command; /* BPF_MAP_CREATE, BPF_PROG_LOAD or BPF_BTF_LOAD */
	uint32_t map_type; /* of a map */
	uint32_t prog_type, attach_type; /* of a program */
	uint32_t needs; /* capabilities: PROBE_* */
	bool needs_btf; /* a map that is not made without BTF */
};

/* When `err` is an EPERM, appends what the token does not delegate; else, and where there is no
 * token, what probe_explain_privilege() knows. Always returns -1. */
int token_explain(struct error *err, int token, const struct token_use *use);

#pragma GCC visibility pop

#endif
