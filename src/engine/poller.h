/* SPDX-License-Identifier: MIT */
/*
 * One fd to wait for many: an epoll over the rings of a reader and over a counter by which
 * somebody else can end the wait. The epoll fd is itself pollable by any event loop.
 */
#ifndef EBPF_POLLER_H
#define EBPF_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct poller {
	int fd; /* epoll; -1: closed */
	int flush_fd;
	int timer_fd; /* -1: none */
	bool timed; /* the timer is set */
	bool flushed; /* by this process, and not yet seen */
};

/* No deadline. */
#define POLLER_FOREVER INT64_MAX

#define POLLER_CLOSED ((struct poller){.fd = -1, .flush_fd = -1, .timer_fd = -1})

int poller_open(struct poller *poller, struct error *err);
void poller_close(struct poller *poller);

/* Waits for `events` (epoll's) of `fd` too, until it is closed in every process. */
int poller_add(struct poller *poller, int fd, uint32_t events, struct error *err);

/* Makes poller_set_timer() possible. */
int poller_add_timer(struct poller *poller, struct error *err);

/* Makes the fd readable at that time of the clock, and not before by an earlier setting; 0: never. */
void poller_set_timer(struct poller *poller, int64_t time);

/* The clock's value `seconds` from now, or POLLER_FOREVER when that is beyond reckoning. */
int64_t poller_deadline(double seconds);

enum poller_event {
	POLLER_TIMEOUT,
	POLLER_READY, /* some fd may be readable; go and look */
	POLLER_FLUSHED, /* poller_flush() was called */
};

/* Sleeps until something happens or the deadline is over. Returns an enum poller_event, or a
 * negative errno; -EINTR after a signal, for the caller to go on or not. */
int poller_wait(struct poller *poller, int64_t deadline);

/* Forgets edge-triggered events that have happened, so that the fd tells of new ones only. */
void poller_forget(struct poller *poller);

/* Ends the wait of whoever waits now or next. */
int poller_flush(struct poller *poller);

/* Forgets a flush that nobody waited for. */
void poller_take_flush(struct poller *poller);

#pragma GCC visibility pop

#endif
