/* SPDX-License-Identifier: MIT */
#include "attach_multi.h"

#include <errno.h>

#include "abi.h"
#include "abi_trace.h"
#include "probe.h"
#include "sys.h"

/* Which Linux first had such links, when the running one is older; else NULL. */
static const char *too_old(uint32_t attach_type)
{
	static const struct {
		uint32_t attach_type;
		uint32_t version;
		const char *name;
	} since[] = {
		{BPF_TRACE_KPROBE_MULTI, 0x051200, "5.18"},
		{BPF_TRACE_UPROBE_MULTI, 0x060600, "6.6"},
		{BPF_TRACE_KPROBE_SESSION, 0x060a00, "6.10"},
		{BPF_TRACE_UPROBE_SESSION, 0x060d00, "6.13"},
	};
	uint32_t running = probe_kernel_version();
	size_t i;

	for (i = 0; running && i < sizeof(since) / sizeof(since[0]); i++) {
		if (since[i].attach_type == attach_type && running < since[i].version)
			return since[i].name;
	}
	return NULL;
}

static int explain_kprobe(int code, const struct attach_multi *m, struct error *err)
{
	const char *old = too_old(m->attach_type);

	error_errno(err, code, "kprobes on %u functions", m->count);
	if (code == -EINVAL && old)
		return error_append(err, ": such links are not supported before Linux %s", old);
	if (code == -EINVAL)
		return error_append(err, ": a program for them has \"kprobe.multi\" or "
					 "\"kprobe.session\" as its section; each function can be "
					 "probed, and is named once");
	if (code == -ESRCH || code == -ENOENT)
		return error_append(err,
			": one of them is none of the kernel's, or cannot be "
			"probed: available_filter_functions in tracefs lists them");
	if (code == -EOPNOTSUPP)
		return error_append(err, ": the kernel was built without what this needs "
					 "(CONFIG_FPROBE)");
	return probe_explain_privilege(err, PROBE_PERFMON | PROBE_BPF);
}

int attach_multi_kprobe(int prog_fd, const struct attach_multi *m, struct error *err)
{
	struct abi_link_kprobe_multi attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = m->attach_type,
		.multi_flags = m->is_return ? BPF_F_KPROBE_MULTI_RETURN : 0,
		.count = m->count,
		.symbols = sys_ptr(m->symbols),
		.addresses = sys_ptr(m->addresses),
		.cookies = sys_ptr(m->cookies),
	};
	int fd = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd >= 0 ? fd : explain_kprobe(fd, m, err);
}

static int explain_uprobe(int code, const struct attach_multi *m, struct error *err)
{
	const char *old = too_old(m->attach_type);

	error_errno(err, code, "uprobes at %u places of \"%.400s\"", m->count, m->path);
	if (code == -EINVAL && old)
		return error_append(err, ": such links are not supported before Linux %s", old);
	if (code == -EINVAL)
		return error_append(err, ": a program for them has \"uprobe.multi\" or "
					 "\"uprobe.session\" as its section; an instruction begins "
					 "at each offset");
	if (code == -ESRCH)
		return error_append(err, ": there is no process %u", m->pid);
	return probe_explain_privilege(err, PROBE_PERFMON | PROBE_BPF);
}

int attach_multi_uprobe(int prog_fd, const struct attach_multi *m, struct error *err)
{
	struct abi_link_uprobe_multi attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = m->attach_type,
		.path = sys_ptr(m->path),
		.offsets = sys_ptr(m->offsets),
		.ref_ctr_offsets = sys_ptr(m->ref_ctr_offsets),
		.cookies = sys_ptr(m->cookies),
		.count = m->count,
		.multi_flags = m->is_return ? BPF_F_UPROBE_MULTI_RETURN : 0,
		.pid = m->pid,
	};
	int fd = sys_bpf_fd(BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd >= 0 ? fd : explain_uprobe(fd, m, err);
}
