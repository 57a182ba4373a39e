/* SPDX-License-Identifier: MIT */
/* Attaches XDP programs to network interfaces by BPF links (Linux 5.9). */
#ifndef EBPF_ATTACH_XDP_H
#define EBPF_ATTACH_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* Where the program runs. */
enum attach_xdp_mode {
	ATTACH_XDP_ANY, /* in the driver where it can, else generic */
	ATTACH_XDP_NATIVE, /* in the driver */
	ATTACH_XDP_GENERIC, /* in the network stack: any interface, slower */
	ATTACH_XDP_OFFLOAD, /* in the card */
};

/* "native", "generic" and "offload" by mode; NULL for any. */
const char *attach_xdp_mode_name(enum attach_xdp_mode mode);

/* The fd of a link, or -1. `interface` is a name of this network namespace; NULL: `ifindex`
 * tells. */
int attach_xdp(int prog_fd, const char *interface, uint32_t ifindex, enum attach_xdp_mode mode,
	struct error *err);

struct attach_xdp_place {
	char interface[16];
	enum attach_xdp_mode mode;
};

/*
 * Where the program of a link runs, as rtnetlink tells; false when it does not, because the
 * interface belongs to another network namespace, for one.
 */
bool attach_xdp_find(uint32_t ifindex, uint32_t prog_id, struct attach_xdp_place *place);

#pragma GCC visibility pop

#endif
