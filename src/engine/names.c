/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <string.h>

static const char *const map_types[] = {
	"unspec",
	"hash",
	"array",
	"prog_array",
	"perf_event_array",
	"percpu_hash",
	"percpu_array",
	"stack_trace",
	"cgroup_array",
	"lru_hash",
	"lru_percpu_hash",
	"lpm_trie",
	"array_of_maps",
	"hash_of_maps",
	"devmap",
	"sockmap",
	"cpumap",
	"xskmap",
	"sockhash",
	"cgroup_storage",
	"reuseport_sockarray",
	"percpu_cgroup_storage",
	"queue",
	"stack",
	"sk_storage",
	"devmap_hash",
	"struct_ops",
	"ringbuf",
	"inode_storage",
	"task_storage",
	"bloom_filter",
	"user_ringbuf",
	"cgrp_storage",
	"arena",
	"insn_array",
};

const struct names_table names_map_types = {
	"map type",
	map_types,
	sizeof(map_types) / sizeof(map_types[0]),
};

static const char *const prog_types[] = {
	"unspec",
	"socket_filter",
	"kprobe",
	"sched_cls",
	"sched_act",
	"tracepoint",
	"xdp",
	"perf_event",
	"cgroup_skb",
	"cgroup_sock",
	"lwt_in",
	"lwt_out",
	"lwt_xmit",
	"sock_ops",
	"sk_skb",
	"cgroup_device",
	"sk_msg",
	"raw_tracepoint",
	"cgroup_sock_addr",
	"lwt_seg6local",
	"lirc_mode2",
	"sk_reuseport",
	"flow_dissector",
	"cgroup_sysctl",
	"raw_tracepoint_writable",
	"cgroup_sockopt",
	"tracing",
	"struct_ops",
	"ext",
	"lsm",
	"sk_lookup",
	"syscall",
	"netfilter",
};

const struct names_table names_prog_types = {
	"program type",
	prog_types,
	sizeof(prog_types) / sizeof(prog_types[0]),
};

static const char *const attach_types[] = {
	"cgroup_inet_ingress",
	"cgroup_inet_egress",
	"cgroup_inet_sock_create",
	"cgroup_sock_ops",
	"sk_skb_stream_parser",
	"sk_skb_stream_verdict",
	"cgroup_device",
	"sk_msg_verdict",
	"cgroup_inet4_bind",
	"cgroup_inet6_bind",
	"cgroup_inet4_connect",
	"cgroup_inet6_connect",
	"cgroup_inet4_post_bind",
	"cgroup_inet6_post_bind",
	"cgroup_udp4_sendmsg",
	"cgroup_udp6_sendmsg",
	"lirc_mode2",
	"flow_dissector",
	"cgroup_sysctl",
	"cgroup_udp4_recvmsg",
	"cgroup_udp6_recvmsg",
	"cgroup_getsockopt",
	"cgroup_setsockopt",
	"trace_raw_tp",
	"trace_fentry",
	"trace_fexit",
	"modify_return",
	"lsm_mac",
	"trace_iter",
	"cgroup_inet4_getpeername",
	"cgroup_inet6_getpeername",
	"cgroup_inet4_getsockname",
	"cgroup_inet6_getsockname",
	"xdp_devmap",
	"cgroup_inet_sock_release",
	"xdp_cpumap",
	"sk_lookup",
	"xdp",
	"sk_skb_verdict",
	"sk_reuseport_select",
	"sk_reuseport_select_or_migrate",
	"perf_event",
	"trace_kprobe_multi",
	"lsm_cgroup",
	"struct_ops",
	"netfilter",
	"tcx_ingress",
	"tcx_egress",
	"trace_uprobe_multi",
	"cgroup_unix_connect",
	"cgroup_unix_sendmsg",
	"cgroup_unix_recvmsg",
	"cgroup_unix_getpeername",
	"cgroup_unix_getsockname",
	"netkit_primary",
	"netkit_peer",
	"trace_kprobe_session",
	"trace_uprobe_session",
	"trace_fsession",
	"trace_fentry_multi",
	"trace_fexit_multi",
	"trace_fsession_multi",
};

const struct names_table names_attach_types = {
	"attach type",
	attach_types,
	sizeof(attach_types) / sizeof(attach_types[0]),
};

static const char *const link_types[] = {
	"unspec",
	"raw_tracepoint",
	"tracing",
	"cgroup",
	"iter",
	"netns",
	"xdp",
	"perf_event",
	"kprobe_multi",
	"struct_ops",
	"netfilter",
	"tcx",
	"uprobe_multi",
	"netkit",
	"sockmap",
};

const struct names_table names_link_types = {
	"link type",
	link_types,
	sizeof(link_types) / sizeof(link_types[0]),
};

static const char *const cgroup_orders[] = {
	"order_unspec",
	"self_only",
	"descendants_pre",
	"descendants_post",
	"ancestors_up",
};

const struct names_table names_cgroup_orders = {
	"order of cgroups",
	cgroup_orders,
	sizeof(cgroup_orders) / sizeof(cgroup_orders[0]),
};

static const char *const perf_types[] = {
	"hardware",
	"software",
	"tracepoint",
	"hw-cache",
	"raw",
	"breakpoint",
};

const struct names_table names_perf_types = {
	"type of perf event",
	perf_types,
	sizeof(perf_types) / sizeof(perf_types[0]),
};

static const char *const perf_hardware[] = {
	"cpu-cycles",
	"instructions",
	"cache-references",
	"cache-misses",
	"branch-instructions",
	"branch-misses",
	"bus-cycles",
	"stalled-cycles-frontend",
	"stalled-cycles-backend",
	"ref-cycles",
};

const struct names_table names_perf_hardware = {
	"hardware event",
	perf_hardware,
	sizeof(perf_hardware) / sizeof(perf_hardware[0]),
};

static const char *const perf_software[] = {
	"cpu-clock",
	"task-clock",
	"page-faults",
	"context-switches",
	"cpu-migrations",
	"minor-faults",
	"major-faults",
	"alignment-faults",
	"emulation-faults",
	"dummy",
	"bpf-output",
	"cgroup-switches",
};

const struct names_table names_perf_software = {
	"software event",
	perf_software,
	sizeof(perf_software) / sizeof(perf_software[0]),
};

const char *names_of(const struct names_table *table, uint32_t id)
{
	return id < table->count ? table->names[id] : NULL;
}

bool names_find(const struct names_table *table, const char *name, uint32_t *id)
{
	uint32_t i;

	for (i = 0; i < table->count; i++) {
		if (strcmp(table->names[i], name) == 0) {
			*id = i;
			return true;
		}
	}
	return false;
}
