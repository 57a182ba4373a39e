// SPDX-License-Identifier: GPL-2.0
/* The BTF that the specs give as the kernel's. */
#define PREFIX
#include "core_target.h"

struct widget widget;
enum color color;
pair_t pair;
struct alike alike;
union shape shape;

/* Two of a name: one has what is asked for, so that it is chosen. */
struct twin {
	int left;
	int right;
} twin;

struct twin___again {
	int right;
} twin_again;

/* Two of a name that differ where both have it. */
struct split {
	int pad;
	int field;
} split;

struct split___other {
	int field;
} split_other;
