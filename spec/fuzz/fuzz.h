/* SPDX-License-Identifier: MIT */
/* What the programs here share: numbers that are the same in each run, and the end of one that failed. */
#ifndef EBPF_FUZZ_H
#define EBPF_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 88172645463325252u;

static inline uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 2685821657736338717u;
}

/* 0 to n - 1; 0 when n is 0. */
static inline size_t below(size_t n)
{
	return n ? (size_t)(random_number() >> 16) % n : 0;
}

_Noreturn static inline void fail(const char *what)
{
	printf("%s\n", what);
	exit(1);
}

/* In memory of exactly its size, so that a step beyond it is seen. */
static inline void *exact_copy(const void *bytes, size_t size)
{
	void *copy = malloc(size ? size : 1);

	memcpy(copy, bytes, size);
	return copy;
}

#endif
