/* SPDX-License-Identifier: MIT */
#include "attach_xdp.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "abi_net.h"
#include "netlink.h"
#include "probe.h"
#include "sys.h"
#include "sys_net.h"

static const struct {
	const char *name;
	uint32_t flag; /* of BPF_LINK_CREATE and IFLA_XDP_FLAGS */
	unsigned short attribute; /* of IFLA_XDP: the id of the program in this mode */
} modes[ATTACH_XDP_MODES] = {
	[ATTACH_XDP_ANY] = {NULL, 0, 0},
	[ATTACH_XDP_NATIVE] = {"native", XDP_FLAGS_DRV_MODE, IFLA_XDP_DRV_PROG_ID},
	[ATTACH_XDP_GENERIC] = {"generic", XDP_FLAGS_SKB_MODE, IFLA_XDP_SKB_PROG_ID},
	[ATTACH_XDP_OFFLOAD] = {"offload", XDP_FLAGS_HW_MODE, IFLA_XDP_HW_PROG_ID},
};

const char *attach_xdp_mode_name(enum attach_xdp_mode mode)
{
	return modes[mode].name;
}

static void read_interface(const struct nlmsghdr *message, void *context)
{
	struct attach_xdp_interface *interface = context;
	struct netlink_attribute all, xdp;
	int i;

	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	all = netlink_attributes(message, sizeof(struct ifinfomsg));
	netlink_find_string(all, IFLA_IFNAME, interface->name, sizeof(interface->name));
	if (!netlink_find(all, IFLA_XDP, &xdp))
		return;
	for (i = ATTACH_XDP_NATIVE; i < ATTACH_XDP_MODES; i++)
		netlink_find_u32(xdp, modes[i].attribute, &interface->programs[i]);
}

int attach_xdp_ask(int socket, uint32_t ifindex, struct attach_xdp_interface *interface)
{
	struct ifinfomsg link = {.ifi_index = (int)ifindex};
	struct netlink_request request;
	char why[NETLINK_WHY_SIZE];
	int own, ret;

	memset(interface, 0, sizeof(*interface));
	own = socket < 0 ? sys_route_open() : socket;
	if (own < 0)
		return own;
	netlink_begin(&request, RTM_GETLINK, 0, &link, sizeof(link));
	netlink_put_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	ret = netlink_ask(own, &request, read_interface, interface, why);
	if (socket < 0)
		sys_close(own);
	return ret;
}

enum attach_xdp_mode attach_xdp_mode_of(
	const struct attach_xdp_interface *interface, uint32_t prog_id)
{
	int i;

	for (i = ATTACH_XDP_NATIVE; i < ATTACH_XDP_MODES; i++) {
		if (prog_id && interface->programs[i] == prog_id)
			return (enum attach_xdp_mode)i;
	}
	return ATTACH_XDP_ANY;
}

bool attach_xdp_find(uint32_t ifindex, uint32_t prog_id, struct attach_xdp_place *place)
{
	struct attach_xdp_interface interface;

	if (attach_xdp_ask(-1, ifindex, &interface) < 0)
		return false;
	memcpy(place->interface, interface.name, sizeof(place->interface));
	place->mode = attach_xdp_mode_of(&interface, prog_id);
	return place->mode != ATTACH_XDP_ANY;
}

static int explain(int code, bool link, enum attach_xdp_mode mode, struct error *err)
{
	if (code == -ENODEV)
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
		return error_append(err,
			": the program is of another type, or the interface refuses it as it is "
			"set "
			"up (MTU, queues)%s",
			link ? ", or Linux is older than 5.9: use by = \"netlink\" there" : "");
	return probe_explain_privilege(err, link ? PROBE_NET_ADMIN : PROBE_NETLINK);
}

static void name_target(const struct attach_xdp_target *target, int code, struct error *err)
{
	if (target->interface)
		error_errno(err, code, "interface \"%s\"", target->interface);
	else
		error_errno(err, code, "interface %" PRIu32, target->ifindex);
}

static int find_interface(const struct attach_xdp_target *target)
{
	return target->interface ? sys_interface_index(target->interface) : (int)target->ifindex;
}

int attach_xdp(int prog_fd, const struct attach_xdp_target *target, struct error *err)
{
	struct abi_link_create_net attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = BPF_XDP,
		.flags = modes[target->mode].flag,
	};
	struct attach_xdp_interface interface;
	int index = find_interface(target);
	int ret = index;

	if (index >= 0) {
		attr.target = (uint32_t)index;
		ret = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
	}
	if (ret >= 0)
		return ret;
	/* The kernel says EINVAL for a missing interface, as for much else. */
	if (ret == -EINVAL && attach_xdp_ask(-1, (uint32_t)index, &interface) == -ENODEV)
		ret = -ENODEV;
	name_target(target, ret, err);
	return explain(ret, true, target->mode, err);
}

