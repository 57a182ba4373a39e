/* SPDX-License-Identifier: MIT */
/*
 * A relocatable 64-bit ELF file of the BPF machine, in either byte order, read from memory that
 * stays the caller's. Sections, symbols and names are checked against the size of the file when
 * it is opened; what the accessors return can be read without further checks.
 */
#ifndef EBPF_ELF_H
#define EBPF_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

/* The longest name taken: string tables may overlap, so that without a bound a small file could
 * make many long names. */
enum { ELF_NAME_LIMIT = 1000 };

struct elf_section {
	const char *name;
	const unsigned char *data; /* NULL: zeroes that take no room in the file */
	uint64_t size;
	uint64_t flags; /* SHF_* */
	uint32_t type; /* SHT_* */
	uint32_t link;
	uint32_t info;
};

struct elf_symbol {
	const char *name;
	uint64_t value;
	uint64_t size;
	uint32_t section; /* 0: undefined; beyond section_count: none (absolute, common) */
	uint8_t type; /* STT_* */
	uint8_t bind; /* STB_* */
	bool hidden; /* STV_HIDDEN or STV_INTERNAL */
	bool common; /* a variable that -fcommon left without a section */
};

struct elf_reloc {
	uint64_t offset;
	const struct elf_symbol *symbol;
};

struct elf {
	struct Elf *handle;
	bool big_endian;
	bool foreign; /* in the byte order this machine does not have */
	struct elf_section *sections; /* [0] is the reserved one */
	uint32_t section_count;
	struct elf_symbol *symbols; /* [0] is the reserved one */
	uint32_t symbol_count;
};

/* `elf` must be all zero; elf_close() is due whether opening succeeded or not. */
int elf_open(struct elf *elf, const void *image, size_t size, struct error *err);
void elf_close(struct elf *elf);

/* Reads a relocation section into a fresh array, ascending by offset, for the caller to free. */
int elf_read_relocs(const struct elf *elf, const struct elf_section *section,
	struct elf_reloc **relocs, uint32_t *count, struct error *err);

/* A 32-bit word of the file. */
uint32_t elf_word(const struct elf *elf, const unsigned char *at);

#pragma GCC visibility pop

#endif
