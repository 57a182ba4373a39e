/* SPDX-License-Identifier: MIT */
/*
 * The yardstick of the benchmark: what a C program pays that does nothing but bpf(2) in a loop.
 *
 *   raw get|put|walk MAP_ID ENTRIES TIMES
 *
 * The map has u32 keys 0 .. ENTRIES - 1 and u64 values. get and put touch all of them TIMES over;
 * walk goes through them by next_key and lookup. Prints nanoseconds of CPU time per entry.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Only the part of the attributes that the command reads, as libbpf does. */
#define ATTR_SIZE(field) (offsetof(union bpf_attr, field) + sizeof(((union bpf_attr *)NULL)->field))

static void fail(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long bpf(int command, union bpf_attr *attr, unsigned int size)
{
	return syscall(__NR_bpf, command, attr, size);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int open_map(unsigned int id)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_id = id;
	fd = bpf(BPF_MAP_GET_FD_BY_ID, &attr, ATTR_SIZE(open_flags));
	if (fd < 0)
		fail("open the map");
	return (int)fd;
}

static void element(union bpf_attr *attr, int fd, uint32_t *key, uint64_t *value)
{
	memset(attr, 0, sizeof(*attr));
	attr->map_fd = (uint32_t)fd;
	attr->key = (uintptr_t)key;
	attr->value = (uintptr_t)value;
}

static void get_or_put(int command, int fd, uint32_t entries)
{
	union bpf_attr attr;
	uint64_t value = 1;
	uint32_t key;

	element(&attr, fd, &key, &value);
	for (key = 0; key < entries; key++)
		if (bpf(command, &attr, ATTR_SIZE(flags)))
			fail("get or put");
}

static void walk(int fd, uint32_t entries)
{
	union bpf_attr lookup, step;
	uint64_t value;
	uint32_t key, next, seen = 0;

	element(&lookup, fd, &next, &value);
	memset(&step, 0, sizeof(step));
	step.map_fd = (uint32_t)fd;
	step.next_key = (uintptr_t)&next;
	while (!bpf(BPF_MAP_GET_NEXT_KEY, &step, ATTR_SIZE(next_key))) {
		if (bpf(BPF_MAP_LOOKUP_ELEM, &lookup, ATTR_SIZE(flags)))
			fail("look an entry up");
		key = next;
		step.key = (uintptr_t)&key;
		seen++;
	}
	if (errno != ENOENT || seen != entries)
		fail("walk the map");
}

int main(int argc, char **argv)
{
	uint32_t entries;
	double start;
	int fd, i, times;

	if (argc != 5) {
		fprintf(stderr, "usage: raw get|put|walk MAP_ID ENTRIES TIMES\n");
		return 2;
	}
	fd = open_map((unsigned int)strtoul(argv[2], NULL, 10));
	entries = (uint32_t)strtoul(argv[3], NULL, 10);
	times = atoi(argv[4]);
	start = now();
	for (i = 0; i < times; i++) {
		if (!strcmp(argv[1], "walk"))
			walk(fd, entries);
		else
			get_or_put(
				!strcmp(argv[1], "get") ? BPF_MAP_LOOKUP_ELEM : BPF_MAP_UPDATE_ELEM,
				fd, entries);
	}
	printf("%.2f\n", (now() - start) / ((double)times * entries));
	return 0;
}
