/* SPDX-License-Identifier: MIT */
/*
 * Unpacks gzip files that somebody has damaged, and reads values out of configurations of all
 * kinds. Run under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 *   kconfig_fuzz config.gz [rounds [seed]]
 */
#include "../../src/engine/inflate.h"
#include "../../src/engine/kconfig.h"
#include "fuzz.h"

enum { FILE_ROOM = 1 << 20, LIMIT = 1 << 20, TEXT_ROOM = 256 };

static const struct kconfig_variable variables[] = {
	{.name = "CONFIG_B", .offset = 0, .size = 1, .kind = KCONFIG_BOOL, .weak = true},
	{.name = "CONFIG_C", .offset = 1, .size = 1, .kind = KCONFIG_CHAR, .weak = true},
	{.name = "CONFIG_H", .offset = 2, .size = 2, .kind = KCONFIG_INT, .weak = true},
	{.name = "CONFIG_T", .offset = 4, .size = 4, .kind = KCONFIG_TRISTATE, .weak = true},
	{.name = "CONFIG_L", .offset = 8, .size = 8, .kind = KCONFIG_INT, .is_signed = true},
	{.name = "CONFIG_S", .offset = 16, .size = 5, .kind = KCONFIG_STRING, .weak = true},
};

enum { VARIABLES = sizeof(variables) / sizeof(variables[0]), DATA_SIZE = 21 };

/* What texts are made of. */
static const char *const words[] = {"CONFIG_B=", "CONFIG_C=", "CONFIG_H=", "CONFIG_T=", "CONFIG_L=",
	"CONFIG_S=", "y", "n", "m", "\n", "\"", "\\", "0x", "-", "65535", "9223372036854775807",
	" ", "abcd", "CONFIG_", "=", "# CONFIG_B is not set", "\t", "077", "e", "\r\n"};

static int unpack_damaged(const unsigned char *file, size_t size)
{
	unsigned char *copy;
	struct error err;
	size_t times = below(4), cut = below(8) ? size : below(size), unpacked;
	char *out;
	int ret;

	copy = exact_copy(file, cut);
	while (cut && times--)
		copy[below(4) ? below(cut) : below(cut < 64 ? cut : 64)] =
			(unsigned char)below(256);
	ret = inflate_gzip(copy, cut, LIMIT, &out, &unpacked, &err);
	free(copy);
	if (ret < 0)
		return 1;
	if (out[unpacked] || unpacked > LIMIT)
		abort();
	free(out);
	return 0;
}

static int read_text(void)
{
	char text[TEXT_ROOM] = "";
	struct kconfig_variable copy[VARIABLES];
	unsigned char *data = calloc(1, DATA_SIZE);
	size_t count = below(12), i, used = 0;
	struct error err;
	int ret;

	for (i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s",
			words[below(sizeof(words) / sizeof(words[0]))]);
	memcpy(copy, variables, sizeof(copy));
	/* Nothing is looked for in the running kernel. */
	for (i = 0; i < VARIABLES; i++)
		copy[i].found = !strstr(text, copy[i].name);
	ret = kconfig_fill(copy, VARIABLES, text, data, DATA_SIZE, &err);
	free(data);
	return ret < 0;
}

int main(int argc, char **argv)
{
	static unsigned char file[FILE_ROOM];
	long rounds = argc > 2 ? atol(argv[2]) : 1000, i, refused = 0;
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
	size_t size;

	if (!f)
		return 2;
	size = fread(file, 1, sizeof(file), f);
	fclose(f);
	if (argc > 3)
		random_state += (uint64_t)atol(argv[3]);
	for (i = 0; i < rounds; i++)
		refused += i % 2 ? unpack_damaged(file, size) : read_text();
	printf("%ld of %ld refused\n", refused, rounds);
	return 0;
}
