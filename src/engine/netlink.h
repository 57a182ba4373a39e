/* SPDX-License-Identifier: MIT */
/* Requests to rtnetlink, and the messages and attributes of what it answers. */
#ifndef EBPF_NETLINK_H
#define EBPF_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { NETLINK_REQUEST_SIZE = 512, NETLINK_WHY_SIZE = 160 };

/* A request while it is put together. */
struct netlink_request {
	union {
		struct nlmsghdr header;
		unsigned char bytes[NETLINK_REQUEST_SIZE];
	};
	bool too_long;
};

/* Begins a message of that type with its fixed part; NLM_F_REQUEST is added. */
void netlink_begin(
	struct netlink_request *r, uint16_t type, uint16_t flags, const void *body, size_t size);

void netlink_put(struct netlink_request *r, uint16_t type, const void *data, size_t size);
void netlink_put_u32(struct netlink_request *r, uint16_t type, uint32_t value);

/* Attributes within an attribute: what is put between the two calls. */
size_t netlink_open_nest(struct netlink_request *r, uint16_t type);
void netlink_close_nest(struct netlink_request *r, size_t nest);

/* Sees a message of an answer, whole within its buffer. */
typedef void (*netlink_visit)(const struct nlmsghdr *message, void *context);

/*
 * Sends the request by `socket` and reads the whole answer, without sleeping. `visit` (may be
 * NULL) is called for each message but those that only end the answer or acknowledge. Returns 0
 * or a negative errno, -EAGAIN when a listing changed while it was made. `why` gets the reason in
 * the kernel's words, or "".
 */
int netlink_ask(int socket, struct netlink_request *r, netlink_visit visit, void *context,
	char why[NETLINK_WHY_SIZE]);

/* Attributes, whose lengths have been checked against what they are in. */
struct netlink_attribute {
	const void *data;
	size_t size;
};

/* The part of the message behind its header and `fixed` bytes; nothing when it is too short. */
struct netlink_attribute netlink_attributes(const struct nlmsghdr *message, size_t fixed);

/* The attribute of that type among those in `all`; false when there is none. */
bool netlink_find(struct netlink_attribute all, uint16_t type, struct netlink_attribute *found);

bool netlink_find_u32(struct netlink_attribute all, uint16_t type, uint32_t *value);

/* Copies a string attribute, cut to `size` and ended; false when there is none. */
bool netlink_find_string(struct netlink_attribute all, uint16_t type, char *out, size_t size);

#pragma GCC visibility pop

#endif
