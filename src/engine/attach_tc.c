/* SPDX-License-Identifier: MIT */
#include "attach_tc.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink.h"
#include "probe.h"
#include "sys.h"
#include "sys_net.h"

/* TC_H_CLSACT and its handle, TCA_CHAIN (Linux 4.14) and others that old headers lack. */
enum { CLSACT = 0xfffffff1, CLSACT_HANDLE = 0xffff0000, CHAIN = 11, BPF_ID = 11, ATTEMPTS = 4 };

static struct tcmsg describe(const struct attachment *a)
{
	uint32_t protocol = __builtin_bswap16(ETH_P_ALL);

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		protocol = ETH_P_ALL;
	return (struct tcmsg){
		.tcm_ifindex = (int)a->ifindex,
		.tcm_parent = a->tc.parent,
		.tcm_handle = a->tc.handle,
		.tcm_info = TC_H_MAKE((uint32_t)a->tc.priority << 16, protocol),
	};
}

static int change_clsact(const struct attachment *a, uint16_t type, uint16_t flags, char *why)
{
	struct tcmsg qdisc = {
		.tcm_ifindex = (int)a->ifindex,
		.tcm_parent = CLSACT,
		.tcm_handle = CLSACT_HANDLE,
	};
	struct netlink_request request;

	netlink_begin(&request, type, flags, &qdisc, sizeof(qdisc));
	netlink_put(&request, TCA_KIND, "clsact", sizeof("clsact"));
	return netlink_ask(a->target, &request, NULL, NULL, why);
}

static void read_options(struct netlink_attribute options, struct attach_tc_filter *filter)
{
	uint32_t flags = 0;

	netlink_find_u32(options, BPF_ID, &filter->prog_id);
	netlink_find_u32(options, TCA_BPF_FLAGS, &flags);
	netlink_find_string(options, TCA_BPF_NAME, filter->name, sizeof(filter->name));
	filter->direct_action = (flags & TCA_BPF_FLAG_ACT_DIRECT) != 0;
}

/* False: the message is no filter, or one of another type. */
static bool read_filter(const struct nlmsghdr *message, struct attach_tc_filter *filter)
{
	struct netlink_attribute all, options;
	struct tcmsg header;
	char kind[16] = "";

	if (message->nlmsg_type != RTM_NEWTFILTER ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(header)))
		return false;
	memcpy(&header, NLMSG_DATA(message), sizeof(header));
	all = netlink_attributes(message, sizeof(header));
	netlink_find_string(all, TCA_KIND, kind, sizeof(kind));
	/* Before its filters the kernel tells of the priority itself, without a handle. */
	if (strcmp(kind, "bpf") != 0 || !header.tcm_handle)
		return false;
	memset(filter, 0, sizeof(*filter));
	filter->handle = header.tcm_handle;
	filter->priority = (uint16_t)(header.tcm_info >> 16);
	netlink_find_u32(all, CHAIN, &filter->chain);
	if (netlink_find(all, TCA_OPTIONS, &options))
		read_options(options, filter);
	return true;
}

struct listing {
	bool (*visit)(const struct attach_tc_filter *filter, void *context);
	void *context;
	bool ended;
	bool *any; /* where not NULL: set for filters of any type */
};

static void list_one(const struct nlmsghdr *message, void *context)
{
	struct listing *listing = context;
	struct attach_tc_filter filter;

	if (listing->any && message->nlmsg_type == RTM_NEWTFILTER)
		*listing->any = true;
	if (!listing->ended && listing->visit && read_filter(message, &filter))
		listing->ended = !listing->visit(&filter, listing->context);
}

static int list(int socket, uint32_t ifindex, uint32_t parent, struct listing *listing)
{
	struct tcmsg filter = {
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = parent,
	};
	struct netlink_request request;
	char why[NETLINK_WHY_SIZE];

	netlink_begin(&request, RTM_GETTFILTER, NLM_F_DUMP, &filter, sizeof(filter));
	return netlink_ask(socket, &request, list_one, listing, why);
}

int attach_tc_list(int socket, uint32_t ifindex, uint32_t parent,
	bool (*visit)(const struct attach_tc_filter *filter, void *context), void *context)
{
	struct listing listing = {.visit = visit, .context = context};
	int own = socket < 0 ? sys_route_open() : socket;
	int ret;

	if (own < 0)
		return own;
	ret = list(own, ifindex, parent, &listing);
	if (socket < 0)
		sys_close(own);
	return ret;
}

