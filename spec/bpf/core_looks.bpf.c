// SPDX-License-Identifier: GPL-2.0
/*
 * Types that look like those of core_target.h, or do not. The spec makes bpf_core_type_matches()
 * of what asks here for existence: clang before 15 has no such builtin.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

/* Members may be missing here, and be in another order. */
struct alike {
	struct part *part;
	int first;
};

struct alike___sign {
	unsigned int first;
};

struct alike___more {
	int first;
	int nowhere;
};

struct alike___pointer {
	int *text;
};

/* Behind a pointer, only the name of a struct counts. */
struct part {
	char nothing_like_it;
};

struct part___length {
	int y[5];
};

struct part___same {
	int y[6];
};

enum color { BLUE, RED };
enum color___more { RED_1, GREEN_1 };

union shape {
	long long square;
};

struct shape___struct {
	int circle;
};

SEC("tc")
int looks(struct __sk_buff *skb)
{
	CHECK(bpf_core_type_exists(struct alike));
	CHECK(!bpf_core_type_exists(struct alike___sign));
	CHECK(!bpf_core_type_exists(struct alike___more));
	CHECK(!bpf_core_type_exists(struct alike___pointer));
	CHECK(!bpf_core_type_exists(struct part));
	CHECK(!bpf_core_type_exists(struct part___length));
	CHECK(bpf_core_type_exists(struct part___same));
	CHECK(bpf_core_type_exists(enum color));
	CHECK(!bpf_core_type_exists(enum color___more));
	CHECK(bpf_core_type_exists(union shape));
	CHECK(!bpf_core_type_exists(struct shape___struct));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
