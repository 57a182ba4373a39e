/* SPDX-License-Identifier: MIT */
/*
 * Applies CO-RE relocations that no compiler made: records, access strings and types of an object
 * and of the BTF given as the kernel's are damaged, one or a few bytes at a time. Each must give
 * an error in words, or instructions, in bounded time and within their memory. Run under
 * AddressSanitizer.
 *
 *   core_relo_fuzz object target [rounds [seed]]
 */
#include <unistd.h>

#include "../../src/engine/core_relo.h"
#include "../../src/engine/object.h"
#include "../../src/engine/sys.h"
#include "fuzz.h"

enum { FILE_LIMIT = 1 << 20, SECONDS = 300 };

/* A number that is likely to be wrong in an interesting way. */
static uint32_t odd_number(void)
{
	static const uint32_t numbers[] = {
		0, 1, 2, 3, 31, 64, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};

	return below(3) ? below(128) : numbers[below(sizeof(numbers) / sizeof(numbers[0]))];
}

/* A copy with up to three words or bytes changed; NULL when it is no BTF any more. */
static struct btf *damage(const struct btf *from)
{
	unsigned char *bytes = malloc(from->size);
	struct btf *btf = NULL;
	struct error err;
	uint32_t i, word;
	size_t at;

	memcpy(bytes, from->data, from->size);
	for (i = 1 + below(3); i > 0; i--) {
		at = below(from->size - 4);
		word = odd_number();
		if (below(2))
			memcpy(bytes + at / 4 * 4, &word, sizeof(word));
		else if (below(2))
			bytes[at] = "0123456789:-_"[below(13)];
		else
			bytes[at] = (unsigned char)random_number();
	}
	if (btf_adopt(&btf, NULL, bytes, from->size, BTF_ALLOCATED, false, &err) < 0)
		return NULL;
	return btf;
}

static void damage_records(struct insns *list)
{
	struct insn_relo *relo;
	uint32_t i;

	for (i = 1 + below(3); i > 0; i--) {
		relo = &list->relos[below(list->relo_count)];
		switch (below(4)) {
		case 0:
			relo->type = odd_number();
			break;
		case 1:
			relo->access = below(2) ? below(relo->types->string_size) : odd_number();
			break;
		case 2:
			relo->kind = below(16) ? below(CORE_KINDS) : odd_number();
			break;
		default:
			relo->index = below(list->count);
		}
	}
}

static void use_types(struct insns *list, struct btf *types)
{
	uint32_t i;

	for (i = 0; i < list->relo_count; i++) {
		btf_release(list->relos[i].types);
		list->relos[i].types = btf_retain(types);
	}
}

static void explain_all(const struct insns *list)
{
	struct error err;
	char log[128];
	uint32_t i;

	for (i = 0; i < list->relo_count; i++) {
		if (list->relos[i].state == INSN_RELO_OPEN)
			fail("a relocation was left out");
		snprintf(log, sizeof(log),
			"%u: (85) call unknown#195896080\ninvalid func unknown#195896080\n",
			list->relos[i].index);
		error_set(&err, 1, "load");
		core_relo_explain(list, log, &err);
	}
}

static int try(const struct insns *program, const struct btf *types, const struct btf *kernel)
{
	struct core_target target = {.kernel = below(2) ? damage(kernel) : NULL};
	struct btf *other = below(2) ? damage(types) : NULL;
	struct insns list = {0};
	struct error err = {0};
	int ret;

	if (!target.kernel)
		target.kernel = btf_retain((struct btf *)(uintptr_t)kernel);
	if (insns_copy(&list, program, &err) < 0)
		fail(err.text);
	if (other)
		use_types(&list, other);
	if (!other || below(4) == 0)
		damage_records(&list);
	ret = core_relo_apply(&list, &target, &err);
	if (ret < 0 && (!err.code || !strstr(err.text, "CO-RE relocation ")))
		fail("an error without words");
	if (ret == 0)
		explain_all(&list);
	insns_free(&list);
	btf_release(other);
	core_target_free(&target);
	return ret;
}

int main(int argc, char **argv)
{
	long rounds = argc > 3 ? atol(argv[3]) : 20000, round, refused = 0;
	struct object object = {0};
	struct btf *kernel = NULL;
	struct insns *list;
	struct error err;
	size_t size = 0;
	char *file = NULL;

	if (argc > 4)
		random_state = strtoull(argv[4], NULL, 0) | 1;
	if (argc < 3 || sys_read_file(argv[1], FILE_LIMIT, &file, &size) < 0)
		fail("core_relo_fuzz object target [rounds [seed]]");
	alarm(SECONDS);
	if (object_parse(&object, file, size, &err) < 0 ||
		btf_load(&kernel, NULL, argv[2], &err) < 0)
		fail(err.text);
	for (round = 0; round < rounds; round++) {
		list = &object.programs[below(object.program_count)].insns;
		if (list->relo_count)
			refused += try(list, object.btf, kernel) < 0;
	}
	printf("%ld of %ld refused\n", refused, rounds);
	btf_release(kernel);
	object_free(&object);
	free(file);
	return 0;
}
