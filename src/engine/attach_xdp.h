/* SPDX-License-Identifier: MIT */
/* Attaches XDP programs to network interfaces, by BPF links (Linux 5.9) or by rtnetlink. */
#ifndef EBPF_ATTACH_XDP_H
#define EBPF_ATTACH_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "attachment.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* Where the program runs. */
enum attach_xdp_mode {
	ATTACH_XDP_ANY, /* in the driver where it can, else generic */
	ATTACH_XDP_NATIVE, /* in the driver */
	ATTACH_XDP_GENERIC, /* in the network stack: any interface, slower */
	ATTACH_XDP_OFFLOAD, /* in the card */
	ATTACH_XDP_MODES,
};

/* "native", "generic" and "offload" by mode; NULL for any. */
const char *attach_xdp_mode_name(enum attach_xdp_mode mode);

struct attach_xdp_target {
	const char *interface; /* a name of this network namespace; NULL: `ifindex` tells */
	uint32_t ifindex;
	enum attach_xdp_mode mode;
	/* By rtnetlink: whether a program that is there gives way, and if so, which fd it must
	 * have; -1: whatever it is. */
	bool replaces;
	int replaced;
};

/* The fd of a link, or -1. */
int attach_xdp(int prog_fd, const struct attach_xdp_target *target, struct error *err);

/* By rtnetlink, without a link: fills `a`. 0 or -1. */
int attach_xdp_netlink(int prog_fd, const struct attach_xdp_target *target, struct attachment *a,
	struct error *err);

/* What rtnetlink tells of an interface. */
struct attach_xdp_interface {
	char name[16];
	uint32_t programs[ATTACH_XDP_MODES]; /* ids, by mode; 0: none */
};

/* By a socket to rtnetlink; -1: one of this network namespace. 0 or a negative errno. */
int attach_xdp_ask(int socket, uint32_t ifindex, struct attach_xdp_interface *interface);

struct attach_xdp_place {
	char interface[16];
	enum attach_xdp_mode mode;
};

/* Where that program runs; false when it does not, or the interface belongs to another network
 * namespace. */
bool attach_xdp_find(uint32_t ifindex, uint32_t prog_id, struct attach_xdp_place *place);

/* The mode in which that program runs there; ATTACH_XDP_ANY: it does not. */
enum attach_xdp_mode attach_xdp_mode_of(
	const struct attach_xdp_interface *interface, uint32_t prog_id);

#pragma GCC visibility pop

#endif
