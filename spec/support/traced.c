/* SPDX-License-Identifier: MIT */
/*
 * What the specs trace: functions and statically defined tracepoints, in a shared library that the
 * Lua itself loads. package.loadlib(path, "traced_fire") gives a Lua function without arguments and
 * results, so that one library serves all Luas.
 */
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default"), noinline, noclone, used))

/* A note as <sys/sdt.h> writes it: where the instruction, the base and the counter are, then
 * provider, name and arguments. */
#define NOTE(name, semaphore, args, ...)                                                           \
	__asm__ volatile(                                                                          \
		"990:	nop\n"                                                                       \
		"	.pushsection .note.stapsdt,\"\",\"note\"\n"                                      \
		"	.balign 4\n"                                                                     \
		"	.4byte 992f-991f, 994f-993f, 3\n"                                                \
		"991:	.asciz \"stapsdt\"\n"                                                        \
		"992:	.balign 4\n"                                                                 \
		"993:	.8byte 990b\n"                                                               \
		"	.8byte _.stapsdt.base\n"                                                         \
		"	.8byte " semaphore "\n"                                                    \
		"	.asciz \"traced\"\n"                                                             \
		"	.asciz \"" name "\"\n"                                                     \
		"	.asciz \"" args "\"\n"                                                     \
		"994:	.balign 4\n"                                                                 \
		"	.popsection\n"                                                                   \
		"	.ifndef _.stapsdt.base\n"                                                        \
		"	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"           \
		"	.weak _.stapsdt.base\n"                                                          \
		"	.hidden _.stapsdt.base\n"                                                        \
		"_.stapsdt.base: .space 1\n"                                                       \
		"	.size _.stapsdt.base, 1\n"                                                       \
		"	.popsection\n"                                                                   \
		"	.endif\n" ::__VA_ARGS__)

/* More than 0 while somebody is attached to the tracepoint "watched". */
__attribute__((section(".probes"), used, visibility("hidden"))) unsigned short traced_semaphore;

EXPORT int traced_add(int a, int b)
{
	__asm__ volatile("" : "+r"(a), "+r"(b));
	return a + b;
}

EXPORT int traced_other(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a * 2;
}

/* Of no dynamic symbol. */
static __attribute__((noinline, noclone, used)) int traced_hidden(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a + 1;
}

/* Two versions of one function, of which new programs get the second. */
EXPORT int traced_first(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a + 100;
}

EXPORT int traced_second(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a + 200;
}

__asm__(".symver traced_first, traced_versioned@TRACED_1");
__asm__(".symver traced_second, traced_versioned@@TRACED_2");

static int (*choose(void))(int)
{
	return traced_other;
}

int traced_chosen(int a) __attribute__((ifunc("choose"), visibility("default")));

static __attribute__((noinline)) void points(int number, const char *text)
{
	short narrow = (short)-number;
	long memory[2] = {number, -5};

#ifdef __x86_64__
	NOTE("point", "0", "-4@%0 8@%1 -2@%w2 8@%3 -4@$-9 8@8(%4)", "r"(number), "r"(text),
		"r"(narrow), "m"(memory[0]), "r"(memory));
	NOTE("indexed", "0", "8@(%0,%1,8)", "r"(memory), "r"(1L));
#else
	NOTE("point", "0", "-4@%w0 8@%1 -2@%w2 8@[%3] -4@-9 8@[%3, 8]", "r"(number), "r"(text),
		"r"(narrow), "r"(memory));
#endif
	NOTE("twice", "0", "-4@%0", "r"(number));
	NOTE("twice", "0", "-4@%0", "r"(number + 1));
	if (traced_semaphore)
		NOTE("watched", "traced_semaphore", "-4@%0", "r"(number));
	NOTE("silent", "0", "", "r"(0));
}

/* A lua_CFunction: calls everything once. */
EXPORT int traced_fire(void *state)
{
	volatile int sum = traced_add(40, 2);

	(void)state;
	sum += traced_other(sum);
	sum += traced_hidden(sum);
	sum += traced_first(1);
	sum += traced_second(2);
	points(1234, "text");
	return 0;
}

/* A lua_CFunction: makes the system call getpgid(0). */
EXPORT int traced_system_call(void *state)
{
	(void)state;
	syscall(SYS_getpgid, 0);
	return 0;
}
