/* SPDX-License-Identifier: MIT */
#include "prog_load.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "func_info.h"
#include "names.h"
#include "probe.h"
#include "prog_explain.h"
#include "sys.h"
#include "token.h"

/* What Linux before 5.2 accepts as the size of a log. */
enum { OLD_LOG_MAX = UINT32_MAX >> 8 };

/* What an old kernel may not know, and is left out of a second attempt. */
enum { WITHOUT_NAME = 1 << 0, WITHOUT_ATTACH_TYPE = 1 << 1, WITHOUT_TYPES = 1 << 2 };

void prog_log_free(struct prog_log *log)
{
	free(log->text);
	log->text = NULL;
	log->size = 0;
}

int prog_load_check_name(const char *name, struct error *err)
{
	const unsigned char *s = (const unsigned char *)name;

	for (; *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || isdigit(*s) ||
			*s == '_' || *s == '.')
			continue;
		if (*s > ' ' && *s < 127)
			return error_set(err, EINVAL,
				"invalid character '%c' in the name \"%.80s\"", *s, name);
		return error_set(err, EINVAL, "invalid character \\x%02x in the name", *s);
	}
	return 0;
}

void prog_load_describe(const struct prog_load *spec, char *out, size_t size)
{
	const char *type = names_of(&names_prog_types, spec->type);

	if (*spec->name)
		snprintf(out, size, "load program \"%.80s\"", spec->name);
	else if (type)
		snprintf(out, size, "load unnamed program of type %s", type);
	else
		snprintf(out, size, "load unnamed program of type %u", spec->type);
}

static struct abi_prog_load make_attr(const struct prog_load *spec, unsigned int without)
{
	struct abi_prog_load attr = {
		.prog_type = spec->type,
		.insn_cnt = spec->count,
		.insns = sys_ptr(spec->code),
		.license = sys_ptr(spec->license),
		.kern_version = spec->kernel_version,
		.prog_flags = spec->flags,
		.prog_ifindex = spec->ifindex,
		.attach_btf_id = spec->attach_btf_id,
		.attach_prog_fd = spec->attach_fd,
		.fd_array = sys_ptr(spec->fd_array),
	};

	if (spec->token) {
		attr.prog_flags |= BPF_F_TOKEN_FD;
		attr.prog_token_fd = spec->token;
	}
	if (spec->functions && !(without & WITHOUT_TYPES)) {
		attr.prog_btf_fd = (uint32_t)spec->functions->btf_fd;
		attr.func_info = sys_ptr(spec->functions->records);
		attr.func_info_rec_size = sizeof(*spec->functions->records);
		attr.func_info_cnt = spec->functions->count;
		attr.line_info = sys_ptr(spec->functions->lines);
		attr.line_info_rec_size = sizeof(*spec->functions->lines);
		attr.line_info_cnt = spec->functions->line_count;
	}
	if (!(without & WITHOUT_ATTACH_TYPE))
		attr.expected_attach_type = spec->attach_type;
	if (!(without & WITHOUT_NAME))
		strncpy(attr.prog_name, spec->name, sizeof(attr.prog_name) - 1);
	return attr;
}

/* A larger buffer, or none: then what the log has so far must do. Zeroed, so that it is a string
 * wherever the kernel stops; large ones are fresh pages and cost nothing. */
static bool resize_log(struct prog_log *log, uint32_t size)
{
	char *text = calloc(1, size);

	if (!text)
		return false;
	free(log->text);
	log->text = text;
	log->size = size;
	return true;
}

/*
 * Whether a load failed only because its log did not fit. Since Linux 6.4 the kernel says how
 * long the log is (and keeps its end); before that a log cut off fills the buffer.
 */
static bool is_log_cut(const struct abi_prog_load *attr, const struct prog_log *log, int ret)
{
	if (ret != -ENOSPC)
		return false;
	if (attr->log_true_size)
		return attr->log_true_size > log->size;
	return strlen(log->text) + 1 >= log->size;
}

static uint32_t next_size(const struct abi_prog_load *attr, uint32_t size)
{
	uint32_t next = size > PROG_LOG_MAX / 2 ? PROG_LOG_MAX : size * 2;

	if (attr->log_true_size > next)
		next = attr->log_true_size;
	return next > PROG_LOG_MAX ? PROG_LOG_MAX : next;
}

