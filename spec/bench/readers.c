/* SPDX-License-Identifier: MIT */
/*
 * The yardstick of the readers' benchmark: libbpf's consumers, and a producer for both sides.
 *
 *   readers drain ring|perf MAP_ID PROGRAM_ID RECORDS
 *   readers pace ring|perf MAP_ID PROGRAM_ID RECORDS
 *   readers produce PROGRAM_ID RECORDS
 *
 * A run of the program sends one record. drain reads what was queued; pace reads while another
 * process, on another CPU, sends 200 000 a second in bursts of 50; perf buffers wake once a burst, as
 * they could not keep up with a wakeup for each. Both print nanoseconds of CPU time per record. produce
 * is that other process.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMES = 3, BURST = 50, BURSTS_PER_SECOND = 4000, PAGES = 1024, IDLE_MS = 2000 };

struct event {
	uint64_t number;
	int64_t negative;
	uint32_t cpu;
};

static uint64_t seen, sum;

static void fail(const char *what)
{
	fprintf(stderr, "readers: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void run(int program, unsigned int times)
{
	unsigned char packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		.repeat = (int)times);

	if (bpf_prog_test_run_opts(program, &opts))
		fail("run the program");
}

static void produce(int program, unsigned int records)
{
	struct timespec next;
	cpu_set_t cpus;
	unsigned int i;

	CPU_ZERO(&cpus);
	CPU_SET((sched_getcpu() + 1) % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0; i < records / BURST; i++) {
		run(program, BURST);
		next.tv_nsec += 1000000000 / BURSTS_PER_SECOND;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

static void look_at(const void *data)
{
	const struct event *event = data;

	seen++;
	sum += event->number + event->cpu;
}

static int on_record(void *context, void *data, size_t size)
{
	(void)context;
	(void)size;
	look_at(data);
	return 0;
}

struct raw_sample {
	struct perf_event_header header;
	uint32_t size;
	unsigned char data[];
};

static enum bpf_perf_event_ret on_event(void *context, int cpu, struct perf_event_header *header)
{
	const struct raw_sample *sample = (const void *)header;

	(void)context;
	(void)cpu;
	if (header->type == PERF_RECORD_SAMPLE)
		look_at(sample->data);
	return LIBBPF_PERF_EVENT_CONT;
}

struct consumer {
	struct ring_buffer *ring;
	struct perf_buffer *perf;
};

static struct perf_buffer *open_perf(int map)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.wakeup_events = BURST,
	};

	return perf_buffer__new_raw(map, PAGES, &attr, on_event, NULL, NULL);
}

static struct consumer open_consumer(const char *kind, int map)
{
	struct consumer c = {0};

	if (!strcmp(kind, "ring"))
		c.ring = ring_buffer__new(map, on_record, NULL, NULL);
	else
		c.perf = open_perf(map);
	if (!c.ring && !c.perf)
		fail("open the consumer");
	return c;
}

static int poll_for(const struct consumer *c, int milliseconds)
{
	return c->ring ? ring_buffer__poll(c->ring, milliseconds)
		       : perf_buffer__poll(c->perf, milliseconds);
}

/* The last time of a few, when caches and page tables are warm. */
static void drain(const struct consumer *c, int program, unsigned int records)
{
	double start, took = 0;
	int i;

	for (i = 0; i < TIMES; i++) {
		run(program, records);
		seen = 0;
		start = cpu_time();
		if (c->ring)
			ring_buffer__consume(c->ring);
		else
			perf_buffer__consume(c->perf);
		took = cpu_time() - start;
		if (seen != records)
			fail("drain all records");
	}
	printf("%.2f\n", took / (double)seen);
}

static void pace(const struct consumer *c, int program, unsigned int records)
{
	double start = cpu_time();
	pid_t child = fork();

	if (child == 0) {
		produce(program, records);
		_exit(0);
	}
	while (seen < records && poll_for(c, IDLE_MS) > 0)
		;
	printf("%.2f\n", (cpu_time() - start) / (double)seen);
	waitpid(child, NULL, 0);
}

static unsigned int number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct consumer c;
	int map, program;

	if (argc == 4 && !strcmp(argv[1], "produce")) {
		program = bpf_prog_get_fd_by_id(number(argv[2]));
		if (program < 0)
			fail("open the program");
		produce(program, number(argv[3]));
		return 0;
	}
	if (argc != 6) {
		fprintf(stderr, "usage: readers drain|pace ring|perf MAP_ID PROGRAM_ID RECORDS\n");
		return 2;
	}
	map = bpf_map_get_fd_by_id(number(argv[3]));
	program = bpf_prog_get_fd_by_id(number(argv[4]));
	if (map < 0 || program < 0)
		fail("open the map and the program");
	c = open_consumer(argv[2], map);
	if (!strcmp(argv[1], "drain"))
		drain(&c, program, number(argv[5]));
	else
		pace(&c, program, number(argv[5]));
	return sum == 0;
}
