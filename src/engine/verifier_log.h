/* SPDX-License-Identifier: MIT */
/*
 * What the verifier's log says, found by what its lines are. The verifier traces the instructions it
 * follows, with states of registers and lines of source in between; it stops with a few words, and
 * ends with statistics:
 *
 *	; return *value; @ count.bpf.c:41
 *	7: (61) r0 = *(u32 *)(r0 +0)
 *	R0 invalid mem access 'map_value_or_null'
 *	processed 8 insns (limit 1000000) ...
 *
 * Since Linux 7.3 it puts a report in between: "Verification failed: ..." and paragraphs headed
 * "Reason:", "At:", "Causal path:", "Suggestion:". Errors in the flow of control come before any
 * instruction was followed, and name it in their words.
 */
#ifndef EBPF_VERIFIER_LOG_H
#define EBPF_VERIFIER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* Part of the log; lines of a paragraph may be in it. Length 0: there is none. */
struct verifier_span {
	const char *text;
	size_t length;
};

enum { VERIFIER_WORDS = 3 };

struct verifier_log {
	struct verifier_span words[VERIFIER_WORDS]; /* the last lines that are none of the rest */
	uint32_t word_count;
	struct verifier_span verdict; /* of a report, as the next two */
	struct verifier_span reason;
	struct verifier_span suggestion;
	struct verifier_span instruction; /* the one it stopped at: "r0 = *(u32 *)(r0 +0)" */
	uint32_t index; /* of it */
	bool has_index;
	struct verifier_span source; /* of it: "return *value; @ count.bpf.c:41" */
	uint32_t lines; /* of the log, without empty ones and statistics */
};

/* `text` must stay for as long as what comes out is used. */
void verifier_log_read(struct verifier_log *log, const char *text);

/* Appends what the verifier found fault with; returns how many lines of the log that told. */
uint32_t verifier_log_append_reason(const struct verifier_log *log, struct error *err);

/* Appends a span, with lines joined and as far as there is room; returns how many lines it has. */
uint32_t verifier_log_append(const struct verifier_span *span, struct error *err);

/* Whether the reason has those words in it. */
bool verifier_log_says(const struct verifier_log *log, const char *words);

#pragma GCC visibility pop

#endif
