/* SPDX-License-Identifier: MIT */
/*
 * Who holds the BPF objects of the system: processes, by their descriptors, and files in BPF file
 * systems. A look at what is there now; it changes meanwhile.
 */
#ifndef EBPF_HOLDERS_H
#define EBPF_HOLDERS_H

#include "error.h"
#include "sys.h"

#pragma GCC visibility push(hidden)

enum holder_kind { HOLDER_MAP, HOLDER_PROGRAM, HOLDER_LINK, HOLDER_BTF, HOLDER_KINDS };

enum { HOLDER_COMM_SIZE = 16 };

struct holder {
	enum holder_kind kind; /* of the object */
	uint32_t id; /* of the object */
	int process; /* 0: a pin */
	int fd;
	bool by_event; /* a perf event that runs the program, without a link */
	char comm[HOLDER_COMM_SIZE];
	char *path; /* of the pin, or NULL */
};

/* All zeros: none. */
struct holders {
	struct holder *list;
	uint32_t count, room;
	uint32_t unreadable; /* processes or files that may not be looked at */
};

/* Adds the processes that hold objects. */
int holders_add_processes(struct holders *holders, struct error *err);

/* Adds the pins below a directory of a BPF file system. Symbolic links are not followed. */
int holders_add_pins(struct holders *holders, const char *directory, struct error *err);

void holders_free(struct holders *holders);

#pragma GCC visibility pop

#endif
