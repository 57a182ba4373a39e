/* SPDX-License-Identifier: MIT */
/*
 * What a program is loaded for. Programs of some types are verified against the function, the
 * tracepoint, the hook or the member of a struct that they are to be attached to, which has to be
 * said when they are loaded: as an id of the kernel's BTF, of a module's or of another program's.
 */
#ifndef EBPF_ATTACH_TARGET_H
#define EBPF_ATTACH_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core_relo.h"

#pragma GCC visibility push(hidden)

struct attach_target {
	uint32_t btf_id;
	const char
		*module; /* whose BTF has it, a name of the core_target's; NULL: the kernel's own */
	uint32_t member; /* struct_ops: the index, which the kernel wants as the attach type */
};

/* Whether programs of that type, to be attached in that way, are loaded for something. */
bool attach_target_needed(uint32_t prog_type, uint32_t attach_type);

/*
 * Finds what `name` means to a program of that type: "sched_switch", "do_unlinkat",
 * "nf_tables:nft_do_chain", "tcp_congestion_ops:init". Looks in the kernel's BTF, then in those of
 * the modules, or only in that of the module named. Returns -1 with ESRCH when it is not there,
 * EINVAL when the name is NULL or malformed.
 */
int attach_target_find(struct core_target *kernel, uint32_t prog_type, uint32_t attach_type,
	const char *name, struct attach_target *out, struct error *err);

/* Finds the function of that name in the BTF of a loaded program, which the same errors may have. */
int attach_target_find_in_program(
	int prog_fd, const char *name, struct attach_target *out, struct error *err);

#pragma GCC visibility pop

#endif
