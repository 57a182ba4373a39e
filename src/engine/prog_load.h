/* SPDX-License-Identifier: MIT */
/*
 * BPF_PROG_LOAD with its verifier log. The log is asked for when the caller wants one, or after a
 * failure; then the program is loaded again with a buffer that grows until the log fits.
 */
#ifndef EBPF_PROG_LOAD_H
#define EBPF_PROG_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum {
	PROG_LOG_MIN = 128, /* the least that kernels before 6.4 accept */
	PROG_LOG_START = 64 * 1024,
	PROG_LOG_MAX = UINT32_MAX >> 2, /* the most that Linux 5.2 and later accept */
};

struct func_info;
struct insns;

struct prog_load {
	const char *name; /* cut to what the kernel holds; may be empty */
	uint32_t type;
	uint32_t attach_type;
	bool attach_optional; /* old kernels do not know the attach type, and get by without */
	uint32_t attach_btf_id; /* what it is loaded for; 0: nothing */
	uint32_t attach_fd; /* the BTF or the program which that id is of; 0: the kernel's BTF */
	const struct bpf_insn *code;
	uint32_t count;
	const struct func_info *functions; /* NULL: prog_load() makes one if it must */
	const struct insns *relocated; /* where `code` is from, to explain failures; or NULL */
	const int *fd_array; /* BTF of modules whose functions the code calls; NULL: of none */
	const char *license;
	uint32_t kernel_version;
	uint32_t flags;
	int token; /* see token.h */
	uint32_t ifindex;
	uint32_t log_level; /* 0: no log unless loading fails */
	uint32_t log_size; /* to begin with; 0: PROG_LOG_START */
};

/* All zero to begin with; prog_log_free() is due at the end. */
struct prog_log {
	char *text; /* NUL-terminated; NULL: there is none */
	uint32_t size; /* of the buffer */
};

void prog_log_free(struct prog_log *log);

/* Returns the fd, or -1 with an error that says why (see prog_explain.h). Either way the log is in
 * `log`, when one was asked for or loading failed. */
int prog_load(const struct prog_load *spec, struct prog_log *log, struct error *err);

/* What errors begin with: load program "name". */
enum { PROG_LOAD_TEXT = 128 };
void prog_load_describe(const struct prog_load *spec, char *out, size_t size);

/* Checks that a name has only letters, digits, '_' and '.', and says which character has not. */
int prog_load_check_name(const char *name, struct error *err);

#pragma GCC visibility pop

#endif