/* Whether the hook has filters; true when it cannot be told. */
static bool has_filters(const struct attachment *a, uint32_t parent)
{
	bool any = false;
	struct listing listing = {.any = &any};

	return list(a->target, a->ifindex, parent, &listing) < 0 || any;
}

/* Removes the clsact that was made for this filter, unless others use it by now. */
static void remove_clsact(const struct attachment *a)
{
	char ignored[NETLINK_WHY_SIZE];

	if (!a->tc.made_clsact || has_filters(a, ATTACH_TC_INGRESS) ||
		has_filters(a, ATTACH_TC_EGRESS))
		return;
	change_clsact(a, RTM_DELQDISC, 0, ignored);
}

struct search {
	uint32_t prog_id;
	const struct attach_tc_filter *place; /* NULL: the program is what is looked for */
	struct attach_tc_filter found;
	bool is_found;
};

static bool search_one(const struct attach_tc_filter *filter, void *context)
{
	struct search *search = context;
	const struct attach_tc_filter *place = search->place;

	if (place ? filter->handle == place->handle && filter->priority == place->priority &&
				filter->chain == place->chain
		  : filter->prog_id == search->prog_id) {
		search->found = *filter;
		search->is_found = true;
	}
	return !search->is_found;
}

/* Whether the filter still is what was attached. A listing that changed under way is repeated. */
static int check_present(const struct attachment *a, int prog_fd, struct error *err)
{
	struct attach_tc_filter place = {
		.handle = a->tc.handle,
		.chain = a->tc.chain,
		.priority = a->tc.priority,
	};
	struct search search = {.place = &place};
	char reason[128];
	int ret, i = 0;

	do {
		ret = attach_tc_list(a->target, a->ifindex, a->tc.parent, search_one, &search);
	} while (ret == -EAGAIN && !search.is_found && ++i < ATTEMPTS);
	if (search.is_found && search.found.prog_id == attachment_program_id(prog_fd))
		return 0;
	if (search.is_found)
		return error_set(err, EEXIST, "the filter runs another program by now");
	if (ret == 0 || ret == -EINVAL || ret == -ENODEV)
		return error_set(err, ENOENT, "it is attached there no more");
	error_describe(ret, reason, sizeof(reason));
	return error_set(err, ret, "list the filters: %s", reason);
}

/* The filter that was made, as the kernel echoes it. */
static void learn(const struct nlmsghdr *message, void *context)
{
	struct attachment *a = context;
	struct attach_tc_filter filter;

	if (!read_filter(message, &filter))
		return;
	a->tc.handle = filter.handle;
	a->tc.priority = filter.priority;
	a->tc.chain = filter.chain;
}

