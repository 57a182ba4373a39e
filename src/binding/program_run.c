/* SPDX-License-Identifier: MIT */
/* p:test(), p:benchmark() and p:run(): BPF_PROG_TEST_RUN. */
#include <errno.h>
#include <string.h>

#include "../engine/probe.h"
#include "../engine/sys.h"
#include "failure.h"
#include "options.h"
#include "program.h"
#include "rooms.h"

enum {
	/* Kernels before 4.20 copy out all of the packet whatever the size of the buffer; an XDP
	 * program may have grown it by the 256 bytes of its headroom, a tc program by a few. */
	HEADROOM = 258,
	CONTEXT_ROOM = 256, /* more than the largest context of a network program */
	ETHERNET_HEADER = 14,
	ATTEMPTS = 4, /* at a buffer that the kernel then finds too small */
	RUN_ON_CPU = 1 << 0, /* BPF_F_TEST_RUN_ON_CPU */
	ENOTSUPP = 524, /* which the kernel says for EOPNOTSUPP, and no header has */
};

struct run {
	struct abi_test_run attr; /* everything but the output buffers */
	const char *context;
	uint32_t data_room, context_room; /* of the output buffers; 0: none */
	bool fixed_room; /* the caller wants this much and no more */
	unsigned char *data, *out_context;
};

/* Raw tracepoint and tracing programs, and what else is no network program, give no context
 * back; asking for it is an error, or would answer a buffer nobody filled. */
static bool gives_context(uint32_t type)
{
	switch (type) {
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
	case BPF_PROG_TYPE_TRACING:
	case BPF_PROG_TYPE_STRUCT_OPS:
	case BPF_PROG_TYPE_LSM:
	case BPF_PROG_TYPE_SYSCALL:
	case BPF_PROG_TYPE_NETFILTER:
		return false;
	default:
		return true;
	}
}

/* What kernels do not say about an EINVAL. */
static const char *explain_invalid(const struct program *p, const struct run *run)
{
	switch (p->type) {
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
		return "programs of this type take a context, a cpu and flags, but no data and no "
		       "times";
	case BPF_PROG_TYPE_SYSCALL:
		return "programs of this type take a context of at most 65535 bytes, and nothing "
		       "else";
	case BPF_PROG_TYPE_SK_LOOKUP:
		return "programs of this type take a context, struct bpf_sk_lookup, and no data";
	case BPF_PROG_TYPE_NETFILTER:
		return "programs of this type take a packet that begins with an IP header, and a "
		       "context, struct nf_hook_state, only if it is valid";
	default:
		if (run->attr.flags & RUN_ON_CPU)
			return "only raw tracepoint programs can be run on a cpu of choice";
		if (run->attr.data_size_in < ETHERNET_HEADER)
			return "the data has to begin with an Ethernet header, 14 bytes";
		return NULL;
	}
}

static int failed(lua_State *L, const struct program *p, const struct run *run, int ret)
{
	const char *why = ret == -EINVAL ? explain_invalid(p, run) : NULL;
	const char *name = program_push_string(L, 1, "name");
	struct error err;

	options_push_name(L, &names_prog_types, p->type);
	if (*name)
		error_errno(&err, ret, "test-run program \"%.80s\"", name);
	else
		error_errno(&err, ret, "test-run unnamed program");
	if (ret == -ENOTSUPP)
		error_append(&err, ": this kernel cannot test-run programs of type %s",
			lua_tostring(L, -1));
	else if (ret == -ENOSPC)
		error_append(&err, ": %u bytes of data come out", run->attr.data_size_out);
	else if (why)
		error_append(&err, ": %s", why);
	else
		probe_explain_privilege(&err, probe_program_needs(p->type));
	return failure_push(L, &err);
}

/* A userdata left on the stack, or NULL for no bytes. */
static void *push_buffer(lua_State *L, uint32_t size)
{
	if (!size) {
		lua_pushnil(L);
		return NULL;
	}
	return lua_newuserdata(L, size);
}

