// SPDX-License-Identifier: GPL-2.0
/*
 * Variables that the kernel's configuration gives values, of each type they may have. The programs
 * leave what they see in `seen`, or return the line of the first answer that is wrong.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

/* What no kernel has, so that the test says it. */
extern const bool CONFIG_SPEC_BOOL __kconfig __weak;
extern const enum libbpf_tristate CONFIG_SPEC_TRISTATE __kconfig __weak;
extern const char CONFIG_SPEC_CHAR __kconfig __weak;
extern const __s8 CONFIG_SPEC_S8 __kconfig __weak;
extern const __u8 CONFIG_SPEC_U8 __kconfig __weak;
extern const __s16 CONFIG_SPEC_S16 __kconfig __weak;
extern const __u16 CONFIG_SPEC_U16 __kconfig __weak;
extern const __s32 CONFIG_SPEC_S32 __kconfig __weak;
extern const __u32 CONFIG_SPEC_U32 __kconfig __weak;
extern const __s64 CONFIG_SPEC_S64 __kconfig __weak;
extern const __u64 CONFIG_SPEC_U64 __kconfig __weak;
extern const char CONFIG_SPEC_STRING[8] __kconfig __weak;

struct {
	_Bool yes;
	char letter;
	__s8 s8;
	__u8 u8;
	__s16 s16;
	__u16 u16;
	__s32 s32;
	__u32 u32;
	__s64 s64;
	__u64 u64;
	enum libbpf_tristate tristate;
	char string[8];
} seen;

SEC("tc")
int every_type(struct __sk_buff *skb)
{
	int i;

	seen.yes = CONFIG_SPEC_BOOL;
	seen.tristate = CONFIG_SPEC_TRISTATE;
	seen.letter = CONFIG_SPEC_CHAR;
	seen.s8 = CONFIG_SPEC_S8;
	seen.u8 = CONFIG_SPEC_U8;
	seen.s16 = CONFIG_SPEC_S16;
	seen.u16 = CONFIG_SPEC_U16;
	seen.s32 = CONFIG_SPEC_S32;
	seen.u32 = CONFIG_SPEC_U32;
	seen.s64 = CONFIG_SPEC_S64;
	seen.u64 = CONFIG_SPEC_U64;
	for (i = 0; i < sizeof(seen.string); i++)
		seen.string[i] = CONFIG_SPEC_STRING[i];
	return 0;
}

/* What every kernel has that can run this. */
extern const bool CONFIG_BPF_SYSCALL __kconfig;
extern const enum libbpf_tristate CONFIG_BPF __kconfig;
extern const int CONFIG_HZ __kconfig;
extern const char CONFIG_CC_VERSION_TEXT[256] __kconfig __weak;
extern const int LINUX_KERNEL_VERSION __kconfig;
extern const bool LINUX_HAS_BPF_COOKIE __kconfig;
extern const bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern const bool LINUX_OF_THE_FUTURE __kconfig __weak;
extern const bool CONFIG_NO_SUCH_OPTION __kconfig __weak;

struct {
	int hz;
	int version;
	_Bool cookie;
	_Bool wrapper;
	char compiler[4];
} kernel;

SEC("tc")
int running(struct __sk_buff *skb)
{
	int i;

	CHECK(CONFIG_BPF_SYSCALL);
	CHECK(CONFIG_BPF == TRI_YES);
	CHECK(LINUX_KERNEL_VERSION >= 4 << 16);
	CHECK(!LINUX_OF_THE_FUTURE);
	CHECK(!CONFIG_NO_SUCH_OPTION);
	kernel.hz = CONFIG_HZ;
	kernel.version = LINUX_KERNEL_VERSION;
	kernel.cookie = LINUX_HAS_BPF_COOKIE;
	kernel.wrapper = LINUX_HAS_SYSCALL_WRAPPER;
	for (i = 0; i < sizeof(kernel.compiler); i++)
		kernel.compiler[i] = CONFIG_CC_VERSION_TEXT[i];
	return 0;
}

/* The verifier knows the value, and does not look at what is never run. */
SEC("tc")
int pruned(struct __sk_buff *skb)
{
	if (CONFIG_NO_SUCH_OPTION)
		return *(int *)(long)skb->len;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
