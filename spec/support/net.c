/* SPDX-License-Identifier: MIT */
/* Sockets for the specs. Compiled by spec/support/net.lua for the Lua that runs. What the kernel
 * refuses is nil and the errno. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static int answer(lua_State *L, int ret)
{
	if (ret < 0) {
		lua_pushnil(L);
		lua_pushinteger(L, errno);
		return 2;
	}
	lua_pushinteger(L, ret);
	return 1;
}

/* socket(kind) -> fd; "tcp", "udp", "tcp6", "udp6", "unix" (datagrams) */
static int net_socket(lua_State *L)
{
	static const char *const kinds[] = {"tcp", "udp", "tcp6", "udp6", "unix", NULL};
	static const int families[] = {AF_INET, AF_INET, AF_INET6, AF_INET6, AF_UNIX};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM, SOCK_DGRAM, SOCK_DGRAM};
	int kind = luaL_checkoption(L, 1, NULL, kinds);

	return answer(L, socket(families[kind], types[kind] | SOCK_CLOEXEC, 0));
}

/* The address and port at `arg`, or the path, as the family of the socket has it. */
static socklen_t check_address(lua_State *L, int fd, int arg, union address *a)
{
	const char *text = luaL_checkstring(L, arg);
	socklen_t size = sizeof(int);
	int family = AF_INET;

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
	memset(a, 0, sizeof(*a));
	a->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		a->v4.sin_port = htons((uint16_t)luaL_checkinteger(L, arg + 1));
		luaL_argcheck(L, inet_pton(AF_INET, text, &a->v4.sin_addr) == 1, arg, "address");
		return sizeof(a->v4);
	}
	if (family == AF_INET6) {
		a->v6.sin6_port = htons((uint16_t)luaL_checkinteger(L, arg + 1));
		luaL_argcheck(L, inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1, arg, "address");
		return sizeof(a->v6);
	}
	strncpy(a->local.sun_path, text, sizeof(a->local.sun_path) - 1);
	return sizeof(a->local);
}

static int push_address(lua_State *L, const union address *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (a->any.sa_family == AF_UNIX) {
		lua_pushstring(L, a->local.sun_path);
		return 1;
	}
	if (a->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->v4.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &a->v6.sin6_addr, text, sizeof(text));
	lua_pushstring(L, text);
	lua_pushinteger(L, ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port));
	return 2;
}

/* bind(fd, address, port) */
static int net_bind(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	union address a;
	socklen_t size = check_address(L, fd, 2, &a);

	return answer(L, bind(fd, &a.any, size));
}

/* connect(fd, address, port) */
static int net_connect(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	union address a;
	socklen_t size = check_address(L, fd, 2, &a);

	return answer(L, connect(fd, &a.any, size));
}

static int net_listen(lua_State *L)
{
	return answer(L, listen((int)luaL_checkinteger(L, 1), 8));
}

/* Whether there is something to read within so many seconds. */
static int wait_for(lua_State *L, int fd, int arg)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int ret = poll(&p, 1, (int)(luaL_optnumber(L, arg, 5) * 1000));

	if (ret == 0)
		errno = EAGAIN;
	return ret > 0 ? 0 : -1;
}

/* accept(fd [, seconds]) -> fd */
static int net_accept(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);

	if (wait_for(L, fd, 2) < 0)
		return answer(L, -1);
	return answer(L, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

/* send(fd, data [, address, port]) -> how many bytes */
static int net_send(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	size_t size;
	const char *data = luaL_checklstring(L, 2, &size);
	union address a;
	socklen_t address_size = 0;

	if (!lua_isnoneornil(L, 3))
		address_size = check_address(L, fd, 3, &a);
	return answer(L, (int)sendto(fd, data, size, MSG_NOSIGNAL, address_size ? &a.any : NULL,
				 address_size));
}

/* receive(fd [, seconds]) -> data, address, port; nil, EAGAIN when nothing came */
static int net_receive(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	union address a = {0};
	socklen_t size = sizeof(a);
	char data[2048];
	ssize_t n;

	if (wait_for(L, fd, 2) < 0)
		return answer(L, -1);
	n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, &a.any, &size);
	if (n < 0)
		return answer(L, -1);
	lua_pushlstring(L, data, (size_t)n);
	return size ? 1 + push_address(L, &a) : 1;
}

static int push_name(lua_State *L, int (*get)(int, struct sockaddr *, socklen_t *))
{
	union address a = {0};
	socklen_t size = sizeof(a);

	if (get((int)luaL_checkinteger(L, 1), &a.any, &size) < 0)
		return answer(L, -1);
	return push_address(L, &a);
}

static int get_own(int fd, struct sockaddr *a, socklen_t *size)
{
	return getsockname(fd, a, size);
}

static int get_peer(int fd, struct sockaddr *a, socklen_t *size)
{
	return getpeername(fd, a, size);
}

/* name(fd) -> address, port */
static int net_name(lua_State *L)
{
	return push_name(L, get_own);
}

/* peer(fd) -> address, port */
static int net_peer(lua_State *L)
{
	return push_name(L, get_peer);
}

/* set(fd, level, option, value) */
static int net_set(lua_State *L)
{
	int value = (int)luaL_checkinteger(L, 4);

	return answer(L, setsockopt((int)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2),
				 (int)luaL_checkinteger(L, 3), &value, sizeof(value)));
}

/* get(fd, level, option) -> value */
static int net_get(lua_State *L)
{
	int value = 0;
	socklen_t size = sizeof(value);
	int ret = getsockopt((int)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2),
		(int)luaL_checkinteger(L, 3), &value, &size);

	return answer(L, ret < 0 ? ret : value);
}

/* enter(path): moves this process to the network namespace of that file */
static int net_enter(lua_State *L)
{
	int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC);
	int ret = fd < 0 ? fd : setns(fd, CLONE_NEWNET);

	close(fd);
	return answer(L, ret);
}

static int net_close(lua_State *L)
{
	return answer(L, close((int)luaL_checkinteger(L, 1)));
}

int luaopen_net(lua_State *L);

int luaopen_net(lua_State *L)
{
	static const struct {
		const char *name;
		lua_CFunction function;
	} functions[] = {
		{"socket", net_socket},
		{"bind", net_bind},
		{"connect", net_connect},
		{"listen", net_listen},
		{"accept", net_accept},
		{"send", net_send},
		{"receive", net_receive},
		{"name", net_name},
		{"peer", net_peer},
		{"set", net_set},
		{"get", net_get},
		{"enter", net_enter},
		{"close", net_close},
	};
	static const struct {
		const char *name;
		int value;
	} constants[] = {
		{"SOL_SOCKET", SOL_SOCKET},
		{"SO_REUSEPORT", SO_REUSEPORT},
		{"SO_REUSEADDR", SO_REUSEADDR},
		{"SO_LOCK_FILTER", SO_LOCK_FILTER},
		{"SO_PRIORITY", SO_PRIORITY},
		{"SO_TYPE", SO_TYPE},
	};
	size_t i;

	lua_newtable(L);
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		lua_pushcfunction(L, functions[i].function);
		lua_setfield(L, -2, functions[i].name);
	}
	for (i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		lua_pushinteger(L, constants[i].value);
		lua_setfield(L, -2, constants[i].name);
	}
	return 1;
}
