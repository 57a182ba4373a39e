/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "sys.h"

enum { FILE_LIMIT = 1 << 16 };

#define VERSION(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor) << 8)

static const struct capability {
	uint32_t need;
	unsigned int bit;
	const char *name;
} capabilities[] = {
	{PROBE_BPF, 39, "CAP_BPF"},
	{PROBE_PERFMON, 38, "CAP_PERFMON"},
	{PROBE_NET_ADMIN, 12, "CAP_NET_ADMIN"},
	{PROBE_SYS_ADMIN, 21, "CAP_SYS_ADMIN"},
	{PROBE_NETLINK, 12, "CAP_NET_ADMIN"},
};

enum { CAPABILITIES = sizeof(capabilities) / sizeof(capabilities[0]), SYS_ADMIN_BIT = 21 };

/* is_net_admin_prog_type() and is_perfmon_prog_type() of kernel/bpf/syscall.c. */
uint32_t probe_program_needs(uint32_t prog_type)
{
	switch (prog_type) {
	case BPF_PROG_TYPE_SCHED_CLS:
	case BPF_PROG_TYPE_SCHED_ACT:
	case BPF_PROG_TYPE_XDP:
	case BPF_PROG_TYPE_LWT_IN:
	case BPF_PROG_TYPE_LWT_OUT:
	case BPF_PROG_TYPE_LWT_XMIT:
	case BPF_PROG_TYPE_LWT_SEG6LOCAL:
	case BPF_PROG_TYPE_SK_SKB:
	case BPF_PROG_TYPE_SK_MSG:
	case BPF_PROG_TYPE_FLOW_DISSECTOR:
	case BPF_PROG_TYPE_CGROUP_DEVICE:
	case BPF_PROG_TYPE_CGROUP_SOCK:
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
	case BPF_PROG_TYPE_CGROUP_SOCKOPT:
	case BPF_PROG_TYPE_CGROUP_SYSCTL:
	case BPF_PROG_TYPE_SOCK_OPS:
	case BPF_PROG_TYPE_NETFILTER:
		return PROBE_BPF | PROBE_NET_ADMIN;
	case BPF_PROG_TYPE_KPROBE:
	case BPF_PROG_TYPE_TRACEPOINT:
	case BPF_PROG_TYPE_PERF_EVENT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
	case BPF_PROG_TYPE_TRACING:
	case BPF_PROG_TYPE_LSM:
	case BPF_PROG_TYPE_STRUCT_OPS:
		return PROBE_BPF | PROBE_PERFMON;
	case BPF_PROG_TYPE_EXT:
		return PROBE_BPF | PROBE_PERFMON | PROBE_NET_ADMIN;
	default:
		return PROBE_BPF;
	}
}

/* A small file of /proc or /sys, or NULL; to be freed. */
static char *read_file(const char *path)
{
	char *text;
	size_t size;

	return sys_read_file(path, FILE_LIMIT, &text, &size) < 0 ? NULL : text;
}

/* A field "\nName:\tvalue" of a status file as a number. */
static bool read_field(const char *text, const char *name, int base, uint64_t *value)
{
	const char *s = strstr(text, name);
	char *end;

	if (!s)
		return false;
	s += strlen(name);
	*value = strtoull(s, &end, base);
	return end != s;
}

/* What stands behind `before` in a file as a version; `before` is NULL: at the start. */
static uint32_t read_version(const char *path, const char *before)
{
	char *text = read_file(path);
	const char *s = text && before ? strstr(text, before) : text;
	unsigned int major = 0, minor = 0, patch = 0;
	uint32_t version = 0;

	if (s && before)
		s += strlen(before);
	if (s && sscanf(s, "%u.%u.%u", &major, &minor, &patch) >= 2)
		version = VERSION(major & 0xffff, minor & 0xff) | (patch > 255 ? 255 : patch);
	free(text);
	return version;
}

/* The last word of "Ubuntu 5.15.0-25.25-generic 5.15.30". */
static uint32_t read_ubuntu_version(void)
{
	char *text = read_file("/proc/version_signature");
	unsigned int major, minor, patch = 0;
	uint32_t version = 0;

	if (text && sscanf(text, "%*s %*s %u.%u.%u", &major, &minor, &patch) >= 2)
		version = VERSION(major & 0xffff, minor & 0xff) | (patch > 255 ? 255 : patch);
	free(text);
	return version;
}

/* Ubuntu's and Debian's releases have no patch level; kernels before 5.0 compare it with that of
 * kprobes' programs. */
uint32_t probe_kernel_version(void)
{
	uint32_t version = read_ubuntu_version();

	if (!version)
		version = read_version("/proc/sys/kernel/version", " Debian ");
	if (!version)
		version = read_version("/proc/sys/kernel/osrelease", NULL);
	return version;
}

bool probe_has_attach_cookie(void)
{
	enum { GET_ATTACH_COOKIE = 174 };
	static const struct bpf_insn code[] = {
		{.code = BPF_JMP_CALL, .imm = GET_ATTACH_COOKIE},
		{.code = BPF_JMP_EXIT},
	};
	struct abi_prog_load attr = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.insns = sys_ptr(code),
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.license = sys_ptr("GPL"),
	};
	int fd = sys_prog_load(&attr);

	sys_close(fd);
	return fd >= 0;
}

