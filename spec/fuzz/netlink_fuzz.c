/* SPDX-License-Identifier: MIT */
/*
 * Reads answers of rtnetlink that are no kernel's: first well-formed ones, which must give exactly
 * what was put in, then damaged ones, which must give an error or an end within their memory. The
 * system calls are this file's. Run under AddressSanitizer.
 *
 *   netlink_fuzz [rounds [seed]]
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <sanitizer/asan_interface.h>

#include "../../src/engine/attach_tc.h"
#include "../../src/engine/attach_xdp.h"
#include "../../src/engine/netlink.h"
#include "../../src/engine/probe.h"
#include "../../src/engine/sys.h"
#include "../../src/engine/sys_net.h"
#include "fuzz.h"

enum { DATAGRAMS = 4, ROOM = 8192, FILTERS = 24 };

/* What the next answer consists of. */
static struct {
	unsigned char bytes[DATAGRAMS][ROOM];
	size_t sizes[DATAGRAMS];
	int count, next;
} answer;

static uint32_t sequence;
int sys_route_open(void)
{
	return 100;
}

int sys_route_send(int fd, const void *request, size_t size)
{
	const struct nlmsghdr *header = request;
	struct nlmsghdr told;
	int i;

	(void)fd;
	sequence = header->nlmsg_seq;
	/* The messages were made before their number was known. */
	for (i = 0; i < answer.count; i++) {
		size_t at = 0;

		while (at + sizeof(told) <= answer.sizes[i]) {
			memcpy(&told, answer.bytes[i] + at, sizeof(told));
			if (told.nlmsg_seq == 0)
				memcpy(answer.bytes[i] + at + offsetof(struct nlmsghdr, nlmsg_seq),
					&sequence, sizeof(sequence));
			if (told.nlmsg_len < sizeof(told))
				break;
			at += NLMSG_ALIGN(told.nlmsg_len);
		}
	}
	answer.next = 0;
	return (int)size;
}

/* What lies behind the datagram may not be read. */
int sys_route_receive(int fd, void *out, size_t room)
{
	size_t size;

	(void)fd;
	__asan_unpoison_memory_region(out, room);
	if (answer.next >= answer.count)
		return -EAGAIN;
	size = answer.sizes[answer.next];
	memcpy(out, answer.bytes[answer.next], size);
	answer.next++;
	__asan_poison_memory_region((char *)out + size, room - size);
	return (int)size;
}

void sys_close(int fd)
{
	(void)fd;
}

int64_t sys_now(void)
{
	return (int64_t)(random_number() >> 2) | 64;
}

int sys_interface_index(const char *name)
{
	(void)name;
	return 1;
}

int sys_process_id(void)
{
	return 1;
}

int sys_obj_info(int fd, void *info, size_t size)
{
	struct abi_prog_info *program = info;

	(void)size;
	program->id = (uint32_t)fd;
	return 0;
}

int sys_bpf_fd(enum bpf_cmd cmd, void *attr, size_t size)
{
	(void)cmd;
	(void)attr;
	(void)size;
	return -EINVAL;
}

int sys_inode_at(const char *path, uint64_t *inode)
{
	(void)path;
	*inode = 1;
	return 0;
}

int probe_explain_privilege(struct error *err, uint32_t needs)
{
	(void)err;
	(void)needs;
	return -1;
}

/* Messages are put together as requests are. */
static void add(int datagram, const struct netlink_request *message)
{
	size_t size = NLMSG_ALIGN(message->header.nlmsg_len);

	if (message->too_long || answer.sizes[datagram] + size > ROOM)
		fail("a message too long for this test");
	memcpy(answer.bytes[datagram] + answer.sizes[datagram], message->bytes, size);
	answer.sizes[datagram] += size;
}

static void begin(int datagrams)
{
	memset(&answer, 0, sizeof(answer));
	answer.count = datagrams;
}

static void end(int datagram, int code, const char *words)
{
	struct netlink_request message;
	struct {
		int32_t code;
		struct nlmsghdr request;
	} told = {.code = code, .request = {.nlmsg_len = sizeof(struct nlmsghdr)}};

	netlink_begin(&message, NLMSG_ERROR, 0, &told, sizeof(told));
	message.header.nlmsg_flags = words ? 0x300 : 0x100; /* capped, with attributes */
	if (words)
		netlink_put(&message, 1, words, strlen(words) + 1);
	add(datagram, &message);
}

static void done(int datagram)
{
	struct netlink_request message;
	int32_t code = 0;

	netlink_begin(&message, NLMSG_DONE, NLM_F_MULTI, &code, sizeof(code));
	add(datagram, &message);
}

static void add_filter(int datagram, const struct attach_tc_filter *filter)
{
	struct tcmsg header = {
		.tcm_handle = filter->handle,
		.tcm_info = (uint32_t)filter->priority << 16,
	};
	struct netlink_request message;
	size_t nest;

	netlink_begin(&message, RTM_NEWTFILTER, NLM_F_MULTI, &header, sizeof(header));
	netlink_put(&message, TCA_KIND, "bpf", sizeof("bpf"));
	netlink_put_u32(&message, 11, filter->chain);
	nest = netlink_open_nest(&message, TCA_OPTIONS);
	netlink_put(&message, TCA_BPF_NAME, filter->name, strlen(filter->name) + 1);
	netlink_put_u32(&message, TCA_BPF_FLAGS, filter->direct_action);
	netlink_put_u32(&message, 11, filter->prog_id);
	netlink_close_nest(&message, nest);
	add(datagram, &message);
}

