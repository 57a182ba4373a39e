/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that write to their streams. The function of the kernel has been of three shapes: of Linux
 * 6.17; with a suffix since; and later without the last argument, which the verifier fills in. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { STDOUT = 1, STDERR = 2 };

extern int bpf_stream_vprintk___first(int stream_id, const char *fmt__str, const void *args,
	__u32 len__sz, void *aux__prog) __ksym __weak;
extern int bpf_stream_vprintk_impl(int stream_id, const char *fmt__str, const void *args,
	__u32 len__sz, void *aux__prog) __ksym __weak;
extern int bpf_stream_vprintk(
	int stream_id, const char *fmt__str, const void *args, __u32 len__sz) __ksym __weak;

#define ksym_exists(symbol) (!!(void *)&(symbol))

#define stream_print(stream, format, ...)                                                          \
	({                                                                                         \
		static const char text[] = format;                                                 \
		__u64 arguments[] = {__VA_ARGS__};                                                 \
		int ret;                                                                           \
                                                                                                   \
		if (ksym_exists(bpf_stream_vprintk_impl))                                          \
			ret = bpf_stream_vprintk_impl(                                             \
				stream, text, arguments, sizeof(arguments), 0);                    \
		else if (ksym_exists(bpf_stream_vprintk))                                          \
			ret = bpf_stream_vprintk(stream, text, arguments, sizeof(arguments));      \
		else                                                                               \
			ret = bpf_stream_vprintk___first(                                          \
				stream, text, arguments, sizeof(arguments), 0);                    \
		ret;                                                                               \
	})

__u64 runs;

/* The errno of writing one line. */
SEC("syscall")
int try(void *ctx)
{
	return -stream_print(STDOUT, "%d\n", 1);
}

SEC("syscall")
int greet(void *ctx)
{
	runs++;
	if (stream_print(STDERR, "not %s\n", (__u64) "well"))
		return 1;
	return -stream_print(STDOUT, "run %d of %d\n", runs, 2);
}

/* As many lines as it takes until the kernel refuses more, and with which errno. */
SEC("syscall")
int fill(void *ctx)
{
	int i, ret = 0;

	for (i = 0; i < 5000 && !ret; i++)
		ret = stream_print(STDOUT, "line %32d\n", i);
	runs = i;
	return -ret;
}

char LICENSE[] SEC("license") = "GPL";
