/* SPDX-License-Identifier: MIT */
/*
 * The section ".BTF.ext" of an object file: what BTF says about instructions. For each section
 * of code there are records, each of which begins with the byte in that section which it is
 * about: the type of a function, a line of source, a CO-RE relocation.
 *
 * Everything is checked when it is parsed, save what the words of a record mean.
 */
#ifndef EBPF_BTF_EXT_H
#define EBPF_BTF_EXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

enum btf_ext_kind { BTF_EXT_FUNC, BTF_EXT_LINE, BTF_EXT_CORE, BTF_EXT_KINDS };

/* The words of a record, by kind; the first is always the byte in the section of code. */
enum { BTF_EXT_AT = 0 };
enum { BTF_EXT_FUNC_TYPE = 1, BTF_EXT_FUNC_WORDS };
enum { BTF_EXT_LINE_FILE = 1, BTF_EXT_LINE_TEXT, BTF_EXT_LINE_COLUMN, BTF_EXT_LINE_WORDS };
enum { BTF_EXT_CORE_TYPE = 1, BTF_EXT_CORE_ACCESS, BTF_EXT_CORE_RELO, BTF_EXT_CORE_WORDS };

/* The records about one section of code, ascending by BTF_EXT_AT. */
struct btf_ext_section {
	const char *name; /* of the section of code */
	const unsigned char *records;
	uint32_t count;
};

struct btf_ext_part {
	uint32_t record_size; /* bytes: as many words as above, or more */
	struct btf_ext_section *sections; /* ascending by name */
	uint32_t section_count;
};

struct btf_ext {
	bool foreign; /* in the byte order this machine does not have */
	struct btf_ext_part parts[BTF_EXT_KINDS];
};

/* `data`, which need not be aligned, and `btf` stay the caller's, and are needed as long as `ext`.
 * `ext` must be all zero; btf_ext_free() is due whether parsing succeeded or not. */
int btf_ext_parse(struct btf_ext *ext, const struct btf *btf, const void *data, size_t size,
	struct error *err);
void btf_ext_free(struct btf_ext *ext);

/* The records of that kind about the section of code of that name; NULL: there are none. */
const struct btf_ext_section *btf_ext_find(
	const struct btf_ext *ext, enum btf_ext_kind kind, const char *name);

/* A word of the record `index`, which is below the section's count. */
uint32_t btf_ext_word(const struct btf_ext *ext, enum btf_ext_kind kind,
	const struct btf_ext_section *section, uint32_t index, uint32_t word);

/* The first record at byte `at` of the section of code, or behind it; the count: there is none. */
uint32_t btf_ext_first(const struct btf_ext *ext, enum btf_ext_kind kind,
	const struct btf_ext_section *section, uint64_t at);

#pragma GCC visibility pop

#endif
