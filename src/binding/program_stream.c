/* SPDX-License-Identifier: MIT */
/* p:read_stream(): what a program, and the kernel about it, has written. */
#include <errno.h>

#include "../engine/probe.h"
#include "../engine/sys.h"
#include "failure.h"
#include "program.h"
#include "rooms.h"

enum {
	CHUNK = 4096,
	DEFAULT_MAX = 1 << 17, /* more than the 100 000 bytes that the kernel keeps */
};

static int failed(lua_State *L, const char *stream, int ret)
{
	struct error err;

	error_errno(&err, ret, "read %s of program \"%.80s\"", stream,
		program_push_string(L, 1, "name"));
	if (ret == -EINVAL)
		error_append(&err, ": programs have streams from Linux 6.17 on");
	else
		probe_explain_privilege(&err, 0);
	return failure_push(L, &err);
}

/*
 * p:read_stream("stdout" | "stderr" [, max]) -> string, or nil, message, errno
 * Takes from the stream what is there, at most `max` bytes (by default all; the kernel keeps
 * 100 000 and refuses more), "" when there is nothing; it does not wait. What the program writes by
 * bpf_stream_vprintk() goes to either of them; the kernel itself writes to stderr what the program
 * does wrong while it runs (a loop that takes too long, a fault in an arena, a deadlock). Whoever
 * reads takes it away from the others. A program's end is that of its streams. Linux 6.17.
 */
int program_read_stream(lua_State *L)
{
	static const char *const streams[] = {"stdout", "stderr", NULL};
	const struct program *p = handle_check(L, 1, &program_class);
	int ret, stream = luaL_checkoption(L, 2, NULL, streams);
	uint32_t wanted, left = DEFAULT_MAX;
	char chunk[CHUNK];
	luaL_Buffer text;

	if (!lua_isnoneornil(L, 3))
		left = (uint32_t)compat_check_unsigned(L, 3, INT32_MAX);
	luaL_argcheck(L, left, 3, "at least one byte expected");
	if (p->handle.fd < 0)
		return handle_closed(L, &program_class);
	luaL_buffinit(L, &text);
	do {
		wanted = left < CHUNK ? left : CHUNK;
		ret = sys_prog_stream_read(
			p->handle.fd, BPF_STDOUT + (uint32_t)stream, chunk, wanted);
		if (ret < 0)
			break;
		luaL_addlstring(&text, chunk, (size_t)ret);
		left -= (uint32_t)ret;
	} while (left && (uint32_t)ret == wanted);
	luaL_pushresult(&text);
	/* What has been taken is gone from the kernel, so it is not thrown away. */
	return ret < 0 && !lua_rawlen(L, -1) ? failed(L, streams[stream], ret) : 1;
}