/* Puts `prog_fd` there, -1 taking away what is there. `expected`, with ABI_XDP_FLAGS_REPLACE, is
 * what has to be there now. */
static int set_program(const struct attachment *a, uint32_t flags, int prog_fd, int expected,
	char why[NETLINK_WHY_SIZE])
{
	struct ifinfomsg link = {.ifi_index = (int)a->ifindex};
	struct netlink_request request;
	size_t nest;

	netlink_begin(&request, RTM_SETLINK, 0, &link, sizeof(link));
	nest = netlink_open_nest(&request, IFLA_XDP);
	netlink_put_u32(&request, IFLA_XDP_FD, (uint32_t)prog_fd);
	netlink_put_u32(&request, IFLA_XDP_FLAGS, flags);
	if (flags & ABI_XDP_FLAGS_REPLACE)
		netlink_put_u32(&request, ABI_IFLA_XDP_EXPECTED_FD, (uint32_t)expected);
	netlink_close_nest(&request, nest);
	return netlink_ask(a->target, &request, NULL, NULL, why);
}

/*
 * The same when it is still `present` that is there. Before Linux 5.7, which cannot see to that
 * itself, by looking first: EINVAL there is the flag that it does not know.
 */
static int exchange(const struct attachment *a, int prog_fd, int present, char *why)
{
	struct attach_xdp_interface interface;
	int ret;

	ret = set_program(a, a->flags | ABI_XDP_FLAGS_REPLACE, prog_fd, present, why);
	if (ret != -EINVAL || attach_xdp_ask(a->target, a->ifindex, &interface) < 0)
		return ret;
	if (attach_xdp_mode_of(&interface, attachment_program_id(present)) == ATTACH_XDP_ANY)
		return -EEXIST;
	return set_program(a, a->flags, prog_fd, 0, why);
}

/* Only the reason. */
static int exchange_or_say(const struct attachment *a, int prog_fd, int present, struct error *err)
{
	char why[NETLINK_WHY_SIZE], reason[128];
	int ret = exchange(a, prog_fd, present, why);

	if (ret == 0)
		return 0;
	error_describe(ret, reason, sizeof(reason));
	error_set(err, ret, "%s", reason);
	if (why[0])
		error_append(err, ": %s", why);
	if (ret == -EEXIST)
		return error_append(err, ": it is attached there no more");
	if (ret == -ENODEV)
		return error_append(err, ": the interface is gone");
	return probe_explain_privilege(err, PROBE_NETLINK);
}

static int detach(const struct attachment *a, int prog_fd, struct error *err)
{
	return exchange_or_say(a, -1, prog_fd, err);
}

static int update(const struct attachment *a, int prog_fd, int new_prog_fd, struct error *err)
{
	return exchange_or_say(a, new_prog_fd, prog_fd, err);
}

static const struct attachment_class by_netlink = {ATTACHMENT_XDP, detach, update};

static int put_there(
	const struct attach_xdp_target *target, const struct attachment *a, int prog_fd, char *why)
{
	if (!target->replaces)
		return set_program(a, a->flags | XDP_FLAGS_UPDATE_IF_NOEXIST, prog_fd, 0, why);
	if (target->replaced < 0)
		return set_program(a, a->flags, prog_fd, 0, why);
	return exchange(a, prog_fd, target->replaced, why);
}

int attach_xdp_netlink(int prog_fd, const struct attach_xdp_target *target, struct attachment *a,
	struct error *err)
{
	char why[NETLINK_WHY_SIZE] = "";
	int ret = find_interface(target);

	attachment_init(a);
	a->flags = modes[target->mode].flag;
	if (ret >= 0) {
		a->ifindex = (uint32_t)ret;
		ret = a->target = sys_route_open();
	}
	if (ret >= 0)
		ret = put_there(target, a, prog_fd, why);
	if (ret >= 0) {
		a->class = &by_netlink;
		a->owner = sys_process_id();
		return 0;
	}
	attachment_forget(a);
	name_target(target, ret, err);
	if (why[0])
		error_append(err, ": %s", why);
	if (ret == -EEXIST && target->replaces)
		return error_append(err, ": its XDP program is not the one to be replaced");
	return explain(ret, false, target->mode, err);
}
