/* SPDX-License-Identifier: MIT */
#include "verifier_log.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a span that an error has room for. */
enum { SPAN_MOST = 600 };

typedef struct verifier_span span;

static bool begins(const span *line, const char *head)
{
	size_t n = strlen(head);

	return line->length >= n && memcmp(line->text, head, n) == 0;
}

static void skip(span *line, size_t count)
{
	line->text += count;
	line->length -= count;
}

static void skip_blanks(span *line)
{
	while (line->length && (line->text[0] == ' ' || line->text[0] == '\t'))
		skip(line, 1);
}

static size_t count_digits(const span *line)
{
	size_t n = 0;

	while (n < line->length && isdigit((unsigned char)line->text[n]))
		n++;
	return n;
}

static bool is_hex(char c)
{
	return isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
}

/* "(61) ", the opcode in front of an instruction. */
static bool has_opcode(const span *line)
{
	return line->length > 5 && line->text[0] == '(' && is_hex(line->text[1]) &&
	       is_hex(line->text[2]) && line->text[3] == ')' && line->text[4] == ' ';
}

/* Without what newer kernels put behind the instruction: states of registers, "; R1=ctx()" or, where
 * it jumps, " 17: R0=1", and lines of source. */
static void cut_state(span *line)
{
	size_t i, digits;
	span rest;

	for (i = 0; i + 2 < line->length; i++) {
		if (line->text[i] != ' ')
			continue;
		rest = (span){line->text + i + 1, line->length - i - 1};
		digits = count_digits(&rest);
		skip(&rest, digits);
		if (begins(&rest, ";") ||
			(digits && (begins(&rest, ": R") || begins(&rest, ": frame")))) {
			line->length = i;
			break;
		}
	}
	while (line->length && line->text[line->length - 1] == ' ')
		line->length--;
}

/* "12: (61) r0 = *(u32 *)(r1 +0) ; R0_w=...": an instruction that is followed. */
static bool read_instruction(struct verifier_log *log, span line)
{
	size_t digits = count_digits(&line);
	unsigned long index = strtoul(line.text, NULL, 10);

	if (!digits || digits > 9 || line.length < digits + 2 ||
		memcmp(line.text + digits, ": ", 2) != 0)
		return false;
	skip(&line, digits + 2);
	if (!has_opcode(&line))
		return false;
	skip(&line, 5);
	cut_state(&line);
	log->instruction = line;
	log->index = (uint32_t)index;
	log->has_index = true;
	return true;
}

/* "R1_w=ctx(off=0)" and "fp-8=mmmmmmmm", which no words look like. */
static bool is_assignment(const span *line)
{
	size_t i = 0;

	if (line->text[0] == 'R' && line->length > 2) {
		for (i = 1; i < line->length && isdigit((unsigned char)line->text[i]); i++)
			;
		if (i == 1)
			return false;
	} else if (begins(line, "fp-")) {
		for (i = 3; i < line->length && isdigit((unsigned char)line->text[i]); i++)
			;
	} else {
		return false;
	}
	/* Liveness and width. */
	while (i < line->length && strchr("_rwuD", line->text[i]))
		i++;
	return i < line->length && line->text[i] == '=';
}

/* What stands before states: "12: ", "from 3 to 7: ", "frame1: ", "cur state: ". */
static void skip_state_head(span *line)
{
	static const char *const heads[] = {"from ", "frame", "cur state:", "old state:"};
	const char *colon;
	size_t i;
	bool known = count_digits(line) != 0;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		known = known || begins(line, heads[i]);
	while (known && (colon = memchr(line->text, ':', line->length)) && colon[1] == ' ' &&
		colon - line->text < 40)
		skip(line, (size_t)(colon - line->text) + 2);
}

static bool is_state(span line)
{
	bool cycle = begins(&line, "cur state:") || begins(&line, "old state:");

	skip_blanks(&line);
	skip_state_head(&line);
	skip_blanks(&line);
	return cycle || (line.length && is_assignment(&line));
}

