/* SPDX-License-Identifier: MIT */
#include "ring_reader.h"

#include <sys/epoll.h>

int ring_reader_open(struct reader *reader, struct ring *rings, struct error *err)
{
	return reader_open(reader, &ring_buf_kind, rings, err);
}

int ring_reader_add(struct reader *reader, int map_fd, struct error *err)
{
	struct ring *ring = &reader->rings[reader->count];

	if (ring_buf_open(ring, map_fd, reader->count + 1, err) < 0)
		return -1;
	/* By edges: while a record is being written there is nothing to do, though the kernel calls
	 * the buffer readable. */
	return reader_add(reader, EPOLLIN | EPOLLET, err);
}

int ring_reader_stop(struct reader *reader, struct error *err)
{
	uint32_t i;

	if (reader_here(reader, err) < 0)
		return -1;
	for (i = 0; i < reader->count; i++)
		ring_buf_stop(&reader->rings[i]);
	return 0;
}
