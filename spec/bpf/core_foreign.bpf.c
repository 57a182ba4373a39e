// SPDX-License-Identifier: GPL-2.0
/*
 * CO-RE relocations of each kind against the types of core_target.h. The programs return 0, or
 * the line of the first answer that is wrong.
 */
#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define PREFIX expected_
#include "core_target.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

#define PORTABLE __attribute__((preserve_access_index))

struct part {
	unsigned short x;
	int y[4];
} PORTABLE;

struct widget {
	int id;
	unsigned int count;
	unsigned long long total;
	int level;
	signed char sign;
	int hidden;
	unsigned int mode : 3;
	int slope : 20;
	unsigned int flag : 1;
	unsigned int plain;
	struct part part;
	struct part parts[3];
	void *pointer;
	int gone;
	int tail[0];
} PORTABLE;

/* A flavour of the same type. */
struct widget___short {
	int id;
	char *hidden; /* a pointer: not like the kernel's */
} PORTABLE;

struct missing {
	int field;
} PORTABLE;

struct twin {
	int left;
	int right;
} PORTABLE;

enum color { RED, GREEN, BLUE };
enum color___again { RED___again = 100 };
enum nowhere { NOTHING };

typedef struct {
	int b;
} pair_t;

typedef int no_such_t;

/* Of another kind. */
union widget___union {
	int id;
};

union shape {
	int circle;
} PORTABLE;

struct expected_widget data = {
	.count = 0x123456789aULL,
	.total = 0xfedc,
	.level = -5,
	.sign = -9,
	.hidden = 77,
	.low = 31,
	.mode = 0x155,
	.slope = -33,
	.flag = 0x1122334455667788ULL,
	.plain = 42,
	.part = {.y = {10, 11, 12, 13, 14, 15}, .x = 99},
	.parts = {{}, {}, {.y = {20, 21, 22, 23, 24, 25}, .x = 199}},
	.id = 4711,
};

__u32 local_widget, target_widget, target_missing;

SEC("tc")
int offsets(struct __sk_buff *skb)
{
	struct widget *w = (void *)&data;
	struct widget___short *s = (void *)&data;

	CHECK(w->id == 4711);
	CHECK(s->id == 4711);
	CHECK(w->hidden == 77);
	CHECK(w->sign == -9);
	CHECK(w->part.x == 99);
	CHECK(w->part.y[3] == 13);
	CHECK(w->parts[2].x == 199);
	CHECK(w->parts[2].y[1] == 21);
	CHECK((unsigned long)__builtin_preserve_access_index(&w->tail[2]) - (unsigned long)&data ==
		offsetof(struct expected_widget, tail) + 8);
	CHECK(bpf_core_field_offset(struct widget, id) == offsetof(struct expected_widget, id));
	CHECK((unsigned long)__builtin_preserve_access_index(&w[0].pointer) -
			(unsigned long)&data ==
		offsetof(struct expected_widget, pointer));
	return 0;
}

/* Loads and stores of numbers without a sign become those of the other size. */
SEC("tc")
int sizes(struct __sk_buff *skb)
{
	struct widget *w = (void *)&data;

	CHECK(w->total == 0xfedc);
	CHECK(w->count == 0x3456789a);
	w->total = 0x12345;
	CHECK(data.total == 0x2345);
	CHECK(data.level == -5);
	data.total = 0xfedc;
	CHECK(bpf_core_field_size(w->count) == 8);
	CHECK(bpf_core_field_size(w->total) == 2);
	CHECK(bpf_core_field_size(w->part) == sizeof(struct expected_part));
	CHECK(bpf_core_field_size(w->parts) == 5 * sizeof(struct expected_part));
	CHECK(bpf_core_field_size(w->parts[1].y) == 24);
	return 0;
}

SEC("tc")
int existence(struct __sk_buff *skb)
{
	struct widget *w = (void *)&data;
	struct widget___short *s = (void *)&data;

	CHECK(bpf_core_field_exists(w->hidden));
	CHECK(bpf_core_field_exists(w->parts[2].y[3]));
	CHECK(!bpf_core_field_exists(w->gone));
	CHECK(!bpf_core_field_exists(s->hidden));
	CHECK(!bpf_core_field_exists(struct missing, field));
	CHECK(bpf_core_field_exists(union shape, circle));
	if (bpf_core_field_exists(w->gone))
		return w->gone; /* never reached, though it cannot be relocated */
	return 0;
}

/* Signs and shifts. */
SEC("tc")
int bitfields(struct __sk_buff *skb)
{
	struct widget *w = (void *)&data;

	CHECK(BPF_CORE_READ_BITFIELD(w, mode) == 0x155);
	CHECK((int)BPF_CORE_READ_BITFIELD(w, slope) == -33);
	CHECK(BPF_CORE_READ_BITFIELD(w, flag) == 0x1122334455667788ULL);
	CHECK(BPF_CORE_READ_BITFIELD(w, plain) == 42);
	CHECK((int)BPF_CORE_READ_BITFIELD(w, level) == -5);
	CHECK(BPF_CORE_READ_BITFIELD(w, count) == 0x123456789aULL);
	CHECK(__CORE_RELO(w, level, SIGNED) == 1);
	CHECK(__CORE_RELO(w, count, SIGNED) == 0);
	return 0;
}

SEC("tc")
int types(struct __sk_buff *skb)
{
	CHECK(bpf_core_type_exists(struct widget));
	CHECK(bpf_core_type_exists(struct widget___short));
	CHECK(!bpf_core_type_exists(struct missing));
	CHECK(!bpf_core_type_exists(union widget___union));
	CHECK(bpf_core_type_exists(pair_t));
	CHECK(!bpf_core_type_exists(no_such_t));
	CHECK(bpf_core_type_exists(enum color));
	CHECK(bpf_core_type_size(struct widget) == sizeof(struct expected_widget));
	CHECK(bpf_core_type_size(pair_t) == 8);
	CHECK(bpf_core_type_size(struct missing) == 0);
	local_widget = bpf_core_type_id_local(struct widget);
	target_widget = bpf_core_type_id_kernel(struct widget);
	target_missing = bpf_core_type_id_kernel(struct missing);
	return 0;
}

SEC("tc")
int enums(struct __sk_buff *skb)
{
	CHECK(bpf_core_enum_value_exists(enum color, RED));
	CHECK(!bpf_core_enum_value_exists(enum color, GREEN));
	CHECK(!bpf_core_enum_value_exists(enum nowhere, NOTHING));
	CHECK(bpf_core_enum_value(enum color, RED) == 7);
	CHECK((long)bpf_core_enum_value(enum color, BLUE) == -3);
	CHECK(bpf_core_enum_value(enum color___again, RED___again) == 7);
	return 0;
}

/* One of two types has both fields. */
SEC("tc")
int candidates(struct __sk_buff *skb)
{
	CHECK(bpf_core_field_offset(struct twin, right) == 4);
	CHECK(bpf_core_field_exists(struct twin, left));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
