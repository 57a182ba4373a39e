/* SPDX-License-Identifier: MIT */
/* What the rooms of features.h share. */
#ifndef EBPF_FEATURES_PARTS_H
#define EBPF_FEATURES_PARTS_H

#include "features.h"
#include "probe.h"

#pragma GCC visibility push(hidden)

enum { FEATURES_LOG_SIZE = 4096 };

struct features_program {
	uint32_t type;
	uint32_t attach_type;
	uint32_t attach_btf_id;
	uint32_t flags;
	const struct bpf_insn *insns; /* NULL: r0 = 0; exit */
	uint32_t count;
	bool silent; /* without a log, which would be long */
};

/* Loads it; an fd or a negative errno, and what the verifier says, "" when it is not reached. */
int features_load(const struct features_program *program, char log[FEATURES_LOG_SIZE]);

/* Whether the verifier found fault with something in particular, so that it knows the rest. */
bool features_complained(const char *log);

/* How programs of that type are loaded where nothing more is asked of them. */
struct features_program features_program_of(uint32_t type);

/* Whether an errno says that the kernel does not know what it was asked for. */
bool features_is_refusal(int code);

/* The end of a probe that is to succeed: closes the fd that `ret` may be; 1, 0 or -1, in which case
 * the error says what was asked for, and what capabilities may be missing. */
int features_conclude(
	struct error *err, int ret, uint32_t needs, const char *what, const char *name);

/* Always -1. */
int features_unknown(
	struct error *err, int code, uint32_t needs, const char *what, const char *name);

#pragma GCC visibility pop

#endif
