/* SPDX-License-Identifier: MIT */
/*
 * Ways of attaching. A program that could be attached is offered to a target that cannot be: one
 * that does not exist, or does not do it. Which error says so tells that the kernel has got as
 * far as the target.
 */
#include <errno.h>
#include <string.h>

#include "features_parts.h"
#include "sys.h"

enum {
	NOWHERE = -1, /* no descriptor */
	NO_INTERFACE = 0x7fffffff,
	LOOPBACK = 1, /* whose driver takes no XDP program */
	XDP_IN_HARDWARE = 1 << 3,
	NO_FAMILY = 255,
};

/* The attributes of BPF_LINK_CREATE, as far as it goes. */
struct link_attr {
	uint32_t prog_fd;
	uint32_t target;
	uint32_t attach_type;
	uint32_t flags;
	union {
		struct {
			uint32_t family;
			uint32_t hook;
			int32_t priority;
			uint32_t flags;
		} netfilter;
		struct {
			uint32_t flags;
			uint32_t count;
			uint64_t symbols;
			uint64_t addresses;
			uint64_t cookies;
		} kprobe_multi;
		struct {
			uint64_t path;
			uint64_t offsets;
			uint64_t ref_ctr_offsets;
			uint64_t cookies;
			uint32_t count;
			uint32_t flags;
			uint32_t pid;
		} uprobe_multi;
		uint64_t space[6];
	};
};

static const char no_symbol[] = "ebpf_no_such_function";
static const char *const no_symbols[] = {no_symbol};
static const uint64_t some_offset[] = {0};

static void ask_netfilter(struct link_attr *attr)
{
	attr->netfilter.family = NO_FAMILY;
}

static void ask_kprobe_multi(struct link_attr *attr)
{
	attr->kprobe_multi.count = 1;
	attr->kprobe_multi.symbols = sys_ptr(no_symbols);
}

/* A directory has no code. */
static void ask_uprobe_multi(struct link_attr *attr)
{
	attr->uprobe_multi.path = sys_ptr("/");
	attr->uprobe_multi.offsets = sys_ptr(some_offset);
	attr->uprobe_multi.count = 1;
}

/* How a kernel that has the kind refuses this target. */
static const struct kind {
	const char *name;
	uint32_t type, attach_type;
	uint32_t target, flags;
	int refusal;
	void (*ask)(struct link_attr *attr);
} kinds[] = {
	{"cgroup", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, NOWHERE, 0, EBADF, NULL},
	{"netns", BPF_PROG_TYPE_FLOW_DISSECTOR, BPF_FLOW_DISSECTOR, NOWHERE, 0, EBADF, NULL},
	{"xdp", BPF_PROG_TYPE_XDP, BPF_XDP, LOOPBACK, XDP_IN_HARDWARE, EOPNOTSUPP, NULL},
	{"perf_event", BPF_PROG_TYPE_TRACEPOINT, BPF_PERF_EVENT, NOWHERE, 0, EBADF, NULL},
	{"kprobe_multi", BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI, 0, 0, ESRCH,
		ask_kprobe_multi},
	{"kprobe_session", BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_SESSION, 0, 0, ESRCH,
		ask_kprobe_multi},
	{"netfilter", BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER, 0, 0, EAFNOSUPPORT, ask_netfilter},
	{"tcx", BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, NO_INTERFACE, 0, ENODEV, NULL},
	{"uprobe_multi", BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_MULTI, 0, 0, EBADF,
		ask_uprobe_multi},
	{"uprobe_session", BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_SESSION, 0, 0, EBADF,
		ask_uprobe_multi},
	{"netkit", BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY, NO_INTERFACE, 0, ENODEV, NULL},
	{"sockmap", BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, NOWHERE, 0, EBADF, NULL},
};

/* Kinds that are known from loading a program for them; the verifier then looks for its target. */
static const struct loading {
	const char *name;
	uint32_t type, attach_type;
} loadings[] = {
	{"tp_btf", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP},
	{"fentry", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY},
	{"fexit", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT},
	{"fmod_ret", BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN},
	{"fsession", BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION},
	{"iter", BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER},
	{"lsm", BPF_PROG_TYPE_LSM, BPF_LSM_MAC},
	{"lsm_cgroup", BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP},
	{"freplace", BPF_PROG_TYPE_EXT, 0},
};