/* Makes the output buffers. A syscall program's context goes in and out through one buffer. */
static void push_buffers(lua_State *L, const struct program *p, struct run *run)
{
	run->data = push_buffer(L, run->data_room);
	run->out_context = push_buffer(L, run->context_room);
	run->attr.data_out = sys_ptr(run->data);
	run->attr.data_size_out = run->data_room;
	if (p->type == BPF_PROG_TYPE_SYSCALL) {
		if (run->context_room)
			memcpy(run->out_context, run->context, run->context_room);
		run->attr.ctx_in = sys_ptr(run->out_context);
		return;
	}
	if (run->context_room) /* which the kernel may not fill to the end */
		memset(run->out_context, 0, run->context_room);
	run->attr.ctx_out = sys_ptr(run->out_context);
	run->attr.ctx_size_out = run->context_room;
}

/* Whether the kernel asks for larger buffers than it was given; takes note of them. */
static bool needs_room(struct run *run)
{
	bool needs = false;

	if (run->data_room && run->attr.data_size_out > run->data_room) {
		run->data_room = run->attr.data_size_out;
		needs = true;
	}
	if (run->context_room && run->attr.ctx_size_out > run->context_room) {
		run->context_room = run->attr.ctx_size_out;
		needs = true;
	}
	return needs && !run->fixed_room;
}

/* Runs the program at index 1, again with larger buffers while its output does not fit. Leaves
 * the buffers on the stack. */
static int run_program(lua_State *L, const struct program *p, struct run *run)
{
	int top = lua_gettop(L), attempt, ret = -ENOSPC;

	if (p->type == BPF_PROG_TYPE_SYSCALL)
		run->context_room = run->attr.ctx_size_in;
	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		lua_settop(L, top);
		push_buffers(L, p, run);
		if (p->handle.fd < 0)
			return -EBADF;
		run->attr.prog_fd = (uint32_t)p->handle.fd;
		ret = sys_prog_test_run(&run->attr);
		if (ret != -ENOSPC || !needs_room(run))
			break;
	}
	return ret;
}

/* How much of an output buffer the kernel has filled. */
static uint32_t filled(uint32_t size, uint32_t room)
{
	return size < room ? size : room;
}

static const char *check_data(lua_State *L, int arg, struct run *run)
{
	size_t size;
	const char *data = luaL_checklstring(L, arg, &size);

	luaL_argcheck(L, size, arg, "missing input");
	luaL_argcheck(L, size <= INT32_MAX, arg, "too long");
	run->attr.data_in = sys_ptr(data);
	run->attr.data_size_in = (uint32_t)size;
	return data;
}

/*
 * p:test(data) -> retval, out, or nil, message, errno
 * Runs the program once on a packet, a string of at least 14 bytes for most types. `retval` is
 * the unsigned 32-bit result, `out` the packet as the program leaves it. ENOTSUPP (524): this
 * kernel cannot test-run programs of the type. Should the packet outgrow the room left for it,
 * the program runs again. Linux 4.12.
 */
int program_test(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	struct run run = {0};
	int ret;

	check_data(L, 2, &run);
	if (p->handle.fd < 0)
		return handle_closed(L, &program_class);
	run.data_room = run.attr.data_size_in + HEADROOM;
	ret = run_program(L, p, &run);
	if (ret < 0)
		return failed(L, p, &run, ret);
	lua_pushinteger(L, (lua_Integer)run.attr.retval);
	lua_pushlstring(L, (char *)run.data, filled(run.attr.data_size_out, run.data_room));
	return 2;
}

/*
 * p:benchmark(data, times) -> retval, nanoseconds per run, or nil, message, errno
 * Runs the program `times` times (1 to 2^32-1) on a packet. Signals other than those that end
 * programs wait until it is done, once one has interrupted it.
 */
int program_benchmark(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	struct run run = {0};
	int ret;

	check_data(L, 2, &run);
	run.attr.repeat = (uint32_t)compat_check_unsigned(L, 3, UINT32_MAX);
	luaL_argcheck(L, run.attr.repeat, 3, "at least one run expected");
	if (p->handle.fd < 0)
		return handle_closed(L, &program_class);
	ret = run_program(L, p, &run);
	if (ret < 0)
		return failed(L, p, &run, ret);
	lua_pushinteger(L, (lua_Integer)run.attr.retval);
	lua_pushinteger(L, (lua_Integer)run.attr.duration);
	return 2;
}