/* "  0: .1........ (b7) r0 = 0": which registers are alive, a table at log level 2. */
static bool is_liveness(span line)
{
	size_t i, digits;

	skip_blanks(&line);
	digits = count_digits(&line);
	if (!digits || line.length < digits + 2 + 10 || memcmp(line.text + digits, ": ", 2) != 0)
		return false;
	for (i = digits + 2; i < digits + 12; i++) {
		if (line.text[i] != '.' && !isdigit((unsigned char)line.text[i]))
			return false;
	}
	return true;
}

/* Lines about the verifier's own work. */
static bool is_work(const span *line)
{
	static const char *const heads[] = {"verification time ", "stack depth ",
		"insns_processed ", "mark_precise: ", "last_idx ", "regs=", "parent ",
		"parent didn't have ", "propagating ", "from ", "Validating ", "func#", "Func#",
		"Live regs before insn", "falling back to ", "subprog "};
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		if (begins(line, heads[i]))
			return true;
	}
	return false;
}

/* Where "processed 12 insns (limit 1000000)" begins: some words forget the end of their line. */
static const char *find_statistics(const span *line)
{
	static const char head[] = "processed ";
	const char *at, *end = line->text + line->length;
	span rest;

	for (at = line->text; end - at > (ptrdiff_t)sizeof(head); at++) {
		if (*at != 'p' || memcmp(at, head, sizeof(head) - 1) != 0)
			continue;
		rest = (span){at + sizeof(head) - 1, (size_t)(end - at) - sizeof(head) + 1};
		skip(&rest, count_digits(&rest));
		if (begins(&rest, " insns"))
			return at;
	}
	return NULL;
}

static void add_words(struct verifier_log *log, const span *line)
{
	if (log->word_count == VERIFIER_WORDS) {
		memmove(log->words, log->words + 1, (VERIFIER_WORDS - 1) * sizeof(log->words[0]));
		log->word_count--;
	}
	log->words[log->word_count++] = *line;
}

/* The paragraphs of a report. */
enum section { NO_REPORT, IN_REPORT, IN_REASON, IN_PLACE, IN_SUGGESTION };

static const struct heading {
	const char *text;
	enum section section;
} headings[] = {
	{"Reason:", IN_REASON},
	{"At:", IN_PLACE},
	{"Suggestion:", IN_SUGGESTION},
	{"Causal path:", IN_REPORT},
	{"Active lock:", IN_REPORT},
};

static void extend(span *paragraph, const span *line)
{
	if (!paragraph->length)
		*paragraph = *line;
	else
		paragraph->length = (size_t)(line->text + line->length - paragraph->text);
}

/* ">>> 7 | (61) r0 = *(u32 *)(r0 +0)", among the instructions around it. */
static void read_place(struct verifier_log *log, span line)
{
	size_t digits;
	unsigned long index;

	skip_blanks(&line);
	if (!begins(&line, ">>> "))
		return;
	skip(&line, 4);
	skip_blanks(&line);
	index = strtoul(line.text, NULL, 10);
	digits = count_digits(&line);
	if (!digits || digits > 9 || line.length < digits + 3 ||
		memcmp(line.text + digits, " | ", 3) != 0)
		return;
	skip(&line, digits + 3);
	/* Lines of source are marked in the same way. */
	if (!has_opcode(&line))
		return;
	skip(&line, 5);
	log->instruction = line;
	log->index = (uint32_t)index;
	log->has_index = true;
}

static void read_report(struct verifier_log *log, enum section *section, span line)
{
	size_t i;

	for (i = 0; i < sizeof(headings) / sizeof(headings[0]); i++) {
		if (line.length == strlen(headings[i].text) && begins(&line, headings[i].text)) {
			*section = headings[i].section;
			return;
		}
	}
	/* Paragraphs are indented; what is not comes behind the report. */
	if (line.text[0] != ' ') {
		*section = NO_REPORT;
		add_words(log, &line);
		return;
	}
	skip_blanks(&line);
	if (*section == IN_REASON)
		extend(&log->reason, &line);
	else if (*section == IN_SUGGESTION)
		extend(&log->suggestion, &line);
	else if (*section == IN_PLACE)
		read_place(log, line);
}

