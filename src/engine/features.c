/* SPDX-License-Identifier: MIT */
#include "features.h"

#include <errno.h>
#include <string.h>

#include "features_parts.h"
#include "sys.h"

#ifndef ENOTSUPP
#define ENOTSUPP 524
#endif

static const struct bpf_insn return_zero[] = {
	{.code = 0xb7}, /* r0 = 0 */
	{.code = BPF_JMP_EXIT},
};

int features_load(const struct features_program *program, char log[FEATURES_LOG_SIZE])
{
	struct abi_prog_load attr = {
		.prog_type = program->type,
		.insns = sys_ptr(program->insns ? program->insns : return_zero),
		.insn_cnt = program->insns ? program->count : 2,
		.license = sys_ptr("GPL"),
		.log_level = 1,
		.log_size = FEATURES_LOG_SIZE,
		.log_buf = sys_ptr(log),
		.prog_flags = program->flags,
		.expected_attach_type = program->attach_type,
		.attach_btf_id = program->attach_btf_id,
	};
	int fd;

	/* A log that does not fit is an error by itself. */
	if (program->silent) {
		attr.log_level = attr.log_size = 0;
		attr.log_buf = 0;
	}
	/* Only kernels before 5.0 look at it, for these. */
	if (program->type == BPF_PROG_TYPE_KPROBE)
		attr.kern_version = probe_kernel_version();
	memset(log, 0, FEATURES_LOG_SIZE);
	fd = sys_prog_load(&attr);
	log[FEATURES_LOG_SIZE - 1] = '\0';
	return fd;
}

bool features_complained(const char *log)
{
	return log[0] && strncmp(log, "processed ", strlen("processed ")) != 0;
}

bool features_is_refusal(int code)
{
	switch (code < 0 ? -code : code) {
	case EINVAL:
	case E2BIG: /* it does not even know the attribute */
	case EOPNOTSUPP:
	case ENOTSUPP:
		return true;
	default:
		return false;
	}
}

int features_unknown(
	struct error *err, int code, uint32_t needs, const char *what, const char *name)
{
	error_errno(err, code, "probe %s \"%s\"", what, name);
	return probe_explain_privilege(err, needs);
}

int features_conclude(
	struct error *err, int ret, uint32_t needs, const char *what, const char *name)
{
	if (ret >= 0) {
		sys_close(ret);
		return 1;
	}
	return features_is_refusal(ret) ? 0 : features_unknown(err, ret, needs, what, name);
}
