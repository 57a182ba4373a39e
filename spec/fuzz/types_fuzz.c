/* SPDX-License-Identifier: MIT */
/*
 * Compiles C declarations and BTF that somebody has damaged. What is accepted must be printed as C
 * that declares the same size again. Run under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 *   types_fuzz [rounds [seed]]
 */
#include "../../src/engine/btf.h"
#include "../../src/engine/c_decl.h"
#include "../../src/engine/layout.h"
#include "fuzz.h"

enum { TEXT_ROOM = 4096, PRINT_MAX = 1 << 16 };

static const char *const texts[] = {
	"struct { u32 pid; char comm[16]; }",
	"struct key { __u32 prefixlen; __u8 addr[4]; } __attribute__((packed))",
	"typedef struct a { int x, *y; } a_t; struct { a_t pair[2][3]; struct bpf_spin_lock l; }",
	"struct { u8 a : 3; u64 b : 33, : 0; s16 c : 9; bool d : 1; union { u32 e; u16 f[3]; }; }",
	"enum e { A, B = -7, C = 1 << 5 | 3, D }; struct { enum e x : 9; char y[C * sizeof(int)]; "
	"}",
	"struct { int (*f)(void, int); void *p[2]; float q; double r __attribute__((aligned(32))); "
	"}",
	"union { struct { u8 a; _Alignas(8) u16 b; } c; /* x */ struct { int d; } e[2]; }",
	"struct { struct t __kptr *k; __int128 w; const char *const s; } __packed __aligned(4)",
};

/* What is put into texts. */
static const char *const words[] = {"struct ", "union ", "enum ", "{", "}", ";", ",", "(", ")", "[",
	"]", "*", ":", "u8", "u64 ", "0", "1", "4294967296", "0xffffffffffffffff", "-", "<<", "/",
	"sizeof(", "__attribute__((packed))", "__attribute__((aligned(", "typedef ", "a", "a_t",
	"=", "char", "[0]", "[65536]", "/*", "//", "\n", "'", "\"", "bool ", "~", "%"};

static void fail_at(const char *what, const char *text)
{
	printf("%s: %s\n", what, text);
	exit(1);
}

/* Puts `insert` in the place of `remove` bytes at `at`. */
static size_t splice(char *text, size_t size, size_t at, size_t remove, const char *insert)
{
	size_t length = strlen(insert);

	if (remove > size - at)
		remove = size - at;
	if (size - remove + length > TEXT_ROOM)
		return size;
	memmove(text + at + length, text + at + remove, size - at - remove);
	memcpy(text + at, insert, length);
	return size - remove + length;
}

static size_t damage_text(char *text)
{
	const char *from = texts[below(sizeof(texts) / sizeof(texts[0]))];
	size_t size = strlen(from), at;
	uint32_t times = below(5);
	char character[2] = "";

	memcpy(text, from, size);
	while (times--) {
		at = size ? below((uint32_t)size + 1) : 0;
		switch (below(4)) {
		case 0:
			character[0] = (char)below(256);
			size = splice(text, size, at, 1, character);
			break;
		case 1:
			size = splice(text, size, at, below(8), "");
			break;
		case 2:
			from = texts[below(sizeof(texts) / sizeof(texts[0]))];
			size = splice(text, size, at, 0, from + below((uint32_t)strlen(from)));
			break;
		default:
			size = splice(text, size, at, below(2),
				words[below(sizeof(words) / sizeof(words[0]))]);
		}
	}
	return size;
}

static struct layout *compile(const char *text, size_t size, struct error *err)
{
	struct layout *layout = NULL;
	struct btf *btf = NULL;
	char *copy = exact_copy(text, size);
	size_t btf_size;
	uint32_t id;
	void *bytes = c_decl_compile(copy, size, &btf_size, &id, err);

	free(copy);
	if (bytes && btf_adopt(&btf, NULL, bytes, btf_size, BTF_ALLOCATED, false, err) < 0)
		fail_at("the BTF of a declaration is malformed", err->text);
	if (bytes)
		layout = layout_build(btf, id, err);
	btf_release(btf);
	return layout;
}

/* Prints a layout, and, if it is not too large for that, compiles what was printed. */
static void print_again(const struct layout *layout)
{
	char *text = layout_print(layout);
	struct layout *again;
	struct error err;

	if (!text)
		fail_at("a layout cannot be printed", "");
	if (strlen(text) <= PRINT_MAX) {
		again = compile(text, strlen(text), &err);
		if (again && again->nodes[0].size != layout->nodes[0].size)
			fail_at("printed with another size", text);
		if (!again && layout->nodes[0].size)
			fail_at(err.text, text);
		free(again);
	}
	free(text);
}

static bool try_text(void)
{
	char text[TEXT_ROOM];
	size_t size = damage_text(text);
	struct layout *layout;
	struct error err;

	layout = compile(text, size, &err);
	if (layout)
		print_again(layout);
	free(layout);
	return layout != NULL;
}

/* Compiles all types of damaged BTF. Names and kinds may be anything, so printing is all. */
static bool try_btf(void)
{
	const char *text = texts[below(sizeof(texts) / sizeof(texts[0]))];
	struct layout *layout;
	struct btf *btf = NULL;
	uint32_t id, times;
	struct error err;
	bool good = false;
	size_t size;
	uint32_t *words32;
	unsigned char *bytes = c_decl_compile(text, strlen(text), &size, &id, &err);

	for (times = below(4) + 1; times; times--) {
		words32 = (uint32_t *)(void *)bytes + 6 + below((uint32_t)size / 4 - 6);
		if (below(2))
			*words32 = below(40) | below(2) << 31 | below(20) << 24;
		else
			bytes[below(size)] ^= (unsigned char)(1 << below(8));
	}
	if (btf_parse(&btf, NULL, bytes, size, &err) == 0) {
		for (id = 0; id < btf->type_count; id++) {
			layout = layout_build(btf, id, &err);
			if (layout)
				free(layout_print(layout));
			good = good || layout;
			free(layout);
		}
	}
	btf_release(btf);
	free(bytes);
	return good;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000, i, good[2] = {0, 0};

	if (argc > 2)
		random_state ^= strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u;
	for (i = 0; i < rounds; i++) {
		good[0] += try_text();
		good[1] += try_btf();
	}
	printf("%lu declarations and %lu sets of types, %lu and %lu of them good\n", rounds, rounds,
		good[0], good[1]);
	return 0;
}
