// SPDX-License-Identifier: MIT
/*
 * Types with names of every length, for a kernel that has each with a flavour. names() returns 0, or
 * the line of the first answer that is wrong.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define TYPE(name)                                                                                 \
	struct name {                                                                              \
		int x;                                                                             \
	}
#define CHECK(name)                                                                                \
	do {                                                                                       \
		if (!bpf_core_type_exists(struct name))                                            \
			return __LINE__;                                                           \
	} while (0)

TYPE(a);
TYPE(ab);
TYPE(abc);
TYPE(abcd);
TYPE(abcde);
TYPE(abcdef);
TYPE(abcdefg);
TYPE(abcdefgh);
TYPE(abcdefghi);
TYPE(a_b_c_d_e);
TYPE(a__b);

SEC("tc")
int names(struct __sk_buff *skb)
{
	CHECK(a);
	CHECK(ab);
	CHECK(abc);
	CHECK(abcd);
	CHECK(abcde);
	CHECK(abcdef);
	CHECK(abcdefg);
	CHECK(abcdefgh);
	CHECK(abcdefghi);
	CHECK(a_b_c_d_e);
	CHECK(a__b);
	return 0;
}

char _license[] SEC("license") = "GPL";
