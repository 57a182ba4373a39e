/* SPDX-License-Identifier: MIT */
#include "since.h"

#include <stdbool.h>
#include <stdio.h>

#include "abi.h"
#include "helpers.h"

#define VERSION(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor) << 8)

/* The first that each version added; numbers have only ever been appended. */
struct added {
	uint32_t first;
	uint32_t version;
};

static const struct added helpers_added[] = {
	{1, VERSION(3, 19)},
	{4, VERSION(4, 1)},
	{12, VERSION(4, 2)},
	{17, VERSION(4, 3)},
	{23, VERSION(4, 4)},
	{26, VERSION(4, 5)},
	{27, VERSION(4, 6)},
	{31, VERSION(4, 8)},
	{37, VERSION(4, 9)},
	{42, VERSION(4, 10)},
	{45, VERSION(4, 11)},
	{46, VERSION(4, 12)},
	{48, VERSION(4, 13)},
	{51, VERSION(4, 14)},
	{54, VERSION(4, 15)},
	{58, VERSION(4, 16)},
	{60, VERSION(4, 17)},
	{65, VERSION(4, 18)},
	{81, VERSION(4, 19)},
	{84, VERSION(4, 20)},
	{91, VERSION(5, 0)},
	{93, VERSION(5, 1)},
	{99, VERSION(5, 2)},
	{109, VERSION(5, 3)},
	{111, VERSION(5, 5)},
	{116, VERSION(5, 6)},
	{120, VERSION(5, 7)},
	{125, VERSION(5, 8)},
	{136, VERSION(5, 9)},
	{142, VERSION(5, 10)},
	{156, VERSION(5, 11)},
	{163, VERSION(5, 12)},
	{164, VERSION(5, 13)},
	{166, VERSION(5, 14)},
	{169, VERSION(5, 15)},
	{176, VERSION(5, 16)},
	{180, VERSION(5, 17)},
	{186, VERSION(5, 18)},
	{194, VERSION(5, 19)},
	{204, VERSION(6, 0)},
	{208, VERSION(6, 1)},
	{210, VERSION(6, 2)},
};

enum { HELPERS_ADDED = sizeof(helpers_added) / sizeof(helpers_added[0]) };

static const uint32_t prog_types[] = {
	[BPF_PROG_TYPE_SOCKET_FILTER] = VERSION(3, 19),
	[BPF_PROG_TYPE_KPROBE] = VERSION(4, 1),
	[BPF_PROG_TYPE_SCHED_CLS] = VERSION(4, 1),
	[BPF_PROG_TYPE_SCHED_ACT] = VERSION(4, 1),
	[BPF_PROG_TYPE_TRACEPOINT] = VERSION(4, 7),
	[BPF_PROG_TYPE_XDP] = VERSION(4, 8),
	[BPF_PROG_TYPE_PERF_EVENT] = VERSION(4, 9),
	[BPF_PROG_TYPE_CGROUP_SKB] = VERSION(4, 10),
	[BPF_PROG_TYPE_CGROUP_SOCK] = VERSION(4, 10),
	[BPF_PROG_TYPE_LWT_IN] = VERSION(4, 10),
	[BPF_PROG_TYPE_LWT_OUT] = VERSION(4, 10),
	[BPF_PROG_TYPE_LWT_XMIT] = VERSION(4, 10),
	[BPF_PROG_TYPE_SOCK_OPS] = VERSION(4, 13),
	[BPF_PROG_TYPE_SK_SKB] = VERSION(4, 14),
	[BPF_PROG_TYPE_CGROUP_DEVICE] = VERSION(4, 15),
	[BPF_PROG_TYPE_SK_MSG] = VERSION(4, 17),
	[BPF_PROG_TYPE_RAW_TRACEPOINT] = VERSION(4, 17),
	[BPF_PROG_TYPE_CGROUP_SOCK_ADDR] = VERSION(4, 17),
	[BPF_PROG_TYPE_LWT_SEG6LOCAL] = VERSION(4, 18),
	[BPF_PROG_TYPE_LIRC_MODE2] = VERSION(4, 18),
	[BPF_PROG_TYPE_SK_REUSEPORT] = VERSION(4, 19),
	[BPF_PROG_TYPE_FLOW_DISSECTOR] = VERSION(4, 20),
	[BPF_PROG_TYPE_CGROUP_SYSCTL] = VERSION(5, 2),
	[BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE] = VERSION(5, 2),
	[BPF_PROG_TYPE_CGROUP_SOCKOPT] = VERSION(5, 3),
	[BPF_PROG_TYPE_TRACING] = VERSION(5, 5),
	[BPF_PROG_TYPE_STRUCT_OPS] = VERSION(5, 6),
	[BPF_PROG_TYPE_EXT] = VERSION(5, 6),
	[BPF_PROG_TYPE_LSM] = VERSION(5, 7),
	[BPF_PROG_TYPE_SK_LOOKUP] = VERSION(5, 9),
	[BPF_PROG_TYPE_SYSCALL] = VERSION(5, 14),
	[BPF_PROG_TYPE_NETFILTER] = VERSION(6, 4),
};

