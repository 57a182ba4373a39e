/* SPDX-License-Identifier: MIT */
/* The system calls of attachments to the network: rtnetlink, options of sockets, and files that
 * stand for cgroups and network namespaces. As those of sys.h: a value >= 0 or a negative errno. */
#ifndef EBPF_SYS_NET_H
#define EBPF_SYS_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Opens a file or directory for nothing but naming it to the kernel. */
int sys_open_target(const char *path);

/* The number of the file behind `fd` or at `path`. */
int sys_inode(int fd, uint64_t *inode);
int sys_inode_at(const char *path, uint64_t *inode);

/* The index of a network interface. if_nametoindex() hides that there are no more fds. */
int sys_interface_index(const char *name);

/* A socket to rtnetlink of the caller's network namespace, to which it belongs for ever. */
int sys_route_open(void);
int sys_route_send(int fd, const void *request, size_t size);

/* One datagram from the kernel, without waiting: the kernel answers before sys_route_send()
 * returns. How many bytes it has; -EMSGSIZE when `room` is too little. */
int sys_route_receive(int fd, void *answer, size_t room);

/* Sets an option of level SOL_SOCKET. */
int sys_socket_set(int fd, int option, int value);

/* The number that the kernel gives to a socket once and never again (Linux 4.12). */
int sys_socket_cookie(int fd, uint64_t *cookie);

#pragma GCC visibility pop

#endif
