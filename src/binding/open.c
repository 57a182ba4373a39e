/* SPDX-License-Identifier: MIT */
#include "open.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../engine/probe.h"
#include "../engine/sys.h"

int open_by_id(lua_State *L, struct handle *h, enum bpf_cmd cmd, uint32_t id, uint32_t open_flags,
	char what[OPEN_WHAT], struct error *err)
{
	int ret = sys_fd_by_id(cmd, id, open_flags);

	snprintf(what, OPEN_WHAT, "open %s with id %u", h->class->what, id);
	if (handle_reclaimed(L, ret))
		ret = sys_fd_by_id(cmd, id, open_flags);
	if (ret < 0) {
		error_errno(err, ret, "%s", what);
		return probe_explain_privilege(err, PROBE_SYS_ADMIN);
	}
	h->fd = ret;
	return 0;
}

/* "an" before what begins with a vowel, as "iter" does. */
static const char *article(const char *name)
{
	return strchr("aeiou", *name) ? "an" : "a";
}

/* /proc calls them "anon_inode:bpf-map", "anon_inode:bpf-prog", "anon_inode:bpf_link"; links were
 * "bpf-link" before. Files have paths, which begin with a slash. */
int open_check_kind(int fd, const char *wanted, struct error *err)
{
	static const char prefix[] = "anon_inode:bpf";
	char kind[64];
	const char *name = kind + sizeof(prefix);
	int ret = sys_fd_kind(fd, kind, sizeof(kind));

	if (ret < 0)
		return error_errno(err, ret, "tell what it is from /proc/self/fd");
	if (strncmp(kind, prefix, sizeof(prefix) - 1) != 0 || strlen(kind) <= sizeof(prefix))
		return error_set(err, EINVAL, "it is no %s, but \"%s\"", wanted, kind);
	if (strcmp(name, "prog") == 0)
		name = "program";
	if (strcmp(name, wanted) != 0)
		return error_set(err, EINVAL, "it is %s %s, not a %s", article(name), name, wanted);
	return 0;
}

int open_by_fd(lua_State *L, int arg, struct handle *h, char what[OPEN_WHAT], struct error *err)
{
	int fd = (int)compat_check_unsigned(L, arg, INT_MAX);
	int ret = sys_dup(fd);

	snprintf(what, OPEN_WHAT, "open %s from fd %d", h->class->what, fd);
	if (handle_reclaimed(L, ret))
		ret = sys_dup(fd);
	if (ret < 0)
		return error_errno(err, ret, "%s", what);
	h->fd = ret;
	/* Of ours, as that of the caller may become another meanwhile. */
	if (open_check_kind(h->fd, h->class->what, err) == 0)
		return 0;
	handle_shut(h);
	return error_prefix(err, "%s", what);
}
