/* SPDX-License-Identifier: MIT */
/*
 * What is attached without a link of the kernel's: it has no fd and stays when the process ends.
 * This remembers how it was attached, so that the process which did it can undo it.
 */
#ifndef EBPF_ATTACHMENT_H
#define EBPF_ATTACHMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { ATTACHMENT_NAME_SIZE = 64 };

struct attachment;

enum attachment_kind {
	ATTACHMENT_XDP,
	ATTACHMENT_TC,
	ATTACHMENT_HOOK, /* of a cgroup, an interface or a map, by BPF_PROG_ATTACH */
	ATTACHMENT_SOCKET,
};

/* Errors tell the reason alone. */
struct attachment_class {
	enum attachment_kind kind;
	int (*detach)(const struct attachment *a, int prog_fd, struct error *err);
	int (*update)(const struct attachment *a, int prog_fd, int new_prog_fd, struct error *err);
};

struct attachment {
	const struct attachment_class *class; /* NULL: there is none */
	int owner; /* the process that attached it */
	int target; /* an fd of its own: the cgroup, the map, the netlink socket; or -1 */
	uint64_t netns; /* the inode of the network namespace that an ifindex belongs to */
	uint32_t ifindex;
	uint32_t attach_type; /* BPF_* */
	uint32_t flags; /* it was attached with */
	union {
		struct {
			uint32_t parent;
			uint32_t handle;
			uint32_t chain;
			uint32_t class_id;
			uint16_t priority;
			bool direct_action;
			bool made_clsact;
			char name[ATTACHMENT_NAME_SIZE];
		} tc;
		struct {
			int fd; /* not owned */
			uint64_t cookie;
		} socket;
	};
};

void attachment_init(struct attachment *a);

/* Whether this is the process that attached it, rather than a forked child. */
bool attachment_is_own(const struct attachment *a);

/* Forgets the attachment, without detaching it. */
void attachment_forget(struct attachment *a);

/* The number of the network namespace of this thread; 0 when it cannot be told. */
uint64_t attachment_netns(void);

/* The id of a program; 0 when it cannot be told. */
uint32_t attachment_program_id(int prog_fd);

#pragma GCC visibility pop

#endif
