/* SPDX-License-Identifier: MIT */
#include "sections.h"

#include <stddef.h>
#include <string.h>

#include "abi.h"

#define SLEEPABLE SECTION_SLEEPABLE
#define FRAGS     SECTION_XDP_FRAGS
#define OPTIONAL  SECTION_ATTACH_OPTIONAL
#define BTF       SECTION_BTF_TARGET

#define PLAIN(pattern, type, flags)                                                                \
	{                                                                                          \
		pattern, BPF_PROG_TYPE_##type, 0, flags                                            \
	}
#define ATTACH(pattern, type, attach, flags)                                                       \
	{                                                                                          \
		pattern, BPF_PROG_TYPE_##type, BPF_##attach, SECTION_ATTACH | (flags)              \
	}

/* The names libbpf knows. "tracepoint.s" to "raw_tp.s", "tp_btf.s" and the ".multi" ones of
 * fentry, fexit and fsession came after its version 1.7. */
/* clang-format off */
const struct section_def section_defs[] = {
	PLAIN("socket", SOCKET_FILTER, 0),
	ATTACH("sk_reuseport/migrate", SK_REUSEPORT, SK_REUSEPORT_SELECT_OR_MIGRATE, 0),
	ATTACH("sk_reuseport", SK_REUSEPORT, SK_REUSEPORT_SELECT, 0),
	PLAIN("kprobe+", KPROBE, 0),
	PLAIN("uprobe+", KPROBE, 0),
	PLAIN("uprobe.s+", KPROBE, SLEEPABLE),
	PLAIN("kretprobe+", KPROBE, 0),
	PLAIN("uretprobe+", KPROBE, 0),
	PLAIN("uretprobe.s+", KPROBE, SLEEPABLE),
	ATTACH("kprobe.multi+", KPROBE, TRACE_KPROBE_MULTI, 0),
	ATTACH("kretprobe.multi+", KPROBE, TRACE_KPROBE_MULTI, 0),
	ATTACH("kprobe.session+", KPROBE, TRACE_KPROBE_SESSION, 0),
	ATTACH("uprobe.multi+", KPROBE, TRACE_UPROBE_MULTI, 0),
	ATTACH("uretprobe.multi+", KPROBE, TRACE_UPROBE_MULTI, 0),
	ATTACH("uprobe.session+", KPROBE, TRACE_UPROBE_SESSION, 0),
	ATTACH("uprobe.multi.s+", KPROBE, TRACE_UPROBE_MULTI, SLEEPABLE),
	ATTACH("uretprobe.multi.s+", KPROBE, TRACE_UPROBE_MULTI, SLEEPABLE),
	ATTACH("uprobe.session.s+", KPROBE, TRACE_UPROBE_SESSION, SLEEPABLE),
	PLAIN("ksyscall+", KPROBE, 0),
	PLAIN("kretsyscall+", KPROBE, 0),
	PLAIN("usdt+", KPROBE, 0),
	PLAIN("usdt.s+", KPROBE, SLEEPABLE),
	ATTACH("tc/ingress", SCHED_CLS, TCX_INGRESS, 0),
	ATTACH("tc/egress", SCHED_CLS, TCX_EGRESS, 0),
	ATTACH("tcx/ingress", SCHED_CLS, TCX_INGRESS, 0),
	ATTACH("tcx/egress", SCHED_CLS, TCX_EGRESS, 0),
	PLAIN("tc", SCHED_CLS, 0),
	PLAIN("classifier", SCHED_CLS, 0),
	PLAIN("action", SCHED_ACT, 0),
	ATTACH("netkit/primary", SCHED_CLS, NETKIT_PRIMARY, 0),
	ATTACH("netkit/peer", SCHED_CLS, NETKIT_PEER, 0),
	PLAIN("tracepoint+", TRACEPOINT, 0),
	PLAIN("tracepoint.s+", TRACEPOINT, SLEEPABLE),
	PLAIN("tp+", TRACEPOINT, 0),
	PLAIN("tp.s+", TRACEPOINT, SLEEPABLE),
	PLAIN("raw_tracepoint+", RAW_TRACEPOINT, 0),
	PLAIN("raw_tracepoint.s+", RAW_TRACEPOINT, SLEEPABLE),
	PLAIN("raw_tp+", RAW_TRACEPOINT, 0),
	PLAIN("raw_tp.s+", RAW_TRACEPOINT, SLEEPABLE),
	PLAIN("raw_tracepoint.w+", RAW_TRACEPOINT_WRITABLE, 0),
	PLAIN("raw_tp.w+", RAW_TRACEPOINT_WRITABLE, 0),
	ATTACH("tp_btf+", TRACING, TRACE_RAW_TP, BTF),
	ATTACH("tp_btf.s+", TRACING, TRACE_RAW_TP, BTF | SLEEPABLE),
	ATTACH("fentry+", TRACING, TRACE_FENTRY, BTF),
	ATTACH("fmod_ret+", TRACING, MODIFY_RETURN, BTF),
	ATTACH("fexit+", TRACING, TRACE_FEXIT, BTF),
	ATTACH("fentry.s+", TRACING, TRACE_FENTRY, BTF | SLEEPABLE),
	ATTACH("fmod_ret.s+", TRACING, MODIFY_RETURN, BTF | SLEEPABLE),
	ATTACH("fexit.s+", TRACING, TRACE_FEXIT, BTF | SLEEPABLE),
	ATTACH("fsession+", TRACING, TRACE_FSESSION, BTF),
	ATTACH("fsession.s+", TRACING, TRACE_FSESSION, BTF | SLEEPABLE),
	ATTACH("fentry.multi+", TRACING, TRACE_FENTRY_MULTI, BTF),
	ATTACH("fentry.multi.s+", TRACING, TRACE_FENTRY_MULTI, BTF | SLEEPABLE),
	ATTACH("fexit.multi+", TRACING, TRACE_FEXIT_MULTI, BTF),
	ATTACH("fexit.multi.s+", TRACING, TRACE_FEXIT_MULTI, BTF | SLEEPABLE),
	ATTACH("fsession.multi+", TRACING, TRACE_FSESSION_MULTI, BTF),
	ATTACH("fsession.multi.s+", TRACING, TRACE_FSESSION_MULTI, BTF | SLEEPABLE),
	PLAIN("freplace+", EXT, BTF),
	ATTACH("lsm+", LSM, LSM_MAC, BTF),
	ATTACH("lsm.s+", LSM, LSM_MAC, BTF | SLEEPABLE),
	ATTACH("lsm_cgroup+", LSM, LSM_CGROUP, BTF),
	ATTACH("iter+", TRACING, TRACE_ITER, BTF),
	ATTACH("iter.s+", TRACING, TRACE_ITER, BTF | SLEEPABLE),
	PLAIN("syscall", SYSCALL, SLEEPABLE),
	ATTACH("xdp.frags/devmap", XDP, XDP_DEVMAP, FRAGS),
	ATTACH("xdp/devmap", XDP, XDP_DEVMAP, 0),
	ATTACH("xdp.frags/cpumap", XDP, XDP_CPUMAP, FRAGS),
	ATTACH("xdp/cpumap", XDP, XDP_CPUMAP, 0),
	ATTACH("xdp.frags", XDP, XDP, FRAGS),
	ATTACH("xdp", XDP, XDP, OPTIONAL),
	PLAIN("perf_event", PERF_EVENT, 0),
	PLAIN("lwt_in", LWT_IN, 0),
	PLAIN("lwt_out", LWT_OUT, 0),
	PLAIN("lwt_xmit", LWT_XMIT, 0),
	PLAIN("lwt_seg6local", LWT_SEG6LOCAL, 0),
	ATTACH("sockops", SOCK_OPS, CGROUP_SOCK_OPS, OPTIONAL),
	ATTACH("sk_skb/stream_parser", SK_SKB, SK_SKB_STREAM_PARSER, OPTIONAL),
	ATTACH("sk_skb/stream_verdict", SK_SKB, SK_SKB_STREAM_VERDICT, OPTIONAL),
	ATTACH("sk_skb/verdict", SK_SKB, SK_SKB_VERDICT, OPTIONAL),
	PLAIN("sk_skb", SK_SKB, 0),
	ATTACH("sk_msg", SK_MSG, SK_MSG_VERDICT, OPTIONAL),
	ATTACH("lirc_mode2", LIRC_MODE2, LIRC_MODE2, OPTIONAL),
	ATTACH("flow_dissector", FLOW_DISSECTOR, FLOW_DISSECTOR, OPTIONAL),
	ATTACH("cgroup_skb/ingress", CGROUP_SKB, CGROUP_INET_INGRESS, OPTIONAL),
	ATTACH("cgroup_skb/egress", CGROUP_SKB, CGROUP_INET_EGRESS, OPTIONAL),
	PLAIN("cgroup/skb", CGROUP_SKB, 0),
	ATTACH("cgroup/sock_create", CGROUP_SOCK, CGROUP_INET_SOCK_CREATE, 0),
	ATTACH("cgroup/sock_release", CGROUP_SOCK, CGROUP_INET_SOCK_RELEASE, 0),
	ATTACH("cgroup/sock", CGROUP_SOCK, CGROUP_INET_SOCK_CREATE, OPTIONAL),
	ATTACH("cgroup/post_bind4", CGROUP_SOCK, CGROUP_INET4_POST_BIND, 0),
	ATTACH("cgroup/post_bind6", CGROUP_SOCK, CGROUP_INET6_POST_BIND, 0),
	ATTACH("cgroup/bind4", CGROUP_SOCK_ADDR, CGROUP_INET4_BIND, 0),
	ATTACH("cgroup/bind6", CGROUP_SOCK_ADDR, CGROUP_INET6_BIND, 0),
	ATTACH("cgroup/connect4", CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT, 0),
	ATTACH("cgroup/connect6", CGROUP_SOCK_ADDR, CGROUP_INET6_CONNECT, 0),
	ATTACH("cgroup/connect_unix", CGROUP_SOCK_ADDR, CGROUP_UNIX_CONNECT, 0),
	ATTACH("cgroup/sendmsg4", CGROUP_SOCK_ADDR, CGROUP_UDP4_SENDMSG, 0),
	ATTACH("cgroup/sendmsg6", CGROUP_SOCK_ADDR, CGROUP_UDP6_SENDMSG, 0),
	ATTACH("cgroup/sendmsg_unix", CGROUP_SOCK_ADDR, CGROUP_UNIX_SENDMSG, 0),
	ATTACH("cgroup/recvmsg4", CGROUP_SOCK_ADDR, CGROUP_UDP4_RECVMSG, 0),
	ATTACH("cgroup/recvmsg6", CGROUP_SOCK_ADDR, CGROUP_UDP6_RECVMSG, 0),
	ATTACH("cgroup/recvmsg_unix", CGROUP_SOCK_ADDR, CGROUP_UNIX_RECVMSG, 0),
	ATTACH("cgroup/getpeername4", CGROUP_SOCK_ADDR, CGROUP_INET4_GETPEERNAME, 0),
	ATTACH("cgroup/getpeername6", CGROUP_SOCK_ADDR, CGROUP_INET6_GETPEERNAME, 0),
	ATTACH("cgroup/getpeername_unix", CGROUP_SOCK_ADDR, CGROUP_UNIX_GETPEERNAME, 0),
	ATTACH("cgroup/getsockname4", CGROUP_SOCK_ADDR, CGROUP_INET4_GETSOCKNAME, 0),
	ATTACH("cgroup/getsockname6", CGROUP_SOCK_ADDR, CGROUP_INET6_GETSOCKNAME, 0),
	ATTACH("cgroup/getsockname_unix", CGROUP_SOCK_ADDR, CGROUP_UNIX_GETSOCKNAME, 0),
	ATTACH("cgroup/sysctl", CGROUP_SYSCTL, CGROUP_SYSCTL, 0),
	ATTACH("cgroup/getsockopt", CGROUP_SOCKOPT, CGROUP_GETSOCKOPT, 0),
	ATTACH("cgroup/setsockopt", CGROUP_SOCKOPT, CGROUP_SETSOCKOPT, 0),
	ATTACH("cgroup/dev", CGROUP_DEVICE, CGROUP_DEVICE, OPTIONAL),
	PLAIN("struct_ops+", STRUCT_OPS, 0),
	PLAIN("struct_ops.s+", STRUCT_OPS, SLEEPABLE),
	ATTACH("sk_lookup", SK_LOOKUP, SK_LOOKUP, 0),
	ATTACH("netfilter", NETFILTER, NETFILTER, 0),
};
/* clang-format on */

const uint32_t section_def_count = sizeof(section_defs) / sizeof(section_defs[0]);

/* Whether `name` matches `pattern`; `target` gets what follows the slash, or NULL. */
static bool matches(const char *pattern, const char *name, const char **target)
{
	size_t length = strlen(pattern);
	char last = pattern[length - 1];

	*target = NULL;
	if (last != '+' && last != '/')
		return strcmp(name, pattern) == 0;
	length--;
	if (strncmp(name, pattern, length) != 0)
		return false;
	if (name[length] == '/') {
		*target = name + length + 1;
		return true;
	}
	return last == '+' && !name[length];
}

void sections_match(const char *name, struct section_match *match)
{
	uint32_t i;

	match->def = NULL;
	match->autoload = name[0] != '?';
	if (!match->autoload)
		name++;
	for (i = 0; i < section_def_count; i++) {
		if (matches(section_defs[i].pattern, name, &match->target)) {
			match->def = &section_defs[i];
			return;
		}
	}
	match->target = NULL;
}
