/* SPDX-License-Identifier: MIT */
/* What can be done to a BPF link of any type, once it is there. Errors tell the reason alone. */
#ifndef EBPF_ATTACH_LINK_H
#define EBPF_ATTACH_LINK_H

#include "abi.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* Puts another program in the place of the present one, in one step (Linux 5.7). */
int attach_link_update(int fd, int prog_fd, struct error *err);

/* Takes the program off its hook; the link stays, without effect (Linux 5.9). */
int attach_link_detach(int fd, struct error *err);

#pragma GCC visibility pop

#endif
