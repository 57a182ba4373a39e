/* SPDX-License-Identifier: MIT */
#include "poller.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "sys.h"

enum { NS_PER_MS = 1000000, EVENTS_PER_WAIT = 32 };

int poller_open(struct poller *poller, struct error *err)
{
	int ret;

	*poller = POLLER_CLOSED;
	ret = sys_epoll_create();
	if (ret < 0)
		return error_errno(err, ret, "create an epoll fd");
	poller->fd = ret;
	ret = sys_eventfd();
	if (ret < 0)
		return error_errno(err, ret, "create an eventfd");
	poller->flush_fd = ret;
	return poller_add(poller, poller->flush_fd, EPOLLIN, err);
}

/* Registrations in an epoll that a forked child shares stay as they are: they belong to the
 * open files, and go when the last process closes those. */
void poller_close(struct poller *poller)
{
	sys_close(poller->flush_fd);
	sys_close(poller->timer_fd);
	sys_close(poller->fd);
	*poller = POLLER_CLOSED;
}

int poller_add(struct poller *poller, int fd, uint32_t events, struct error *err)
{
	int ret = sys_epoll_add(poller->fd, fd, events, (uint64_t)fd);

	return ret < 0 ? error_errno(err, ret, "wait for fd %d", fd) : 0;
}

int poller_add_timer(struct poller *poller, struct error *err)
{
	int ret = sys_timerfd();

	if (ret < 0)
		return error_errno(err, ret, "create a timerfd");
	poller->timer_fd = ret;
	return poller_add(poller, ret, EPOLLIN, err);
}

/* Setting it anew takes back that it has expired. */
void poller_set_timer(struct poller *poller, int64_t time)
{
	if (time || poller->timed)
		sys_timerfd_set(poller->timer_fd, time);
	poller->timed = time != 0;
}

int64_t poller_deadline(double seconds)
{
	double ns = seconds * 1e9;

	/* 100 years: adding that to the clock cannot overflow. */
	if (!(ns < 3.2e18))
		return POLLER_FOREVER;
	return sys_now() + (ns > 0 ? (int64_t)ns : 0);
}

/* Milliseconds until the deadline, rounded up so as not to wake too early and spin. */
static int milliseconds_left(int64_t deadline)
{
	int64_t left;

	if (deadline == POLLER_FOREVER)
		return -1;
	left = deadline - sys_now();
	if (left <= 0)
		return 0;
	left = (left + NS_PER_MS - 1) / NS_PER_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void poller_take_flush(struct poller *poller)
{
	uint64_t count;

	sys_read(poller->flush_fd, &count, sizeof(count));
	poller->flushed = false;
}

static int look_at(struct poller *poller, const struct epoll_event *event)
{
	int fd = (int)event->data.u64;

	if (fd == poller->flush_fd) {
		poller_take_flush(poller);
		return POLLER_FLUSHED;
	}
	/* The event of a CPU that went offline hangs up for good, and would end every wait. */
	if (!(event->events & (EPOLLIN | EPOLLOUT)))
		sys_epoll_delete(poller->fd, fd);
	return POLLER_READY;
}

int poller_wait(struct poller *poller, int64_t deadline)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int i, n, timeout, what = POLLER_TIMEOUT;

	do {
		timeout = milliseconds_left(deadline);
		n = sys_epoll_wait(poller->fd, events, EVENTS_PER_WAIT, timeout);
	} while (n == 0 && timeout != 0);
	if (n < 0)
		return n;
	for (i = 0; i < n; i++) {
		if (look_at(poller, &events[i]) == POLLER_FLUSHED)
			what = POLLER_FLUSHED;
		else if (what == POLLER_TIMEOUT)
			what = POLLER_READY;
	}
	return what;
}

void poller_forget(struct poller *poller)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int rounds = 0;

	while (sys_epoll_wait(poller->fd, events, EVENTS_PER_WAIT, 0) == EVENTS_PER_WAIT &&
		++rounds < EVENTS_PER_WAIT)
		;
}

int poller_flush(struct poller *poller)
{
	int ret = sys_eventfd_signal(poller->flush_fd);

	poller->flushed = ret == 0;
	return ret;
}
