/* SPDX-License-Identifier: MIT */
/*
 * Opens and loads one object by libbpf: load_libbpf OBJECT. Prints microseconds of CPU time and the
 * most memory that the process had, in KiB.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	double start = now(), end;
	struct bpf_object *object;
	struct rusage usage;

	if (argc != 2)
		return 2;
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object)) {
		fprintf(stderr, "load_libbpf: cannot load %s\n", argv[1]);
		return 1;
	}
	end = now();
	getrusage(RUSAGE_SELF, &usage);
	printf("%.1f %ld\n", end - start, usage.ru_maxrss);
	fflush(stdout);
	bpf_object__close(object);
	return 0;
}
