/* SPDX-License-Identifier: MIT */
/*
 * Says what a file has as the verifier's log, as of a program that was not loaded; then the same for
 * logs that are damaged. Run under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 *   verifier_log_fuzz file.log [rounds [seed]]
 */
#include "../../src/engine/prog_explain.h"
#include "../../src/engine/abi.h"
#include "fuzz.h"

#include <errno.h>

enum { FILE_ROOM = 1 << 20 };

/* What is put into logs. */
static const char *const words[] = {"\n", ": ", "(", "(61) ", "12: (95) exit\n", "insn ",
	"R1=", "; ", "processed 1 insns", "Verification failed: ", "\nReason:\n", "\nAt:\n",
	">>> 7 | (61) ", "Suggestion:\n", "invalid func unknown#", "4294967295",
	"99999999999999999999", "\t", " ", "from 1 to 2: ", "frame1: ", "\x1b[2J",
	"fp-8=", "cannot use helper bpf_loop#181"};

static void explain(const char *log, struct error *err)
{
	static const struct bpf_insn code[] = {{.code = BPF_JMP_EXIT}};
	struct prog_load spec = {
		.name = "x",
		.type = BPF_PROG_TYPE_XDP,
		.code = code,
		.count = 1,
		.license = "MIT",
	};
	const char *c;

	prog_explain(&spec, -EACCES, log, err);
	for (c = err->text; *c; c++) {
		if ((unsigned char)*c < ' ')
			abort();
	}
}

/* In memory of exactly its size, so that a step beyond it is seen. */
static char *damage(const char *text, size_t size)
{
	size_t times = below(6), at, end, length;
	char *copy = malloc(size + 1), *grown;
	const char *word;

	memcpy(copy, text, size + 1);
	while (times--) {
		at = below(size + 1);
		end = below(3) ? at : at + below(size - at + 1);
		word = below(4) ? words[below(sizeof(words) / sizeof(words[0]))] : "";
		length = strlen(word);
		grown = malloc(at + length + size - end + 1);
		memcpy(grown, copy, at);
		memcpy(grown + at, word, length);
		memcpy(grown + at + length, copy + end, size - end + 1);
		free(copy);
		copy = grown;
		size = at + length + size - end;
	}
	return copy;
}

int main(int argc, char **argv)
{
	static char file[FILE_ROOM + 1];
	long rounds = argc > 2 ? atol(argv[2]) : 0, i;
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
	struct error err;
	size_t size;
	char *log;

	if (!f)
		return 2;
	size = fread(file, 1, FILE_ROOM, f);
	fclose(f);
	file[size] = '\0';
	if (argc > 3)
		random_state += (uint64_t)atol(argv[3]);
	explain(file, &err);
	printf("%s\n", err.text);
	for (i = 0; i < rounds; i++) {
		log = damage(file, strlen(file));
		explain(log, &err);
		free(log);
	}
	return 0;
}
