/* SPDX-License-Identifier: MIT */
#include "helpers.h"

static const char *const table[] = {
#include "helpers.inc"
};

const struct names_table helpers = {
	.what = "helper function",
	.names = table,
	.count = sizeof(table) / sizeof(table[0]),
};
