/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "sys_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

/* NETLINK_EXT_ACK, of Linux 4.12. */
enum { EXT_ACK = 11 };

static int keep(int fd)
{
	int moved;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	moved = sys_dup(fd);
	close(fd);
	return moved;
}

int sys_open_target(const char *path)
{
	/* O_NONBLOCK: a fifo in that place must not hang the caller. */
	return keep(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

int sys_inode(int fd, uint64_t *inode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*inode = st.st_ino;
	return 0;
}

int sys_inode_at(const char *path, uint64_t *inode)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	*inode = st.st_ino;
	return 0;
}

int sys_interface_index(const char *name)
{
	struct ifreq request = {0};
	int fd, ret = 0;

	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	memcpy(request.ifr_name, name, strlen(name));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		ret = -errno;
	close(fd);
	return ret < 0 ? ret : request.ifr_ifindex;
}

int sys_route_open(void)
{
	int fd = keep(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	int on = 1;

	/* Without it there are errnos alone. */
	if (fd >= 0)
		(void)setsockopt(fd, SOL_NETLINK, EXT_ACK, &on, sizeof(on));
	return fd;
}

int sys_route_send(int fd, const void *request, size_t size)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n = sendto(fd, request, size, 0, (struct sockaddr *)&kernel, sizeof(kernel));

	return n < 0 ? -errno : (int)n;
}

int sys_route_receive(int fd, void *answer, size_t room)
{
	struct sockaddr_nl sender;
	socklen_t size;
	ssize_t n;

	do {
		size = sizeof(sender);
		n = recvfrom(fd, answer, room, MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *)&sender,
			&size);
		if (n < 0 && errno != EINTR)
			return -errno;
	} while (n < 0 || sender.nl_pid != 0);
	return (size_t)n > room ? -EMSGSIZE : (int)n;
}

int sys_socket_set(int fd, int option, int value)
{
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int sys_socket_cookie(int fd, uint64_t *cookie)
{
	socklen_t size = sizeof(*cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size) < 0 ? -errno : 0;
}
