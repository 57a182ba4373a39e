/* SPDX-License-Identifier: MIT */
/*
 * Statically defined tracepoints of executables: notes, as <sys/sdt.h> leaves them, that tell where
 * each is, what its arguments are in, and which counter turns it on.
 */
#ifndef EBPF_USDT_H
#define EBPF_USDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "exe.h"

#pragma GCC visibility push(hidden)

enum { USDT_ARGS_MAX = 12 };

/* The layout that <bpf/usdt.bpf.h> of libbpf gives to the map __bpf_usdt_specs. In `type`, bits 8
 * to 19 are for the offset of an index register, 20 to 23 for its scale. */
struct usdt_arg {
	uint64_t value; /* a constant, or what is added to the register */
	uint32_t type; /* USDT_ARG_* */
	int16_t reg_off; /* in struct pt_regs */
	uint8_t is_signed;
	int8_t bitshift; /* 64 less the bits it has */
};

struct usdt_spec {
	struct usdt_arg args[USDT_ARGS_MAX];
	uint64_t cookie;
	int16_t count;
	int16_t pad[3];
};

enum { USDT_ARG_CONST, USDT_ARG_REG, USDT_ARG_REG_DEREF, USDT_ARG_SIB };

struct usdt_note {
	const char *provider;
	const char *name;
	const char *args; /* "-4@%edi 8@-16(%rbp)" */
	uint64_t address;
	uint64_t offset; /* in the file */
	uint64_t semaphore; /* offset of its counter in the file; 0: there is none */
};

struct usdt_notes {
	const struct exe *exe;
	const unsigned char *data;
	size_t size;
	size_t at;
	uint64_t base; /* where the linker put the section .stapsdt.base; 0: nowhere */
};

/* The notes of the file, which stays open; an empty list when it has none. -1: a file of another
 * word size, whose notes are of no use. */
int usdt_open(const struct exe *exe, struct usdt_notes *notes, struct error *err);

/* 1: `note` is the next one, 0: there are no more, -1: malformed. */
int usdt_next(struct usdt_notes *notes, struct usdt_note *note, struct error *err);

/* Where the arguments are, for a machine EM_X86_64 or EM_AARCH64. */
int usdt_parse_args(uint16_t machine, const char *args, struct usdt_spec *spec, struct error *err);

#pragma GCC visibility pop

#endif