static void read_line(struct verifier_log *log, enum section *section, span line)
{
	static const char report[] = "Verification failed: ";

	log->lines++;
	if (begins(&line, report)) {
		skip(&line, strlen(report));
		log->verdict = line;
		log->reason.length = log->suggestion.length = 0;
		*section = IN_REPORT;
	} else if (*section != NO_REPORT) {
		read_report(log, section, line);
	} else if (line.text[0] == ';') {
		skip(&line, 1);
		skip_blanks(&line);
		log->source = line;
	} else if (read_instruction(log, line)) {
		log->word_count = 0;
	} else if (!is_state(line) && !is_liveness(line) && !is_work(&line)) {
		add_words(log, &line);
	}
}

/* "unreachable insn 8", "jump out of range from insn 2 to 9", where nothing was followed. */
static void find_named(struct verifier_log *log)
{
	static const char name[] = "insn ";
	const span *words;
	const char *at;
	uint32_t i;

	for (i = 0; i < log->word_count; i++) {
		words = &log->words[i];
		for (at = words->text; at + sizeof(name) <= words->text + words->length; at++) {
			if (memcmp(at, name, sizeof(name) - 1) != 0 ||
				!isdigit((unsigned char)at[sizeof(name) - 1]))
				continue;
			log->index = (uint32_t)strtoul(at + sizeof(name) - 1, NULL, 10);
			log->has_index = true;
			log->instruction.length = log->source.length = 0;
			return;
		}
	}
}

void verifier_log_read(struct verifier_log *log, const char *text)
{
	enum section section = NO_REPORT;
	const char *end, *statistics;
	span line;

	memset(log, 0, sizeof(*log));
	for (; *text; text = *end ? end + 1 : end) {
		end = text + strcspn(text, "\n");
		line = (span){text, (size_t)(end - text)};
		statistics = find_statistics(&line);
		if (statistics) {
			line.length = (size_t)(statistics - text);
			if (line.length)
				read_line(log, &section, line);
			section = NO_REPORT;
		} else if (line.length) {
			read_line(log, &section, line);
		}
	}
	find_named(log);
}

uint32_t verifier_log_append(const struct verifier_span *part, struct error *err)
{
	size_t i, used = 0, most = SPAN_MOST, left = ERROR_TEXT_SIZE - 1 - strlen(err->text);
	char text[SPAN_MOST + 1] = "";
	uint32_t lines = part->length != 0;
	bool gap = false;
	char c;

	if (most > left)
		most = left;
	for (i = 0; i < part->length; i++) {
		c = part->text[i];
		lines += c == '\n';
		if (c == '\n' || c == ' ' || c == '\t') {
			gap = used != 0;
			continue;
		}
		if (used + gap >= most)
			continue;
		if (gap)
			text[used++] = ' ';
		gap = false;
		text[used++] = c;
	}
	/* What follows goes on with the sentence. */
	if (used && text[used - 1] == '.')
		used--;
	text[used] = '\0';
	error_append(err, "%s", text);
	return lines;
}

uint32_t verifier_log_append_reason(const struct verifier_log *log, struct error *err)
{
	uint32_t i, lines = 0;

	for (i = 0; i < log->word_count; i++) {
		error_append(err, i ? "; " : "");
		lines += verifier_log_append(&log->words[i], err);
	}
	if (!lines)
		lines = verifier_log_append(&log->verdict, err);
	return lines;
}

static bool has_words(const span *part, const char *words)
{
	size_t n = strlen(words), i;

	for (i = 0; i + n <= part->length; i++) {
		if (memcmp(part->text + i, words, n) == 0)
			return true;
	}
	return false;
}

bool verifier_log_says(const struct verifier_log *log, const char *words)
{
	uint32_t i;

	for (i = 0; i < log->word_count; i++) {
		if (has_words(&log->words[i], words))
			return true;
	}
	return has_words(&log->reason, words);
}
