/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a process, tells on standard error how many microseconds of CPU time it spent in
 * bpf(2), when it ends: what is left is what user space did.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double spent;
static long (*real_syscall)(long number, ...);

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

long syscall(long number, ...)
{
	long a[6], ret;
	double start;
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real_syscall)
		real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number != __NR_bpf)
		return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	start = now();
	ret = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	spent += now() - start;
	return ret;
}

__attribute__((destructor)) static void tell(void)
{
	fprintf(stderr, "%.1f\n", spent);
}
