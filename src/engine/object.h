/* SPDX-License-Identifier: MIT */
/*
 * An object file, understood: which maps and programs it defines, with every relocation turned
 * into a reference by name. Needs no privilege and no kernel; nothing of the input is trusted.
 */
#ifndef EBPF_OBJECT_H
#define EBPF_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"
#include "insn.h"
#include "sections.h"

#pragma GCC visibility push(hidden)

/* An element of a map of maps or a program array that the object names: slot `key` = `name`. Of a
 * struct_ops map, a program that is a member of the struct: the key is the member's index. */
struct object_slot {
	uint32_t key;
	char *name;
};

struct object_map {
	char *name;
	char *section;
	uint32_t type;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t flags;
	uint64_t map_extra;
	uint32_t numa_node;
	bool pin_by_name;
	bool on_request; /* created only when the user asks for it */
	bool freeze; /* read-only data: frozen once its contents are in */
	struct object_map *inner;
	struct object_slot *slots;
	uint32_t slot_count;
	unsigned char *data; /* the one value of a data section or struct_ops; NULL: zeroes */
	size_t data_size;
	bool mmapable; /* it has variables for user space to look at */
	uint32_t key_type_id; /* into the object's BTF; 0: unknown */
	uint32_t value_type_id;
};

struct object_program {
	char *name;
	char *section;
	struct section_match match;
	struct insns insns; /* with every function of the object that it calls */
};

/* A global variable, of a section of data that is a map. */
struct object_variable {
	char *name;
	const char *section; /* the name its map keeps */
	uint32_t offset;
	uint32_t size;
	uint32_t type_id; /* into the object's BTF; 0: unknown */
	uint8_t kconfig; /* enum kconfig_kind: how the kernel's configuration gives its value; 0: it
			    does not */
	bool is_signed; /* the last two are for these */
	bool weak;
};

struct object {
	bool foreign; /* in the byte order this machine does not have */
	bool big_endian;
	struct btf *btf; /* NULL: none; to keep it beyond the object, btf_retain() it */
	char *license; /* NULL: none */
	uint32_t kernel_version;
	struct object_map *maps;
	uint32_t map_count;
	struct object_program *programs;
	uint32_t program_count;
	struct object_program *functions; /* not linked; they have but a name and instructions */
	uint32_t function_count;
	struct object_variable *variables;
	uint32_t variable_count;
};

/* `object` must be all zero; object_free() is due whether parsing succeeded or not. */
int object_parse(struct object *object, const void *data, size_t size, struct error *err);
void object_free(struct object *object);

#pragma GCC visibility pop

#endif