/* Pushes a string option, and tells its size; nothing is NULL. */
static const char *push_bytes(lua_State *L, const char *field, uint32_t *size)
{
	const char *bytes = options_string(L, 2, field);
	size_t n = bytes ? lua_rawlen(L, -1) : 0;

	luaL_argcheck(L, n <= INT32_MAX, 2, "string too long");
	*size = (uint32_t)n;
	return bytes;
}

/* Reads the options at 2; leaves the strings among them on the stack. */
static void read_options(lua_State *L, const struct program *p, struct run *run)
{
	static const char *const names[] = {
		"data", "context", "times", "cpu", "flags", "data_out_size", "batch_size", NULL};
	struct abi_test_run *attr = &run->attr;

	options_check(L, 2, "run option", names);
	attr->data_in = sys_ptr(push_bytes(L, "data", &attr->data_size_in));
	run->context = push_bytes(L, "context", &attr->ctx_size_in);
	attr->ctx_in = sys_ptr(run->context);
	attr->repeat = (uint32_t)options_unsigned(L, 2, "times", UINT32_MAX, 0);
	/* Programs that cannot be repeated refuse even 1. */
	if (attr->repeat == 1)
		attr->repeat = 0;
	attr->flags = (uint32_t)options_unsigned(L, 2, "flags", UINT32_MAX, 0);
	attr->batch_size = (uint32_t)options_unsigned(L, 2, "batch_size", UINT32_MAX, 0);
	lua_getfield(L, 2, "cpu");
	if (!lua_isnil(L, -1)) {
		attr->cpu = (uint32_t)options_unsigned(L, 2, "cpu", UINT32_MAX, 0);
		attr->flags |= RUN_ON_CPU;
	}
	lua_pop(L, 1);
	if (attr->data_size_in)
		run->data_room = (uint32_t)options_unsigned(
			L, 2, "data_out_size", INT32_MAX, attr->data_size_in + HEADROOM);
	lua_getfield(L, 2, "data_out_size");
	run->fixed_room = !lua_isnil(L, -1);
	lua_pop(L, 1);
	if (run->context && gives_context(p->type))
		run->context_room =
			attr->ctx_size_in > CONTEXT_ROOM ? attr->ctx_size_in : CONTEXT_ROOM;
}

/*
 * p:run(options) -> {retval=, data=, context=, duration=}, or nil, message, errno
 *   data, context   strings: the packet and the context (struct __sk_buff and so on, or the
 *                   arguments of a raw tracepoint as 64-bit words)
 *   times           how often; `duration` is then the average, in nanoseconds
 *   cpu             where to run a raw tracepoint program
 *   flags           BPF_F_TEST_*, a number: 2 sends XDP frames for real
 *   batch_size      of such frames
 *   data_out_size   room for the packet that comes out; ENOSPC when it is larger. By default
 *                   there is 258 bytes more than went in, and should it not be enough the
 *                   program runs again with as much as it needs.
 * `data` is there when data was given, `context` when one was and the type gives it back.
 * Otherwise as p:test().
 */
int program_run(lua_State *L)
{
	const struct program *p = handle_check(L, 1, &program_class);
	struct run run = {0};
	int ret;

	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	read_options(L, p, &run);
	if (p->handle.fd < 0)
		return handle_closed(L, &program_class);
	ret = run_program(L, p, &run);
	if (ret < 0)
		return failed(L, p, &run, ret);
	lua_createtable(L, 0, 4);
	lua_pushinteger(L, (lua_Integer)run.attr.retval);
	lua_setfield(L, -2, "retval");
	lua_pushinteger(L, (lua_Integer)run.attr.duration);
	lua_setfield(L, -2, "duration");
	if (run.data) {
		lua_pushlstring(L, (char *)run.data, filled(run.attr.data_size_out, run.data_room));
		lua_setfield(L, -2, "data");
	}
	if (run.out_context) {
		lua_pushlstring(L, (char *)run.out_context,
			p->type == BPF_PROG_TYPE_SYSCALL
				? run.context_room
				: filled(run.attr.ctx_size_out, run.context_room));
		lua_setfield(L, -2, "context");
	}
	return 1;
}