static const struct added attach_types_added[] = {
	{BPF_CGROUP_INET_INGRESS, VERSION(4, 10)},
	{BPF_CGROUP_SOCK_OPS, VERSION(4, 13)},
	{BPF_SK_SKB_STREAM_PARSER, VERSION(4, 14)},
	{BPF_CGROUP_DEVICE, VERSION(4, 15)},
	{BPF_SK_MSG_VERDICT, VERSION(4, 17)},
	{BPF_CGROUP_UDP4_SENDMSG, VERSION(4, 18)},
	{BPF_FLOW_DISSECTOR, VERSION(4, 20)},
	{BPF_CGROUP_SYSCTL, VERSION(5, 2)},
	{BPF_CGROUP_GETSOCKOPT, VERSION(5, 3)},
	{BPF_TRACE_RAW_TP, VERSION(5, 5)},
	{BPF_MODIFY_RETURN, VERSION(5, 7)},
	{BPF_TRACE_ITER, VERSION(5, 8)},
	{BPF_CGROUP_INET_SOCK_RELEASE, VERSION(5, 9)},
	{BPF_SK_SKB_VERDICT, VERSION(5, 13)},
	{BPF_SK_REUSEPORT_SELECT, VERSION(5, 14)},
	{BPF_PERF_EVENT, VERSION(5, 15)},
	{BPF_TRACE_KPROBE_MULTI, VERSION(5, 18)},
	{BPF_LSM_CGROUP, VERSION(6, 0)},
	{BPF_STRUCT_OPS, VERSION(6, 4)},
	{BPF_TCX_INGRESS, VERSION(6, 6)},
	{BPF_CGROUP_UNIX_CONNECT, VERSION(6, 7)},
	{BPF_TRACE_KPROBE_SESSION, VERSION(6, 10)},
	{BPF_TRACE_UPROBE_SESSION, VERSION(6, 13)},
	{BPF_TRACE_FSESSION, VERSION(7, 0)},
	{BPF_TRACE_FENTRY_MULTI, 0},
};

/* Instructions by their parts, of which those that are 0 do not matter. The first that fits counts. */
static const struct insn_added {
	uint8_t code, mask, src;
	int16_t off;
	bool has_off; /* any but 0 */
	uint32_t imm, imm_mask;
	uint32_t version;
	const char *what;
} insns_added[] = {
	{0xc3, 0xe7, 0, 0, false, 0, UINT32_MAX, 0, "lock +="},
	{0xc3, 0xe7, 0, 0, false, 0x100, ~0x10u, VERSION(6, 15), "load_acquire and store_release"},
	{0xc3, 0xe7, 0, 0, false, 0, 0, VERSION(5, 12), "atomic operations other than lock +="},
	{0xe5, 0xff, 0, 0, false, 0, 0, VERSION(6, 9), "may_goto"},
	{0xbf, 0xff, 0, 1, false, 0, 0, VERSION(6, 9), "addr_space_cast"},
	{0xbf, 0xff, 0, -1, false, 0, 0, VERSION(6, 10), "addresses of per-CPU variables"},
	{0xbf, 0xff, 0, 0, true, 0, 0, VERSION(6, 6), "sign-extending moves"},
	{0xbc, 0xff, 0, 0, true, 0, 0, VERSION(6, 6), "sign-extending moves"},
	{0x81, 0xe7, 0, 0, false, 0, 0, VERSION(6, 6), "sign-extending loads"},
	{0xd7, 0xff, 0, 0, false, 0, 0, VERSION(6, 6), "bswap"},
	{0x37, 0xf7, 0, 1, false, 0, 0, VERSION(6, 6), "signed division"},
	{0x34, 0xf7, 0, 1, false, 0, 0, VERSION(6, 6), "signed division"},
	{0x97, 0xf7, 0, 1, false, 0, 0, VERSION(6, 6), "signed division"},
	{0x94, 0xf7, 0, 1, false, 0, 0, VERSION(6, 6), "signed division"},
	{0x06, 0xff, 0, 0, false, 0, 0, VERSION(6, 6), "gotol"},
	{0x85, 0xff, BPF_PSEUDO_KFUNC_CALL, 0, false, 0, 0, VERSION(5, 13), "kfunc calls"},
	{0x18, 0xff, BPF_PSEUDO_FUNC, 0, false, 0, 0, VERSION(5, 13), "pointers to functions"},
	{0x06, 0x07, 0, 0, false, 0, 0, VERSION(5, 1), "32-bit jumps"},
};

static bool is_insn(const struct insn_added *a, const struct bpf_insn *insn)
{
	return (insn->code & a->mask) == a->code && (!a->src || insn->src_reg == a->src) &&
	       (!a->off || insn->off == a->off) && (!a->has_off || insn->off) &&
	       ((uint32_t)insn->imm & a->imm_mask) == a->imm;
}

uint32_t since_insn(const struct bpf_insn *insn, const char **what)
{
	size_t i;

	for (i = 0; i < sizeof(insns_added) / sizeof(insns_added[0]); i++) {
		if (!is_insn(&insns_added[i], insn))
			continue;
		*what = insns_added[i].what;
		return insns_added[i].version;
	}
	return 0;
}

static uint32_t added_by(const struct added *added, size_t count, uint32_t id)
{
	uint32_t version = 0;
	size_t i;

	for (i = 0; i < count && added[i].first <= id; i++)
		version = added[i].version;
	return version;
}

uint32_t since_helper(uint32_t helper)
{
	return names_of(&helpers, helper) ? added_by(helpers_added, HELPERS_ADDED, helper) : 0;
}

uint32_t since_attach_type(uint32_t type)
{
	return added_by(attach_types_added,
		sizeof(attach_types_added) / sizeof(attach_types_added[0]), type);
}

uint32_t since_prog_type(uint32_t type)
{
	return type < sizeof(prog_types) / sizeof(prog_types[0]) ? prog_types[type] : 0;
}

void since_print(uint32_t version, char out[SINCE_TEXT])
{
	snprintf(out, SINCE_TEXT, "%u.%u", version >> 16 & 0xff, version >> 8 & 0xff);
}
