/* SPDX-License-Identifier: MIT */
/* Types of programs, and the helpers they may call. */
#include <errno.h>
#include <string.h>

#include "attach_target.h"
#include "features_parts.h"
#include "helpers.h"
#include "sys.h"

/* Ids that are never right, but tell the verifier that there is something to look at. */
enum { NO_TARGET = 1 };

/* Types that do not load as they are. The first attach type serves the others. */
static const struct shape {
	uint32_t type, attach_type, attach_btf_id, flags;
	const char *target; /* for helpers: what kernels of any configuration have */
} shapes[] = {
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, 0, 0, NULL},
	{BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT, 0, 0, NULL},
	{BPF_PROG_TYPE_LIRC_MODE2, BPF_LIRC_MODE2, 0, 0, NULL},
	{BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 0, 0, NULL},
	{BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER, 0, 0, NULL},
	{BPF_PROG_TYPE_SYSCALL, 0, 0, BPF_F_SLEEPABLE, NULL},
	{BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, NO_TARGET, 0, "sys_enter"},
	{BPF_PROG_TYPE_LSM, BPF_LSM_MAC, NO_TARGET, 0, "file_open"},
	{BPF_PROG_TYPE_STRUCT_OPS, 0, NO_TARGET, 0, "tcp_congestion_ops:ssthresh"},
	{BPF_PROG_TYPE_EXT, 0, NO_TARGET, 0, NULL},
};

static const struct shape *find_shape(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (shapes[i].type == type)
			return &shapes[i];
	}
	return NULL;
}

struct features_program features_program_of(uint32_t type)
{
	const struct shape *shape = find_shape(type);
	struct features_program program = {.type = type};

	if (shape) {
		program.attach_type = shape->attach_type;
		program.attach_btf_id = shape->attach_btf_id;
		program.flags = shape->flags;
	}
	return program;
}

/* Once the verifier has something to say, the type is known. */
int features_prog_type(uint32_t type, struct error *err)
{
	struct features_program program = features_program_of(type);
	char log[FEATURES_LOG_SIZE];
	int ret = features_load(&program, log);

	if (ret < 0 && features_complained(log))
		return 1;
	return features_conclude(err, ret, probe_program_needs(type), "program type",
		names_of(&names_prog_types, type));
}

/* What verifiers have said to this end, the last since Linux 6.12. */
static bool says_no(const char *log)
{
	static const char *const words[] = {
		"unknown func ", "invalid func ", "program of this type cannot use helper "};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(log, words[i]))
			return true;
	}
	return false;
}

bool features_needs_target(uint32_t prog_type)
{
	const struct shape *shape = find_shape(prog_type);

	return shape && shape->attach_btf_id;
}

int features_find_target(
	uint32_t prog_type, struct btf *kernel, struct features_target *out, struct error *err)
{
	const struct shape *shape = find_shape(prog_type);
	struct core_target target = {.kernel = kernel};
	struct attach_target found = {0};

	if (!shape->target)
		return error_set(err, EINVAL,
			"probe helpers of programs of type \"%s\": what they may call depends on "
			"what they replace",
			names_of(&names_prog_types, prog_type));
	if (attach_target_find(&target, prog_type, shape->attach_type, shape->target, &found, err) <
		0)
		return -1;
	out->btf_id = found.btf_id;
	out->attach_type =
		prog_type == BPF_PROG_TYPE_STRUCT_OPS ? found.member : shape->attach_type;
	return 0;
}

int features_helper(uint32_t prog_type, const struct features_target *target, uint32_t helper,
	struct error *err)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_JMP_CALL, .imm = (int32_t)helper},
		{.code = BPF_JMP_EXIT},
	};
	struct features_program program = features_program_of(prog_type);
	const char *name = names_of(&helpers, helper);
	char log[FEATURES_LOG_SIZE];
	uint32_t lacking;
	int ret;

	if (target) {
		program.attach_btf_id = target->btf_id;
		program.attach_type = target->attach_type;
	}
	program.insns = insns;
	program.count = sizeof(insns) / sizeof(insns[0]);
	ret = features_load(&program, log);
	if (ret >= 0 || !features_complained(log))
		return features_conclude(err, ret, probe_program_needs(prog_type), "helper", name);
	if (!says_no(log))
		return 1;
	/* Some helpers are kept from those who lack a capability, in the same words. */
	lacking = probe_lacking(PROBE_BPF | PROBE_PERFMON | PROBE_NET_ADMIN);
	if (!lacking)
		return 0;
	error_set(err, EPERM, "probe helper \"%s\": refused, maybe for lack of ", name);
	probe_append_needs(err, lacking);
	return -1;
}

bool features_helper_is_loud(uint32_t helper)
{
	const char *name = names_of(&helpers, helper);

	return strcmp(name, "bpf_trace_printk") == 0 || strcmp(name, "bpf_trace_vprintk") == 0 ||
	       strcmp(name, "bpf_probe_write_user") == 0;
}