static int load_logged(
	const struct prog_load *spec, unsigned int without, struct prog_log *log, uint32_t max)
{
	struct abi_prog_load attr = make_attr(spec, without);
	uint32_t size = spec->log_size ? spec->log_size : PROG_LOG_START;
	int ret;

	if (size < log->size)
		size = log->size;
	if (size > max)
		size = max;
	attr.log_level = spec->log_level ? spec->log_level : 1;
	if (!resize_log(log, size))
		return -ENOMEM;
	for (;;) {
		/* The kernel writes nothing when it refuses before verification. */
		log->text[0] = '\0';
		attr.log_buf = sys_ptr(log->text);
		attr.log_size = log->size;
		attr.log_true_size = 0;
		ret = sys_prog_load(&attr);
		log->text[log->size - 1] = '\0';
		if (!is_log_cut(&attr, log, ret) || log->size >= max)
			return ret;
		size = next_size(&attr, log->size);
		if (!resize_log(log, size > max ? max : size))
			return ret;
	}
}

/* One attempt, with a log when `logged` or asked for. */
static int attempt(
	const struct prog_load *spec, unsigned int without, bool logged, struct prog_log *log)
{
	struct abi_prog_load attr;
	int ret;

	if (!logged && !spec->log_level) {
		attr = make_attr(spec, without);
		return sys_prog_load(&attr);
	}
	ret = load_logged(spec, without, log, PROG_LOG_MAX);
	/* A kernel that finds the buffer too large: the end of the log must do without. */
	if (ret == -EINVAL && log->size > OLD_LOG_MAX && !log->text[0]) {
		prog_log_free(log);
		ret = load_logged(spec, without, log, OLD_LOG_MAX);
	}
	return ret;
}

/* Whether an unknown part of the attributes may be what the kernel refuses: it does so before
 * it verifies anything. */
static bool may_be_old_kernel(int ret, const struct prog_log *log)
{
	return (ret == -EINVAL || ret == -E2BIG) && log->text && !log->text[0];
}

/* Loads again: with a log, so that the failure can be told, and without what old kernels do not
 * know, should that be the reason. */
static int retry(const struct prog_load *spec, struct prog_log *log)
{
	static const unsigned int ladder[] = {
		WITHOUT_NAME,
		WITHOUT_ATTACH_TYPE,
		WITHOUT_TYPES,
		WITHOUT_NAME | WITHOUT_ATTACH_TYPE,
		WITHOUT_NAME | WITHOUT_TYPES,
		WITHOUT_ATTACH_TYPE | WITHOUT_TYPES,
		WITHOUT_NAME | WITHOUT_ATTACH_TYPE | WITHOUT_TYPES,
	};
	unsigned int can_do_without = 0;
	int ret, first;
	size_t i;

	first = attempt(spec, 0, true, log);
	if (!may_be_old_kernel(first, log))
		return first;
	if (*spec->name)
		can_do_without |= WITHOUT_NAME;
	if (spec->attach_optional && spec->attach_type)
		can_do_without |= WITHOUT_ATTACH_TYPE;
	if (spec->functions)
		can_do_without |= WITHOUT_TYPES;
	for (i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
		if (ladder[i] & ~can_do_without)
			continue;
		ret = attempt(spec, ladder[i], true, log);
		if (!may_be_old_kernel(ret, log))
			return ret;
	}
	return first;
}

static int load(const struct prog_load *spec, struct prog_log *log, struct error *err)
{
	int ret = -EINVAL;

	if (!spec->log_level)
		ret = attempt(spec, 0, false, log);
	/* Running out of descriptors has no log. */
	if (ret < 0 && ret != -EMFILE && ret != -ENFILE)
		ret = retry(spec, log);
	return ret < 0 ? prog_explain(spec, ret, log->text, err) : ret;
}

int prog_load(const struct prog_load *spec, struct prog_log *log, struct error *err)
{
	struct prog_load with_functions = *spec;
	struct func_info functions;
	char what[PROG_LOAD_TEXT];
	int ret;

	if (spec->functions || !func_info_needed(spec->code, spec->count))
		return load(spec, log, err);
	ret = func_info_make(&functions, spec->name, spec->code, spec->count, spec->token);
	if (ret < 0) {
		prog_load_describe(spec, what, sizeof(what));
		error_errno(err, ret, "%s: describe its functions, whose addresses it takes", what);
		return token_explain(err, spec->token,
			&(struct token_use){.command = BPF_BTF_LOAD, .needs = PROBE_BPF});
	}
	with_functions.functions = &functions;
	ret = load(&with_functions, log, err);
	func_info_release(&functions);
	return ret;
}
