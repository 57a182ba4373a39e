/* SPDX-License-Identifier: MIT */
/* The names that types get in C: valid ones, and each once. Part of btf_dump. */
#ifndef EBPF_BTF_DUMP_NAMES_H
#define EBPF_BTF_DUMP_NAMES_H

#include "btf.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

/* Room for a name in C, cut if need be, with a suffix for the second, third, ... of it. */
enum { BTF_DUMP_NAME = 272 };

struct btf_dump_names {
	struct btf *btf;
	struct pool taken;
	uint32_t *next; /* by number in the pool, what the next suffix may be */
	uint32_t next_room;
	uint32_t *versions; /* by type id; 0: no name given yet; 1: without a suffix */
	struct pool announced; /* what is declared without being defined */
	uint32_t
		*announced_ids; /* by number there: the definition, or else the first declaration */
};

/* `names` must be all zero; btf_dump_names_free() is due whether it succeeded or not. */
int btf_dump_names_init(struct btf_dump_names *names, struct btf *btf, struct error *err);
void btf_dump_names_free(struct btf_dump_names *names);

/* The name of a struct, union, enum, typedef or forward declaration that has one. */
int btf_dump_names_type(
	struct btf_dump_names *names, uint32_t id, char out[BTF_DUMP_NAME], struct error *err);

/* The name of an enumerator, different each time. */
int btf_dump_names_value(
	struct btf_dump_names *names, const char *name, char out[BTF_DUMP_NAME], struct error *err);

/* The name of a member, which stands in a scope of its own. */
void btf_dump_names_member(const char *name, char out[BTF_DUMP_NAME]);

/* The C type of a BTF_KIND_INT or BTF_KIND_FLOAT. */
void btf_dump_names_number(
	const struct btf *btf, const struct btf_type *type, char out[BTF_DUMP_NAME]);

#pragma GCC visibility pop

#endif
