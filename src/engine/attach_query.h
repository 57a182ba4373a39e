/* SPDX-License-Identifier: MIT */
/* What programs are attached to a cgroup, to tcx or netkit of an interface, to a network
 * namespace or to a sockmap: BPF_PROG_QUERY. */
#ifndef EBPF_ATTACH_QUERY_H
#define EBPF_ATTACH_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum attach_query_kind {
	ATTACH_QUERY_CGROUP,
	ATTACH_QUERY_INTERFACE,
	ATTACH_QUERY_NETNS,
	ATTACH_QUERY_MAP,
};

struct attach_query_target {
	enum attach_query_kind kind;
	uint32_t attach_type;
	const char
		*name; /* the path of the cgroup or namespace, the name of the interface; or NULL */
	int number; /* an fd, or the index of the interface */
	bool effective; /* of a cgroup: what runs there, inherited or attached */
};

/* What each program is told by. Zero where the kernel tells nothing. */
struct attach_query_program {
	uint32_t id;
	uint32_t flags; /* BPF_F_* it was attached with */
	uint32_t link_id; /* 0: it is attached without a link */
};

struct attach_query {
	uint32_t count; /* of programs */
	uint32_t flags; /* BPF_F_* of the cgroup's list */
	uint64_t revision; /* of the list; 0: this kernel has none */
};

/*
 * Fills `programs`, which has room for so many, in the order in which they run. 0, -1, or 1 when
 * there are more: `query->count` tells how many.
 */
int attach_query(const struct attach_query_target *target, struct attach_query_program *programs,
	uint32_t room, struct attach_query *query, struct error *err);

#pragma GCC visibility pop

#endif
