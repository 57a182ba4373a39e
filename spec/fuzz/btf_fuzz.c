/* SPDX-License-Identifier: MIT */
/*
 * Takes well-formed BTF, sets each word of its header and of its types to each of some values
 * that are easy to get wrong, then many at random, in both byte orders, by itself and as split
 * BTF, as untrusted and as the kernel's; and uses whatever parses in every way: nothing may crash,
 * hang, or take much more memory than the BTF. Run under AddressSanitizer.
 *
 *   btf_fuzz file [rounds [seed]]
 */
#include "../../src/engine/btf.h"
#include "../../src/engine/btf_dump.h"
#include "fuzz.h"

enum { HEADER = 24, WORD = 4, MEMORY_BASE = 3 << 20, MEMORY_FACTOR = 64 };

static size_t live, peak;
static unsigned long tried, parsed;

/* Of AddressSanitizer: they tell how much memory is taken. */
extern int __sanitizer_install_malloc_and_free_hooks(
	void (*taken)(const volatile void *, size_t), void (*freed)(const volatile void *));
extern size_t __sanitizer_get_allocated_size(const volatile void *);

static void on_malloc(const volatile void *block, size_t size)
{
	(void)block;
	live += size;
	if (live > peak)
		peak = live;
}

static void on_free(const volatile void *block)
{
	if (block)
		live -= __sanitizer_get_allocated_size(block);
}

static uint32_t get(const unsigned char *at)
{
	uint32_t word;

	memcpy(&word, at, WORD);
	return word;
}

static void set(unsigned char *at, uint32_t word)
{
	memcpy(at, &word, WORD);
}

static void use_dump(struct btf *btf, const char *name)
{
	struct error err = {0};
	char *text = NULL;
	size_t size = 0;

	if (btf_dump_c(btf, name, NULL, &text, &size, &err) < 0) {
		if (!err.code || !err.text[0])
			fail("an error without words");
	} else if (strlen(text) != size) {
		fail("a dump of another length than it says");
	}
	free(text);
}

static void use_type(struct btf *btf, uint32_t id, volatile uint64_t *sink)
{
	const struct btf_type *type = btf_type(btf, id);
	uint32_t count, i, offset, bits, other;
	const struct btf_member *member = btf_members(type, &count);

	*sink += strlen(btf_name(btf, type));
	for (i = 0; i < count; i++, member++) {
		btf_member_place(btf, type, member, &offset, &bits);
		*sink += offset + bits + strlen(btf_string(btf, member->name_off)) +
			 btf_kind(btf_type(btf, member->type));
	}
	if (btf_kind(type) == BTF_KIND_ENUM || btf_kind(type) == BTF_KIND_ENUM64) {
		for (i = 0; i < btf_vlen(type); i++)
			*sink += btf_enum_value(type, i) + strlen(btf_enum_name(btf, type, i));
	}
	*sink += btf_resolve(btf, id, &other);
	*sink += btf_size(btf, id, &other);
}

static void use(struct btf *btf)
{
	volatile uint64_t sink = 0;
	uint32_t id, found, steps;
	const char *name;

	for (id = 0; id < btf->type_count + 2; id++)
		use_type(btf, id, &sink);
	for (id = btf->first_id; id < btf->type_count; id += 1 + below(30)) {
		name = btf_name(btf, btf_type(btf, id));
		found = steps = 0;
		while ((found = btf_find_essential(btf, name, (uint32_t)BTF_ANY_KIND, found))) {
			if (++steps > btf->type_count)
				fail("finding does not end");
		}
		if (name[0] && strlen(name) < BTF_NAME_LIMIT - 1 && !steps)
			fail("a name that is not found");
	}
	if (below(4) == 0)
		use_dump(btf, NULL);
	else if (btf->type_count > 1)
		use_dump(btf, btf_name(btf, btf_type(btf, 1 + below(btf->type_count - 1))));
}

/* The words that other machines keep in another order: all of the header but the magic, the
 * version and the flags, and all types. */
static void swap(unsigned char *data, size_t size)
{
	uint32_t first = HEADER + get(data + 8), i;
	uint64_t last = (uint64_t)first + get(data + 12);
	unsigned char magic = data[0];

	for (i = first; i + WORD <= last && i + WORD <= size; i += WORD)
		set(data + i, __builtin_bswap32(get(data + i)));
	for (i = WORD; i < HEADER; i += WORD)
		set(data + i, __builtin_bswap32(get(data + i)));
	data[0] = data[1];
	data[1] = magic;
}

static void try(const unsigned char *data, size_t size, struct btf *base)
{
	bool trusted = below(4) == 0, foreign = below(4) == 0;
	struct btf *btf = NULL;
	struct error err = {0};
	unsigned char *copy = malloc(size ? size : 1); /* of exactly that size */

	tried++;
	memcpy(copy, data, size);
	if (foreign && size >= HEADER)
		swap(copy, size);
	peak = live;
	if (btf_adopt(&btf, base, copy, size, BTF_ALLOCATED, trusted, &err) < 0) {
		if (!err.code || !err.text[0])
			fail("an error without words");
	} else {
		parsed++;
		use(btf);
		btf_release(btf);
	}
	if (peak > MEMORY_BASE + MEMORY_FACTOR * (size + (base ? base->size : 0)))
		fail("much more memory than input");
}

static uint32_t nasty(uint32_t old, uint32_t which)
{
	switch (which) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return old + 1;
	case 3:
		return old - 1;
	case 4:
		return UINT32_MAX;
	case 5:
		return 0x7fffffff;
	case 6:
		return below(100);
	case 7:
		return (old & 0xffffff) | below(32) << 24; /* another kind */
	case 8:
		return old ^ 1U << 31; /* the flag of the kind */
	default:
		return (old & 0xff000000) | below(0x10000); /* more members */
	}
}

enum { NASTY = 10 };

static void each_word(unsigned char *data, size_t size, size_t end, struct btf *base)
{
	uint32_t which, old;
	size_t at;

	for (at = 0; at + WORD <= end; at += WORD) {
		old = get(data + at);
		for (which = 0; which < NASTY; which++) {
			set(data + at, nasty(old, which));
			try(data, size, base);
		}
		set(data + at, old);
	}
}

static void at_random(const unsigned char *data, size_t size, size_t end, struct btf *base)
{
	unsigned char *changed = malloc(size);
	uint32_t n;
	size_t at;

	memcpy(changed, data, size);
	for (n = 1 + below(6); n > 0; n--) {
		at = below((uint32_t)end / WORD) * WORD;
		if (below(8) == 0)
			changed[below(size)] = (unsigned char)below(256);
		else
			set(changed + at, nasty(get(changed + at), below(NASTY)));
	}
	try(changed, below(10) ? size : below(size), base);
	free(changed);
}

int main(int argc, char **argv)
{
	long rounds = argc > 2 ? atol(argv[2]) : 20000;
	struct btf *good = NULL;
	struct error err;
	unsigned char *data;
	size_t size, end;

	if (argc > 3)
		random_state = strtoull(argv[3], NULL, 0) | 1;
	if (argc < 2 || btf_load(&good, NULL, argv[1], &err) < 0)
		fail(argc < 2 ? "usage: btf_fuzz file [rounds [seed]]" : err.text);
	size = good->size;
	data = malloc(size);
	memcpy(data, good->data, size);
	end = HEADER + get(data + 8) + get(data + 12);
	__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	each_word(data, size, end, NULL);
	while (rounds-- > 0)
		at_random(data, size, end, below(4) ? NULL : good);
	printf("%lu tried, %lu parsed\n", tried, parsed);
	free(data);
	btf_release(good);
	return 0;
}
