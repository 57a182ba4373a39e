/* SPDX-License-Identifier: MIT */
/*
 * Attaches programs to traffic control by rtnetlink, as filters of type "bpf" (Linux 4.4). For
 * ingress and egress the interface needs a qdisc "clsact": it is made where there is none, and
 * removed with the filter if it was made for it and has no others.
 */
#ifndef EBPF_ATTACH_TC_H
#define EBPF_ATTACH_TC_H

#include <stdbool.h>
#include <stdint.h>

#include "attachment.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* The two hooks of clsact, as parents of filters; others are classes of qdiscs. */
enum { ATTACH_TC_INGRESS = 0xfffffff2, ATTACH_TC_EGRESS = 0xfffffff3 };

struct attach_tc_target {
	const char *interface; /* NULL: by index */
	uint32_t ifindex;
	uint32_t parent;
	const char *name; /* tc shows it; NULL: none */
	uint32_t handle; /* of the filter among those of its priority; 0: the kernel chooses */
	uint32_t chain;
	uint32_t class_id; /* that packets get; 0: none */
	uint16_t priority; /* lower ones run first; 0: the kernel chooses */
	bool direct_action; /* what the program returns is what becomes of the packet */
	bool skip_hardware, skip_software;
	bool replaces; /* the filter of that priority and handle, or of the program `replaced` */
	int replaced; /* an fd, or -1 */
};

/* Fills `a`. 0 or -1. */
int attach_tc(int prog_fd, const struct attach_tc_target *target, struct attachment *a,
	struct error *err);

/* A filter of type "bpf". */
struct attach_tc_filter {
	uint32_t prog_id; /* 0: it has classic BPF */
	uint32_t handle;
	uint32_t chain;
	uint16_t priority;
	bool direct_action;
	char name[ATTACHMENT_NAME_SIZE];
};

/* Calls `visit` for each filter of type "bpf" there, in the kernel's order; false ends it. 0 or a
 * negative errno. `socket` is one to rtnetlink; -1: one of this network namespace. */
int attach_tc_list(int socket, uint32_t ifindex, uint32_t parent,
	bool (*visit)(const struct attach_tc_filter *filter, void *context), void *context);

#pragma GCC visibility pop

#endif
