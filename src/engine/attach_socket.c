/* SPDX-License-Identifier: MIT */
#include "attach_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"
#include "sys.h"
#include "sys_net.h"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68 /* Linux 5.3 */
#endif

enum { REUSEPORT_DETACH = SO_DETACH_REUSEPORT_BPF };

static int reason(int code, struct error *err)
{
	char text[128];

	error_describe(code, text, sizeof(text));
	return error_set(err, code, "%s", text);
}

/* Whether the number still is that of the socket it was. */
static int check(const struct attachment *a, struct error *err)
{
	uint64_t cookie;
	int ret = sys_socket_cookie(a->socket.fd, &cookie);

	if (ret >= 0 && cookie == a->socket.cookie)
		return 0;
	return error_set(err, EBADF, "socket %d has been closed", a->socket.fd);
}

static int set(const struct attachment *a, int option, int value, struct error *err)
{
	int ret;

	if (check(a, err) < 0)
		return -1;
	ret = sys_socket_set(a->socket.fd, option, value);
	if (ret >= 0)
		return 0;
	reason(ret, err);
	if (ret == -ENOENT)
		return error_append(err, ": it is attached there no more");
	if (ret == -EPERM)
		return error_append(err, ": its filter is locked (SO_LOCK_FILTER)");
	if (ret == -EINVAL)
		return error_append(err, ": the program is of another type");
	if (ret == -ENOPROTOOPT)
		return error_append(
			err, ": needs Linux 5.3: the program goes when its sockets are closed");
	return -1;
}

static int detach_filter(const struct attachment *a, int prog_fd, struct error *err)
{
	(void)prog_fd;
	return set(a, SO_DETACH_FILTER, 0, err);
}

static int update_filter(
	const struct attachment *a, int prog_fd, int new_prog_fd, struct error *err)
{
	(void)prog_fd;
	return set(a, SO_ATTACH_BPF, new_prog_fd, err);
}

static int detach_reuseport(const struct attachment *a, int prog_fd, struct error *err)
{
	(void)prog_fd;
	return set(a, REUSEPORT_DETACH, 0, err);
}

static int update_reuseport(
	const struct attachment *a, int prog_fd, int new_prog_fd, struct error *err)
{
	(void)prog_fd;
	return set(a, SO_ATTACH_REUSEPORT_EBPF, new_prog_fd, err);
}

static const struct attachment_class filter_class = {
	ATTACHMENT_SOCKET, detach_filter, update_filter};
static const struct attachment_class reuseport_class = {
	ATTACHMENT_SOCKET, detach_reuseport, update_reuseport};

static int attach(int prog_fd, int socket, int option, const struct attachment_class *class,
	struct attachment *a, struct error *err)
{
	int ret;

	attachment_init(a);
	a->socket.fd = socket;
	ret = sys_socket_cookie(socket, &a->socket.cookie);
	if (ret >= 0)
		ret = sys_socket_set(socket, option, prog_fd);
	if (ret >= 0) {
		a->class = class;
		a->owner = sys_process_id();
		return 0;
	}
	error_errno(err, ret, "socket %d", socket);
	if (ret == -ENOTSOCK)
		return error_append(err, ": that file is no socket");
	if (ret == -ENOMEM)
		return error_append(err, ": the program may be longer than sysctl "
					 "net.core.optmem_max lets sockets have");
	if (ret == -EINVAL && class == &reuseport_class)
		return error_append(err,
			": SO_REUSEPORT has to be set on it before it is bound, and the "
			"program to be of type sk_reuseport or socket_filter");
	if (ret == -EPERM && class == &filter_class)
		return error_append(err, ": its filter is locked (SO_LOCK_FILTER)");
	return probe_explain_privilege(err, PROBE_BPF);
}

int attach_socket_filter(int prog_fd, int socket, struct attachment *a, struct error *err)
{
	return attach(prog_fd, socket, SO_ATTACH_BPF, &filter_class, a, err);
}

int attach_socket_reuseport(int prog_fd, int socket, struct attachment *a, struct error *err)
{
	return attach(prog_fd, socket, SO_ATTACH_REUSEPORT_EBPF, &reuseport_class, a, err);
}