enum {
	KINDS = sizeof(kinds) / sizeof(kinds[0]),
	LOADINGS = sizeof(loadings) / sizeof(loadings[0]),
	RAW_TRACEPOINT = KINDS + LOADINGS,
	TRACING,
	STRUCT_OPS,
};

/* As above, and three more. */
static const char *const names[] = {
	"cgroup",
	"netns",
	"xdp",
	"perf_event",
	"kprobe_multi",
	"kprobe_session",
	"netfilter",
	"tcx",
	"uprobe_multi",
	"uprobe_session",
	"netkit",
	"sockmap",
	"tp_btf",
	"fentry",
	"fexit",
	"fmod_ret",
	"fsession",
	"iter",
	"lsm",
	"lsm_cgroup",
	"freplace",
	"raw_tracepoint",
	"tracing",
	"struct_ops",
};

const struct names_table features_link_kinds = {
	"link kind",
	names,
	sizeof(names) / sizeof(names[0]),
};

_Static_assert(sizeof(names) / sizeof(names[0]) == STRUCT_OPS + 1, "a name for each kind");

static int probe_create(const struct kind *kind, struct error *err)
{
	struct features_program program = {.type = kind->type, .attach_type = kind->attach_type};
	const uint32_t needs = probe_program_needs(kind->type);
	struct link_attr attr = {
		.target = kind->target, .attach_type = kind->attach_type, .flags = kind->flags};
	char log[FEATURES_LOG_SIZE];
	int fd, ret;

	/* What a perf event runs is loaded without saying so. */
	if (kind->attach_type == BPF_PERF_EVENT)
		program.attach_type = 0;
	fd = features_load(&program, log);
	if (fd < 0)
		return features_conclude(err, fd, needs, "link kind", kind->name);
	attr.prog_fd = (uint32_t)fd;
	if (kind->ask)
		kind->ask(&attr);
	ret = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));
	sys_close(fd);
	if (ret == -kind->refusal)
		return 1;
	return features_conclude(err, ret, needs, "link kind", kind->name);
}

static int probe_load(const struct loading *loading, struct error *err)
{
	struct features_program program = features_program_of(loading->type);
	char log[FEATURES_LOG_SIZE];
	int ret;

	program.attach_type = loading->attach_type;
	ret = features_load(&program, log);
	if (ret < 0 && features_complained(log))
		return 1;
	return features_conclude(
		err, ret, probe_program_needs(loading->type), "link kind", loading->name);
}

/* No tracepoint is so called. */
static int probe_raw_tracepoint(struct error *err)
{
	struct features_program program = {.type = BPF_PROG_TYPE_RAW_TRACEPOINT};
	struct abi_raw_tracepoint attr = {.name = sys_ptr(no_symbol)};
	const uint32_t needs = probe_program_needs(program.type);
	char log[FEATURES_LOG_SIZE];
	int fd = features_load(&program, log), ret;

	if (fd < 0)
		return features_conclude(err, fd, needs, "link kind", "raw_tracepoint");
	attr.prog_fd = (uint32_t)fd;
	ret = sys_bpf_fd(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
	sys_close(fd);
	if (ret == -ENOENT)
		return 1;
	return features_conclude(err, ret, needs, "link kind", "raw_tracepoint");
}

/* The flag of maps came together with the links of their structs, in Linux 6.4. */
static int probe_struct_ops(struct error *err)
{
	uint32_t flag;

	names_find(&features_map_flags, "link", &flag);
	return features_map_flag(flag, err);
}

int features_link_kind(uint32_t kind, struct error *err)
{
	if (kind < KINDS)
		return probe_create(&kinds[kind], err);
	if (kind < RAW_TRACEPOINT)
		return probe_load(&loadings[kind - KINDS], err);
	if (kind == RAW_TRACEPOINT)
		return probe_raw_tracepoint(err);
	if (kind == TRACING)
		return features_prog_type(BPF_PROG_TYPE_TRACING, err);
	return probe_struct_ops(err);
}
