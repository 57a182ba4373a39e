/* SPDX-License-Identifier: MIT */
/* Links of struct_ops maps, which have programs for functions of the kernel's. Linux 6.4. */
#ifndef EBPF_ATTACH_STRUCT_OPS_H
#define EBPF_ATTACH_STRUCT_OPS_H

#include "error.h"

#pragma GCC visibility push(hidden)

/* Registers the struct that is in the map; returns the fd of the link, or -1. Errors tell the
 * reason alone. */
int attach_struct_ops(int map_fd, struct error *err);

/* Puts the struct of another map in the place of the one that the link has. 0 or -1. */
int attach_struct_ops_update(int link_fd, int map_fd, struct error *err);

#pragma GCC visibility pop

#endif
