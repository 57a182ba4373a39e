/* SPDX-License-Identifier: MIT */
#include "attach_xdp.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "sys.h"

enum { ANSWER_SIZE = 64 << 10 };

static const struct {
	const char *name;
	uint32_t flag; /* of BPF_LINK_CREATE */
	unsigned short attribute; /* of IFLA_XDP: the id of the program in this mode */
} modes[] = {
	[ATTACH_XDP_ANY] = {NULL, 0, 0},
	[ATTACH_XDP_NATIVE] = {"native", XDP_FLAGS_DRV_MODE, IFLA_XDP_DRV_PROG_ID},
	[ATTACH_XDP_GENERIC] = {"generic", XDP_FLAGS_SKB_MODE, IFLA_XDP_SKB_PROG_ID},
	[ATTACH_XDP_OFFLOAD] = {"offload", XDP_FLAGS_HW_MODE, IFLA_XDP_HW_PROG_ID},
};

const char *attach_xdp_mode_name(enum attach_xdp_mode mode)
{
	return modes[mode].name;
}

struct query {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct rtattr mask_header;
	uint32_t mask;
};

/* Asks for one interface; the answer begins with its RTM_NEWLINK message, of `size` bytes. */
static struct nlmsghdr *ask(uint32_t ifindex, void *answer, int *size)
{
	struct query query = {
		.header =
			{
				.nlmsg_len = sizeof(query),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST,
			},
		.link = {.ifi_index = (int)ifindex},
		.mask_header = {RTA_LENGTH(sizeof(query.mask)), IFLA_EXT_MASK},
		.mask = RTEXT_FILTER_SKIP_STATS,
	};
	struct nlmsghdr *message = answer;

	*size = sys_route_ask(&query, sizeof(query), answer, ANSWER_SIZE);
	if (*size < (int)NLMSG_LENGTH(sizeof(query.link)) || !NLMSG_OK(message, (unsigned)*size) ||
		message->nlmsg_type != RTM_NEWLINK ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(query.link)))
		return NULL;
	*size = (int)message->nlmsg_len;
	return message;
}

/* Whether there is an interface of that index; true where it cannot be told. */
static bool exists(uint32_t ifindex)
{
	void *answer = malloc(ANSWER_SIZE);
	bool found;
	int size;

	if (!answer)
		return true;
	found = ask(ifindex, answer, &size) || size < 0;
	free(answer);
	return found;
}

static int explain(int code, bool exists, enum attach_xdp_mode mode, struct error *err)
{
	if (!exists)
		return error_append(err, ": this network namespace has no such interface");
	if (code == -EBUSY || code == -EEXIST)
		return error_append(err, ": it has an XDP program already: detach that one first "
					 "(ip link set dev NAME xdp off, if no link holds it)");
	if (code == -EOPNOTSUPP && mode != ATTACH_XDP_GENERIC)
		return error_append(err, ": its driver has no %s mode: use mode \"generic\"",
			mode == ATTACH_XDP_OFFLOAD ? "offload" : "native");
	if (code == -EINVAL && mode == ATTACH_XDP_OFFLOAD)
		return error_append(err, ": a program for a card is loaded for it, with ifindex in "
					 "its spec");
	if (code == -EINVAL)
		return error_append(err, ": the program is of another type, or the interface "
					 "refuses it as it is set up (MTU, queues), or Linux is "
					 "older than 5.9");
	return probe_explain_privilege(err, PROBE_NET_ADMIN | PROBE_BPF);
}

int attach_xdp(int prog_fd, const char *interface, uint32_t ifindex, enum attach_xdp_mode mode,
	struct error *err)
{
	struct abi_link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_fd = ifindex,
		.attach_type = BPF_XDP,
		.flags = modes[mode].flag,
	};
	int ret = 0;
	bool found;

	if (interface) {
		ret = sys_interface_index(interface);
		attr.target_fd = (uint32_t)ret;
	}
	if (ret >= 0)
		ret = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
	if (ret >= 0)
		return ret;
	/* The kernel says EINVAL for a missing interface, as for much else. */
	found = ret != -ENODEV && (ret != -EINVAL || exists(attr.target_fd));
	if (!found)
		ret = -ENODEV;
	if (interface)
		error_errno(err, ret, "interface \"%s\"", interface);
	else
		error_errno(err, ret, "interface %" PRIu32, ifindex);
	return explain(ret, found, mode, err);
}

/* The attribute of that type among `size` bytes of them, or NULL. */
static const struct rtattr *find_attribute(const void *attributes, int size, unsigned short type)
{
	const struct rtattr *a = attributes;

	for (; RTA_OK(a, size); a = RTA_NEXT(a, size)) {
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	}
	return NULL;
}

static bool holds_program(const struct rtattr *xdp, unsigned short type, uint32_t prog_id)
{
	const struct rtattr *a = find_attribute(RTA_DATA(xdp), (int)RTA_PAYLOAD(xdp), type);
	uint32_t id;

	if (!a || RTA_PAYLOAD(a) < sizeof(id))
		return false;
	memcpy(&id, RTA_DATA(a), sizeof(id));
	return id == prog_id;
}

static bool read_place(
	const struct nlmsghdr *message, int size, uint32_t prog_id, struct attach_xdp_place *place)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	int left = size - (int)NLMSG_SPACE(sizeof(*link));
	const struct rtattr *name = find_attribute(IFLA_RTA(link), left, IFLA_IFNAME);
	const struct rtattr *xdp = find_attribute(IFLA_RTA(link), left, IFLA_XDP);
	size_t length, i;

	if (!name || !xdp)
		return false;
	length = RTA_PAYLOAD(name);
	if (length >= sizeof(place->interface))
		length = sizeof(place->interface) - 1;
	memset(place->interface, 0, sizeof(place->interface));
	memcpy(place->interface, RTA_DATA(name), length);
	for (i = ATTACH_XDP_NATIVE; i <= ATTACH_XDP_OFFLOAD; i++) {
		if (!holds_program(xdp, modes[i].attribute, prog_id))
			continue;
		place->mode = (enum attach_xdp_mode)i;
		return true;
	}
	return false;
}

bool attach_xdp_find(uint32_t ifindex, uint32_t prog_id, struct attach_xdp_place *place)
{
	void *answer = malloc(ANSWER_SIZE);
	struct nlmsghdr *message;
	bool found = false;
	int size;

	if (!answer)
		return false;
	message = ask(ifindex, answer, &size);
	if (message)
		found = read_place(message, size, prog_id, place);
	free(answer);
	return found;
}
