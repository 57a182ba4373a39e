/* SPDX-License-Identifier: MIT */
/*
 * Fills structs of functions by types that no compiler made: those of an object, and those that are
 * given as the kernel's, are damaged, one or a few bytes at a time; so are the bytes of the structs.
 * Each must give an error in words or a value, within its memory. Run under AddressSanitizer.
 *
 *   struct_ops_fuzz object target [rounds [seed]]
 */
#include <unistd.h>

#include "../../src/engine/attach_target.h"
#include "../../src/engine/object.h"
#include "../../src/engine/struct_ops.h"
#include "../../src/engine/sys.h"
#include "fuzz.h"

enum { FILE_LIMIT = 1 << 20, SECONDS = 300, VALUE_LIMIT = 1 << 24 };

/* A copy with up to three words or bytes changed, or one that is as it was. */
static struct btf *damage(const struct btf *from)
{
	static const uint32_t numbers[] = {
		0, 1, 2, 3, 31, 64, 0xff, 0xffff, 0x7fffffff, 0xffffffff};
	unsigned char *bytes = malloc(from->size);
	struct btf *btf = NULL;
	struct error err;
	uint32_t i, word;
	size_t at;

	memcpy(bytes, from->data, from->size);
	for (i = below(4); i > 0; i--) {
		at = below(from->size - 4);
		word = below(2) ? below(128) : numbers[below(sizeof(numbers) / sizeof(numbers[0]))];
		if (below(2))
			memcpy(bytes + at / 4 * 4, &word, sizeof(word));
		else
			bytes[at] = (unsigned char)word;
	}
	/* Nobody checks the kernel's. */
	if (btf_adopt(&btf, NULL, bytes, from->size, BTF_ALLOCATED, below(2), &err) < 0)
		return NULL;
	return btf;
}

static void check(int ret, const struct error *err)
{
	if (ret < 0 && (!err->code || !err->text[0]))
		fail("an error without words");
}

static void find_targets(struct core_target *kernel)
{
	static const struct {
		uint32_t prog_type, attach_type;
		const char *name;
	} wanted[] = {
		{BPF_PROG_TYPE_STRUCT_OPS, 0, "tcp_congestion_ops:init"},
		{BPF_PROG_TYPE_STRUCT_OPS, 0, "tcp_congestion_ops___x:high_bits"},
		{BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open"},
		{BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "vmlinux:bpf_lsm_file_open"},
		{BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sched_switch"},
	};
	struct attach_target target;
	struct error err = {0};
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		check(attach_target_find(kernel, wanted[i].prog_type, wanted[i].attach_type,
			      wanted[i].name, &target, &err),
			&err);
}

/* Fills the struct of a map, by damaged types of the object and the kernel. */
static bool fill(struct core_target *kernel, const struct btf *types, const struct object_map *map)
{
	static const char *const members[] = {"init", "ssthresh", "owner", "name", "low_bits", ""};
	unsigned char *data, *value;
	struct error err = {0};
	struct struct_ops ops;
	uint32_t size, i;
	int ret;

	ret = struct_ops_find(kernel, "tcp_congestion_ops", &ops, &err);
	check(ret, &err);
	if (ret < 0 || ops.value_size > VALUE_LIMIT ||
		!btf_size(types, map->value_type_id, &size) || size > VALUE_LIMIT)
		return false;
	data = calloc(1, size + 1U);
	value = calloc(1, ops.value_size + 1U);
	memcpy(data, map->data, size < map->data_size ? size : map->data_size);
	for (i = below(3); i > 0; i--)
		data[below(size + 1)] = (unsigned char)below(256);
	ret = struct_ops_convert(&ops, types, map->value_type_id, data, value, &err);
	check(ret, &err);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		check(struct_ops_set_program(&ops, members[i], 5, value, &err), &err);
	free(data);
	free(value);
	return ret == 0;
}

static bool try(const struct object *object, const struct btf *target)
{
	const struct object_map *map = &object->maps[below(object->map_count)];
	struct core_target kernel = {.kernel = damage(target)};
	struct btf *types = damage(object->btf);
	bool filled = false;

	if (kernel.kernel)
		find_targets(&kernel);
	if (kernel.kernel && types && map->type == BPF_MAP_TYPE_STRUCT_OPS)
		filled = fill(&kernel, types, map);
	btf_release(types);
	core_target_free(&kernel);
	return filled;
}

int main(int argc, char **argv)
{
	long rounds = argc > 3 ? atol(argv[3]) : 20000, round, filled = 0;
	struct object object = {0};
	struct btf *target = NULL;
	struct error err;
	size_t size = 0;
	char *file = NULL;

	if (argc > 4)
		random_state = strtoull(argv[4], NULL, 0) | 1;
	if (argc < 3 || sys_read_file(argv[1], FILE_LIMIT, &file, &size) < 0)
		fail("struct_ops_fuzz object target [rounds [seed]]");
	alarm(SECONDS);
	if (object_parse(&object, file, size, &err) < 0 ||
		btf_load(&target, NULL, argv[2], &err) < 0)
		fail(err.text);
	for (round = 0; round < rounds; round++)
		filled += try(&object, target);
	printf("%ld of %ld filled\n", filled, rounds);
	btf_release(target);
	object_free(&object);
	free(file);
	return 0;
}
