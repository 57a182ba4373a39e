/* SPDX-License-Identifier: MIT */
/* What the specs need of processes and no Lua has: forking, pinning, signals. Compiled by
 * spec/support/process.lua for the Lua that runs. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

static int failure(lua_State *L, const char *what)
{
	return luaL_error(L, "%s: %s", what, strerror(errno));
}

/* Prints the error on top of the stack, which may be one of busted's tables. */
static void print_error(lua_State *L)
{
	const char *message;

	lua_getglobal(L, "tostring");
	lua_insert(L, -2);
	message = lua_pcall(L, 1, 1, 0) == 0 ? lua_tostring(L, -1) : NULL;
	if (message && write(2, message, strlen(message)) > 0)
		(void)!write(2, "\n", 1);
}

/* Ends this process without running finalizers. Through another program, lest valgrind look for
 * leaks in the state that is abandoned. */
static void end_child(int status)
{
	char command[32];

	snprintf(command, sizeof(command), "exit %d", status);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(99);
}

/* fork(function) -> pid: runs it in a child, which ends with the integer it returns, or with 99
 * when it raises. */
static int process_fork(lua_State *L)
{
	pid_t pid;
	int status = 99;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	pid = fork();
	if (pid < 0)
		return failure(L, "fork");
	if (pid == 0) {
		if (lua_pcall(L, 0, 1, 0) == 0)
			status = (int)lua_tointeger(L, -1);
		else
			print_error(L);
		end_child(status);
	}
	lua_pushinteger(L, pid);
	return 1;
}

/* wait(pid) -> exit status, or 128 + the signal that killed it */
static int process_wait(lua_State *L)
{
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	int status, ret;

	do {
		ret = waitpid(pid, &status, 0);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return failure(L, "waitpid");
	lua_pushinteger(L, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	return 1;
}

/* has_ended(pid) -> boolean; leaves the child to be waited for */
static int process_has_ended(lua_State *L)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)luaL_checkinteger(L, 1), &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return failure(L, "waitid");
	lua_pushboolean(L, info.si_pid != 0);
	return 1;
}

static int process_kill(lua_State *L)
{
	if (kill((pid_t)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2)) < 0)
		return failure(L, "kill");
	return 0;
}

/* pin([cpu]): runs on that CPU only, or on any again */
static int process_pin(lua_State *L)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	if (lua_isnoneornil(L, 1)) {
		for (i = 0; i < CPU_SETSIZE; i++)
			CPU_SET(i, &set);
	} else {
		CPU_SET((int)luaL_checkinteger(L, 1), &set);
	}
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return failure(L, "sched_setaffinity");
	return 0;
}

static void ignore(int number)
{
	(void)number;
}

/* interrupt(seconds): SIGALRM again and again, which interrupts system calls; 0 ends it. The
 * handler stays: valgrind may deliver the last signal late. */
static int process_interrupt(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);
	struct sigaction action = {.sa_handler = ignore};
	struct itimerval every = {0};

	every.it_interval.tv_sec = (time_t)seconds;
	every.it_interval.tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6);
	every.it_value = every.it_interval;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	return 0;
}

/* limit_files(n) -> the limit before */
static int process_limit_files(lua_State *L)
{
	struct rlimit limit;
	rlim_t before;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return failure(L, "getrlimit");
	before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return failure(L, "setrlimit");
	lua_pushinteger(L, (lua_Integer)before);
	return 1;
}

/* poke(address, bytes): writes into this process */
static int process_poke(lua_State *L)
{
	uintptr_t address = (uintptr_t)luaL_checknumber(L, 1);
	size_t size;
	const char *bytes = luaL_checklstring(L, 2, &size);

	memcpy((void *)address, bytes, size);
	return 0;
}

/* watch_edges(fd) -> an epoll fd that tells once of each time `fd` becomes readable */
static int process_watch_edges(lua_State *L)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, (int)luaL_checkinteger(L, 1), &event) < 0)
		return failure(L, "epoll");
	lua_pushinteger(L, fd);
	return 1;
}

/* wait_edge(epoll fd, seconds) -> whether that happened */
static int process_wait_edge(lua_State *L)
{
	struct epoll_event event;
	int timeout = (int)(luaL_checknumber(L, 2) * 1000);

	lua_pushboolean(L, epoll_wait((int)luaL_checkinteger(L, 1), &event, 1, timeout) > 0);
	return 1;
}

/* keep_capabilities(bit, ...): this thread has these and no others from now on */
static int process_keep_capabilities(lua_State *L)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	unsigned int bit;
	int i;

	for (i = 1; i <= lua_gettop(L); i++) {
		bit = (unsigned int)luaL_checkinteger(L, i);
		data[bit / 32 & 1].effective |= 1U << bit % 32;
	}
	for (i = 0; i < 2; i++)
		data[i].permitted = data[i].effective;
	if (syscall(SYS_capset, &header, data) < 0)
		return failure(L, "capset");
	return 0;
}

/* become(uid): another user and group, for good, which takes all capabilities */
static int process_become(lua_State *L)
{
	uid_t id = (uid_t)luaL_checkinteger(L, 1);

	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return failure(L, "setresuid");
	return 0;
}

/* inherit(fd) -> another fd of the same, which stays open at exec */
static int process_inherit(lua_State *L)
{
	int fd = dup((int)luaL_checkinteger(L, 1));

	if (fd < 0)
		return failure(L, "dup");
	lua_pushinteger(L, fd);
	return 1;
}

static int process_close(lua_State *L)
{
	close((int)luaL_checkinteger(L, 1));
	return 0;
}

int luaopen_process(lua_State *L);

int luaopen_process(lua_State *L)
{
	static const struct {
		const char *name;
		lua_CFunction function;
	} functions[] = {
		{"fork", process_fork},
		{"wait", process_wait},
		{"has_ended", process_has_ended},
		{"kill", process_kill},
		{"pin", process_pin},
		{"interrupt", process_interrupt},
		{"poke", process_poke},
		{"watch_edges", process_watch_edges},
		{"wait_edge", process_wait_edge},
		{"inherit", process_inherit},
		{"close", process_close},
		{"limit_files", process_limit_files},
		{"keep_capabilities", process_keep_capabilities},
		{"become", process_become},
	};
	size_t i;

	lua_newtable(L);
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		lua_pushcfunction(L, functions[i].function);
		lua_setfield(L, -2, functions[i].name);
	}
	return 1;
}