static void put_options(struct netlink_request *request, int prog_fd, const char *name,
	uint32_t class_id, uint32_t flags, bool direct_action)
{
	size_t nest = netlink_open_nest(request, TCA_OPTIONS);

	netlink_put_u32(request, TCA_BPF_FD, (uint32_t)prog_fd);
	if (name)
		netlink_put(request, TCA_BPF_NAME, name, strlen(name) + 1);
	if (class_id)
		netlink_put_u32(request, TCA_BPF_CLASSID, class_id);
	if (direct_action)
		netlink_put_u32(request, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	if (flags)
		netlink_put_u32(request, TCA_BPF_FLAGS_GEN, flags);
	netlink_close_nest(request, nest);
}

static void begin_filter(
	struct netlink_request *request, const struct attachment *a, uint16_t type, uint16_t flags)
{
	struct tcmsg filter = describe(a);

	netlink_begin(request, type, flags, &filter, sizeof(filter));
	netlink_put(request, TCA_KIND, "bpf", sizeof("bpf"));
	if (a->tc.chain)
		netlink_put_u32(request, CHAIN, a->tc.chain);
}

/* Only the reason. */
static int refuse(int code, const char *why, struct error *err)
{
	char reason[128];

	error_describe(code, reason, sizeof(reason));
	error_set(err, code, "%s", reason);
	if (why[0])
		error_append(err, ": %s", why);
	return probe_explain_privilege(err, PROBE_NETLINK);
}

static int detach(const struct attachment *a, int prog_fd, struct error *err)
{
	struct netlink_request request;
	char why[NETLINK_WHY_SIZE];
	int ret;

	if (check_present(a, prog_fd, err) < 0)
		return -1;
	begin_filter(&request, a, RTM_DELTFILTER, 0);
	ret = netlink_ask(a->target, &request, NULL, NULL, why);
	if (ret < 0)
		return refuse(ret, why, err);
	remove_clsact(a);
	return 0;
}

static int update(const struct attachment *a, int prog_fd, int new_prog_fd, struct error *err)
{
	struct netlink_request request;
	char why[NETLINK_WHY_SIZE];
	int ret;

	if (check_present(a, prog_fd, err) < 0)
		return -1;
	begin_filter(&request, a, RTM_NEWTFILTER, NLM_F_REPLACE);
	put_options(&request, new_prog_fd, a->tc.name[0] ? a->tc.name : NULL, a->tc.class_id,
		a->flags, a->tc.direct_action);
	ret = netlink_ask(a->target, &request, NULL, NULL, why);
	return ret < 0 ? refuse(ret, why, err) : 0;
}

static const struct attachment_class by_filter = {ATTACHMENT_TC, detach, update};

static int explain(int code, const struct attach_tc_target *target, struct error *err)
{
	if (code == -ENODEV)
		return error_append(err, ": this network namespace has no such interface");
	if (code == -EEXIST)
		return error_append(err, ": a filter of that priority and handle is there already: "
					 "choose others, or replace it");
	if (code == -ENOENT && target->replaces)
		return error_append(err, ": the filter to be replaced is not there");
	if (code == -EINVAL)
		return error_append(err,
			": the program is of another type, or the place is none that has filters");
	return probe_explain_privilege(err, PROBE_NETLINK);
}

/* Where the filter of the program to be replaced is. */
static int find_replaced(const struct attach_tc_target *target, struct attachment *a)
{
	struct search search = {.prog_id = attachment_program_id(target->replaced)};
	int ret = attach_tc_list(a->target, a->ifindex, a->tc.parent, search_one, &search);

	if (!search.is_found)
		return ret < 0 && ret != -EINVAL ? ret : -ENOENT;
	a->tc.handle = search.found.handle;
	a->tc.priority = search.found.priority;
	a->tc.chain = search.found.chain;
	return 0;
}

static int make_filter(
	int prog_fd, const struct attach_tc_target *target, struct attachment *a, char *why)
{
	struct netlink_request request;
	uint16_t flags = NLM_F_ECHO | NLM_F_CREATE | NLM_F_EXCL;
	int ret = 0;

	if (target->replaces)
		flags = NLM_F_ECHO | NLM_F_REPLACE;
	if (target->replaces && target->replaced >= 0)
		ret = find_replaced(target, a);
	if (ret < 0)
		return ret;
	begin_filter(&request, a, RTM_NEWTFILTER, flags);
	put_options(&request, prog_fd, target->name, a->tc.class_id, a->flags, a->tc.direct_action);
	return netlink_ask(a->target, &request, learn, a, why);
}

static int make_clsact(struct attachment *a, char *why)
{
	int ret;

	if (a->tc.parent != ATTACH_TC_INGRESS && a->tc.parent != ATTACH_TC_EGRESS)
		return 0;
	ret = change_clsact(a, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, why);
	a->tc.made_clsact = ret == 0;
	return ret == -EEXIST ? 0 : ret;
}

static void take_over(const struct attach_tc_target *target, struct attachment *a)
{
	attachment_init(a);
	a->flags = (target->skip_hardware ? TCA_CLS_FLAGS_SKIP_HW : 0) |
		   (target->skip_software ? TCA_CLS_FLAGS_SKIP_SW : 0);
	a->tc.parent = target->parent;
	a->tc.handle = target->handle;
	a->tc.chain = target->chain;
	a->tc.class_id = target->class_id;
	a->tc.priority = target->priority;
	a->tc.direct_action = target->direct_action;
	if (target->name)
		strncpy(a->tc.name, target->name, sizeof(a->tc.name) - 1);
}

int attach_tc(
	int prog_fd, const struct attach_tc_target *target, struct attachment *a, struct error *err)
{
	char why[NETLINK_WHY_SIZE] = "";
	int ret;

	take_over(target, a);
	ret = target->interface ? sys_interface_index(target->interface) : (int)target->ifindex;
	if (ret >= 0) {
		a->ifindex = (uint32_t)ret;
		ret = a->target = sys_route_open();
	}
	if (ret >= 0 && !target->replaces)
		ret = make_clsact(a, why);
	if (ret >= 0) {
		ret = make_filter(prog_fd, target, a, why);
		if (ret < 0)
			remove_clsact(a);
	}
	if (ret >= 0) {
		a->class = &by_filter;
		a->owner = sys_process_id();
		return 0;
	}
	attachment_forget(a);
	if (target->interface)
		error_errno(err, ret, "interface \"%s\"", target->interface);
	else
		error_errno(err, ret, "interface %" PRIu32, target->ifindex);
	if (why[0])
		error_append(err, ": %s", why);
	return explain(ret, target, err);
}
