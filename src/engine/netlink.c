/* SPDX-License-Identifier: MIT */
#include "netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "sys_net.h"

enum { ANSWER_SIZE = 64 << 10 };

/* Of <linux/netlink.h>, some of which came with Linux 4.12. */
enum { ACK_CAPPED = 0x100, ACK_TLVS = 0x200, ACK_MESSAGE = 1 };

static size_t aligned(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/* Room for `size` bytes at the end of the request, zeroed up to the next boundary. */
static void *extend(struct netlink_request *r, size_t size)
{
	size_t at = aligned(r->header.nlmsg_len);

	if (r->too_long || aligned(size) > sizeof(r->bytes) - at) {
		r->too_long = true;
		return NULL;
	}
	memset(r->bytes + at, 0, aligned(size));
	r->header.nlmsg_len = (uint32_t)(at + size);
	return r->bytes + at;
}

void netlink_begin(
	struct netlink_request *r, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	void *at;

	memset(r, 0, sizeof(*r));
	r->header.nlmsg_len = NLMSG_HDRLEN;
	r->header.nlmsg_type = type;
	r->header.nlmsg_flags = flags | NLM_F_REQUEST;
	at = extend(r, size);
	if (at)
		memcpy(at, body, size);
}

void netlink_put(struct netlink_request *r, uint16_t type, const void *data, size_t size)
{
	struct nlattr header = {(uint16_t)(NLA_HDRLEN + size), type};
	unsigned char *at = extend(r, NLA_HDRLEN + size);

	if (!at)
		return;
	memcpy(at, &header, sizeof(header));
	if (size)
		memcpy(at + NLA_HDRLEN, data, size);
}

void netlink_put_u32(struct netlink_request *r, uint16_t type, uint32_t value)
{
	netlink_put(r, type, &value, sizeof(value));
}

size_t netlink_open_nest(struct netlink_request *r, uint16_t type)
{
	size_t nest = aligned(r->header.nlmsg_len);

	netlink_put(r, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void netlink_close_nest(struct netlink_request *r, size_t nest)
{
	uint16_t size = (uint16_t)(r->header.nlmsg_len - nest);

	if (!r->too_long)
		memcpy(r->bytes + nest, &size, sizeof(size));
}

struct netlink_attribute netlink_attributes(const struct nlmsghdr *message, size_t fixed)
{
	size_t start = NLMSG_HDRLEN + aligned(fixed);

	if (message->nlmsg_len < start)
		return (struct netlink_attribute){NULL, 0};
	return (struct netlink_attribute){
		(const unsigned char *)message + start,
		message->nlmsg_len - start,
	};
}

bool netlink_find(struct netlink_attribute all, uint16_t type, struct netlink_attribute *found)
{
	const unsigned char *at = all.data;
	size_t left = all.size;
	struct nlattr header;

	while (left >= sizeof(header)) {
		memcpy(&header, at, sizeof(header));
		if (header.nla_len < sizeof(header) || header.nla_len > left)
			return false;
		if ((header.nla_type & NLA_TYPE_MASK) == type) {
			found->data = at + NLA_HDRLEN;
			found->size = header.nla_len - NLA_HDRLEN;
			return true;
		}
		if (aligned(header.nla_len) >= left)
			return false;
		at += aligned(header.nla_len);
		left -= aligned(header.nla_len);
	}
	return false;
}

bool netlink_find_u32(struct netlink_attribute all, uint16_t type, uint32_t *value)
{
	struct netlink_attribute found;

	if (!netlink_find(all, type, &found) || found.size < sizeof(*value))
		return false;
	memcpy(value, found.data, sizeof(*value));
	return true;
}

bool netlink_find_string(struct netlink_attribute all, uint16_t type, char *out, size_t size)
{
	struct netlink_attribute found;

	if (!netlink_find(all, type, &found))
		return false;
	if (found.size >= size)
		found.size = size - 1;
	memcpy(out, found.data, found.size);
	out[found.size] = '\0';
	return true;
}

/* What ends an answer: the errno of an acknowledgement, and the kernel's words behind it. Those
 * follow the request, which is told again whole when it failed, else capped to its header. */
static int read_end(const struct nlmsghdr *message, char *why)
{
	struct netlink_attribute attributes;
	struct nlmsghdr request;
	int32_t code = 0;
	size_t fixed = sizeof(code);

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(code)))
		return message->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(&code, NLMSG_DATA(message), sizeof(code));
	if (message->nlmsg_type == NLMSG_ERROR) {
		fixed += sizeof(request);
		if (message->nlmsg_len < NLMSG_LENGTH(fixed))
			return code > 0 ? -EBADMSG : code;
		memcpy(&request, (const char *)NLMSG_DATA(message) + sizeof(code), sizeof(request));
		if (!(message->nlmsg_flags & ACK_CAPPED) && request.nlmsg_len > sizeof(request))
			fixed += aligned(request.nlmsg_len) - sizeof(request);
	}
	attributes = netlink_attributes(message, fixed);
	if (message->nlmsg_flags & ACK_TLVS)
		netlink_find_string(attributes, ACK_MESSAGE, why, NETLINK_WHY_SIZE);
	return code > 0 ? -EBADMSG : code;
}

struct answer {
	uint32_t sequence;
	netlink_visit visit;
	void *context;
	char *why;
	bool interrupted; /* the listing may have gaps */
	bool ended;
	int code;
};

/* Goes through the messages of a datagram. */
static void read_datagram(struct answer *answer, const void *data, size_t size)
{
	const struct nlmsghdr *message = data;
	size_t step;

	while (!answer->ended && size >= sizeof(*message)) {
		if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > size)
			return;
		if (message->nlmsg_seq == answer->sequence) {
			answer->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (message->nlmsg_type == NLMSG_ERROR ||
				message->nlmsg_type == NLMSG_DONE) {
				answer->code = read_end(message, answer->why);
				answer->ended = true;
			} else if (message->nlmsg_type != NLMSG_NOOP && answer->visit) {
				answer->visit(message, answer->context);
			}
		}
		step = aligned(message->nlmsg_len);
		if (step >= size)
			return;
		message = (const void *)((const char *)message + step);
		size -= step;
	}
}

int netlink_ask(int socket, struct netlink_request *r, netlink_visit visit, void *context,
	char why[NETLINK_WHY_SIZE])
{
	struct answer answer = {.visit = visit, .context = context, .why = why};
	void *buffer;
	int ret;

	why[0] = '\0';
	if (r->too_long)
		return -EMSGSIZE;
	buffer = malloc(ANSWER_SIZE);
	if (!buffer)
		return -ENOMEM;
	/* A dump ends by itself. */
	if ((r->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		r->header.nlmsg_flags |= NLM_F_ACK;
	/* Tells this answer from what is left of one that was not read to its end. */
	answer.sequence = r->header.nlmsg_seq = (uint32_t)(sys_now() / 64);
	ret = sys_route_send(socket, r->bytes, r->header.nlmsg_len);
	while (ret >= 0 && !answer.ended) {
		ret = sys_route_receive(socket, buffer, ANSWER_SIZE);
		if (ret >= 0)
			read_datagram(&answer, buffer, (size_t)ret);
	}
	free(buffer);
	if (ret < 0)
		return ret;
	return answer.code == 0 && answer.interrupted ? -EAGAIN : answer.code;
}