struct seen {
	struct attach_tc_filter filters[FILTERS];
	int count;
};

static bool see(const struct attach_tc_filter *filter, void *context)
{
	struct seen *seen = context;

	if (strlen(filter->name) >= sizeof(filter->name))
		fail("a name without an end");
	if (seen->count < FILTERS)
		seen->filters[seen->count] = *filter;
	seen->count++;
	return true;
}

/* A listing over several datagrams; returns how many filters it has. */
static int make_listing(struct attach_tc_filter *filters)
{
	int datagrams = 1 + (int)below(DATAGRAMS), n = 0, i, k;

	begin(datagrams);
	for (i = 0; i < datagrams; i++) {
		for (k = (int)below(FILTERS / DATAGRAMS); k > 0; k--) {
			struct attach_tc_filter *filter = &filters[n++];

			memset(filter, 0, sizeof(*filter));
			filter->handle = 1 + below(1000);
			filter->priority = (uint16_t)random_number();
			filter->chain = below(9);
			filter->prog_id = below(1000);
			filter->direct_action = below(2);
			memset(filter->name, 'a' + (int)below(26), below(sizeof(filter->name)));
			add_filter(i, filter);
		}
	}
	done(datagrams - 1);
	return n;
}

static void check_listing(void)
{
	struct attach_tc_filter filters[FILTERS];
	struct seen seen = {.count = 0};
	int n = make_listing(filters);

	if (attach_tc_list(1, 1, ATTACH_TC_INGRESS, see, &seen) != 0 || seen.count != n ||
		memcmp(seen.filters, filters, (size_t)n * sizeof(*filters)) != 0)
		fail("not the filters that were put in");
}

static void make_interface(struct attach_xdp_interface *interface)
{
	struct ifinfomsg header = {.ifi_index = 1};
	struct netlink_request message;
	size_t nest;

	memset(interface, 0, sizeof(*interface));
	memset(interface->name, 'e', 1 + below(15));
	interface->programs[ATTACH_XDP_NATIVE] = below(1000);
	interface->programs[ATTACH_XDP_GENERIC] = below(1000);
	begin(1);
	netlink_begin(&message, RTM_NEWLINK, 0, &header, sizeof(header));
	netlink_put(&message, IFLA_IFNAME, interface->name, strlen(interface->name) + 1);
	nest = netlink_open_nest(&message, IFLA_XDP);
	netlink_put_u32(&message, IFLA_XDP_DRV_PROG_ID, interface->programs[ATTACH_XDP_NATIVE]);
	netlink_put_u32(&message, IFLA_XDP_SKB_PROG_ID, interface->programs[ATTACH_XDP_GENERIC]);
	netlink_close_nest(&message, nest);
	add(0, &message);
	end(0, 0, NULL);
}

static void check_interface(void)
{
	struct attach_xdp_interface expected, got;

	make_interface(&expected);
	if (attach_xdp_ask(1, 1, &got) != 0 || memcmp(&got, &expected, sizeof(got)) != 0)
		fail("not the interface that was put in");
}

/* The kernel's words, cut to the room there is. */
static void check_refusal(void)
{
	struct attach_xdp_target target = {.ifindex = 1};
	struct attachment attachment;
	struct error err;
	char words[300];

	memset(words, 'w', sizeof(words));
	words[below(sizeof(words))] = '\0';
	words[sizeof(words) - 1] = '\0';
	begin(1);
	end(0, -EPERM, words);
	if (attach_xdp_netlink(5, &target, &attachment, &err) != -1 || err.code != EPERM)
		fail("not the errno that was put in");
	words[NETLINK_WHY_SIZE - 1] = '\0';
	if (words[0] && !strstr(err.text, words))
		fail("not the words that were put in");
}

static void damage(void)
{
	uint32_t n = 1 + below(12);
	int i;

	for (; n > 0; n--) {
		i = (int)below((uint32_t)answer.count);
		if (answer.sizes[i])
			answer.bytes[i][below((uint32_t)answer.sizes[i])] =
				(unsigned char)(below(2) ? random_number() : below(8));
	}
	i = (int)below((uint32_t)answer.count);
	if (below(4) == 0)
		answer.sizes[i] = below((uint32_t)answer.sizes[i] + 1);
}

static void check_damaged(void)
{
	struct attach_tc_target tc = {.ifindex = 1, .parent = ATTACH_TC_INGRESS, .name = "x"};
	struct attach_xdp_interface interface;
	struct attach_tc_filter filters[FILTERS];
	struct seen seen = {.count = 0};
	struct attachment attachment;
	struct error err;

	make_listing(filters);
	damage();
	attach_tc_list(1, 1, ATTACH_TC_INGRESS, see, &seen);
	make_interface(&interface);
	damage();
	attach_xdp_ask(1, 1, &interface);
	if (strlen(interface.name) >= sizeof(interface.name))
		fail("a name without an end");
	make_listing(filters);
	end(0, 0, "words");
	damage();
	tc.replaces = below(2);
	tc.replaced = below(2) ? 5 : -1;
	if (attach_tc(5, &tc, &attachment, &err) < 0)
		return;
	if (attachment.class->detach(&attachment, 5, &err) < 0 && !err.text[0])
		fail("an error without words");
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;

	if (argc > 2)
		random_state ^= strtoull(argv[2], NULL, 10) * 2654435761u;
	while (rounds-- > 0) {
		check_listing();
		check_interface();
		check_refusal();
		check_damaged();
	}
	return 0;
}
