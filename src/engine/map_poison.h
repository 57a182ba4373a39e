/* SPDX-License-Identifier: MIT */
/*
 * References to maps that are not created. Code that is never reached may have them, such as what
 * a constant turns off: each becomes an instruction that the verifier refuses, should it get there.
 */
#ifndef EBPF_MAP_POISON_H
#define EBPF_MAP_POISON_H

#include <stdbool.h>

#include "error.h"
#include "insn.h"
#include "verifier_log.h"

#pragma GCC visibility push(hidden)

/* Calls of this number stand in the place of what loads a map; libbpf's number. */
enum { MAP_POISON = 2001000000 };

/* Poisons what refers to the map `name` and has not been given one. Returns how many instructions
 * that are; -1 with an error, and nothing changed, when one of them is no 64-bit load. */
int map_poison(struct insns *list, const char *name, struct error *err);

/* Whether the verifier's log ends at such an instruction; appends to the error what map it wants. */
bool map_poison_explain(
	const struct insns *list, const struct verifier_log *log, struct error *err);

#pragma GCC visibility pop

#endif