void probe_append_needs(struct error *err, uint32_t needs)
{
	const char *before = "";
	int i;

	for (i = 0; i < CAPABILITIES; i++) {
		if (!(needs & capabilities[i].need))
			continue;
		error_append(err, "%s%s", before, capabilities[i].name);
		before = " and ";
	}
}

/* Which of `needs` the capability set `effective` does not satisfy. */
static uint32_t find_missing(uint64_t effective, uint32_t needs)
{
	uint32_t missing = 0;
	int i;

	if (effective >> SYS_ADMIN_BIT & 1)
		needs &= PROBE_NETLINK;
	for (i = 0; i < CAPABILITIES; i++) {
		if (needs & capabilities[i].need && !(effective >> capabilities[i].bit & 1))
			missing |= capabilities[i].need;
	}
	return missing;
}

/* Whether the process lives in another user namespace than the first, whose map is the identity
 * of all 2^32-1 ids. */
static bool in_user_namespace(void)
{
	char *text = read_file("/proc/self/uid_map");
	unsigned long inside, outside, count;
	bool other = false;

	if (text && sscanf(text, "%lu %lu %lu", &inside, &outside, &count) == 3)
		other = inside || outside || count != UINT32_MAX;
	free(text);
	return other;
}

/* Before Linux 5.11 BPF memory counts against RLIMIT_MEMLOCK, and too little of it is an EPERM. */
static bool explain_memlock(struct error *err)
{
	char *text = read_file("/proc/self/limits");
	uint64_t limit;
	bool low;

	low = text && read_field(text, "\nMax locked memory", 10, &limit);
	free(text);
	if (low)
		error_append(err,
			": the limit of locked memory may be too low, %" PRIu64
			" bytes: raise RLIMIT_MEMLOCK, against which Linux before 5.11 counts it",
			limit);
	return low;
}

/* The mode between brackets in "none [integrity] confidentiality". */
static bool explain_lockdown(struct error *err)
{
	char *text = read_file("/sys/kernel/security/lockdown");
	const char *open = text ? strchr(text, '[') : NULL;
	char mode[32];
	bool locked = open && sscanf(open, "[%31[^]]", mode) == 1 && strcmp(mode, "none") != 0;

	free(text);
	if (!locked)
		return false;
	error_append(err, ": the kernel is locked down (%s)", mode);
	return true;
}

/* All the capabilities are there; what else could it be? */
static void explain_other(struct error *err, const char *status, uint32_t version)
{
	uint64_t seccomp = 0;

	if (in_user_namespace()) {
		error_append(err,
			": capabilities of a user namespace do not count, only those of the first "
			"one do (a BPF token would, but this library uses none)");
		return;
	}
	if (version && version < VERSION(5, 11) && explain_memlock(err))
		return;
	if (read_field(status, "\nSeccomp:", 10, &seccomp) && seccomp) {
		error_append(err, ": a seccomp filter is active and may forbid it");
		return;
	}
	if (explain_lockdown(err))
		return;
	error_append(err, ": no capability is missing, so something else in the kernel forbids it");
}

/*
 * Before Linux 5.8 there is only CAP_SYS_ADMIN. Before 5.19 everything that bpf(2) does is for
 * CAP_BPF, map elements too, unless kernel.unprivileged_bpf_disabled is 0.
 */
static uint32_t needs_of_kernel(uint32_t needs, uint32_t version)
{
	bool restricted;
	char *text;

	if (!version || version >= VERSION(5, 19) || needs & PROBE_NETLINK)
		return needs;
	text = read_file("/proc/sys/kernel/unprivileged_bpf_disabled");
	restricted = text && text[0] != '0';
	free(text);
	if (version < VERSION(5, 8))
		return needs || restricted ? PROBE_SYS_ADMIN : 0;
	return restricted && !(needs & PROBE_SYS_ADMIN) ? needs | PROBE_BPF : needs;
}

uint32_t probe_lacking(uint32_t needs)
{
	uint32_t version = probe_kernel_version(), missing = 0;
	char *status = read_file("/proc/thread-self/status");
	uint64_t effective;

	needs = needs_of_kernel(needs, version);
	if (status && read_field(status, "\nCapEff:", 16, &effective))
		missing = find_missing(effective, needs);
	free(status);
	return missing;
}

int probe_explain_privilege(struct error *err, uint32_t needs)
{
	uint32_t version, all, missing;
	uint64_t effective;
	char *status;

	if (err->code != EPERM && err->code != EACCES)
		return -1;
	/* Capabilities belong to the thread. */
	status = read_file("/proc/thread-self/status");
	if (!status || !read_field(status, "\nCapEff:", 16, &effective)) {
		free(status);
		return -1;
	}
	version = probe_kernel_version();
	all = needs_of_kernel(needs, version);
	missing = find_missing(effective, all);
	if (missing) {
		error_append(err, ": needs ");
		probe_append_needs(err, all);
		if (!(all & (PROBE_SYS_ADMIN | PROBE_NETLINK)))
			error_append(err, ", or CAP_SYS_ADMIN before Linux 5.8");
		error_append(err, "; this process lacks ");
		probe_append_needs(err, missing);
	} else if (needs && err->code == EPERM) {
		explain_other(err, status, version);
	}
	free(status);
	return -1;
}
