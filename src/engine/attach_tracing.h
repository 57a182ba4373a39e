/* SPDX-License-Identifier: MIT */
/* Attaches programs to functions of the kernel and of other programs that they were loaded for:
 * fentry, fexit, fmod_ret, tp_btf, lsm, freplace. */
#ifndef EBPF_ATTACH_TRACING_H
#define EBPF_ATTACH_TRACING_H

#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct attach_tracing {
	uint32_t attach_type; /* of the program */
	uint32_t
		target_fd; /* a program whose function to replace, or a control group; 0: neither */
	uint32_t target_btf_id; /* that function; 0: the one the program was loaded for */
	uint64_t cookie;
};

/* The fd of a link, or -1. A cookie other than 0 needs Linux 5.19, for tp_btf 6.10. */
int attach_tracing(int prog_fd, const struct attach_tracing *tracing, struct error *err);

#pragma GCC visibility pop

#endif
