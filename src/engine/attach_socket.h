/* SPDX-License-Identifier: MIT */
/*
 * Attaches programs to sockets, by options of theirs: filters (Linux 3.19), and programs that
 * choose among the sockets of a port (SO_REUSEPORT; Linux 4.5, of type sk_reuseport 4.19). The
 * kernel lets go of the program when the socket is closed everywhere.
 */
#ifndef EBPF_ATTACH_SOCKET_H
#define EBPF_ATTACH_SOCKET_H

#include "attachment.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* Fills `a`; 0 or -1. The socket stays the caller's: when it is closed, so that its number may
 * be another's, there is nothing to detach. */
int attach_socket_filter(int prog_fd, int socket, struct attachment *a, struct error *err);
int attach_socket_reuseport(int prog_fd, int socket, struct attachment *a, struct error *err);

#pragma GCC visibility pop

#endif
