/* SPDX-License-Identifier: MIT */
/*
 * Executables and shared libraries of any machine, for what probes need of them: which functions
 * there are, and where in the file an address lies. The file is read piece by piece and never
 * mapped, so that it may change or shrink at any time. It is not trusted.
 */
#ifndef EBPF_EXE_H
#define EBPF_EXE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#pragma GCC visibility push(hidden)

struct exe_symbol {
	const char *name; /* "memcpy"; valid until exe_close() */
	const char *version; /* "GLIBC_2.14", or NULL */
	uint64_t address; /* as nm(1) prints it */
	uint64_t size;
	uint8_t bind; /* STB_* */
	bool is_default; /* the version that new programs are linked with: @@ */
	bool is_ifunc; /* a function that chooses the function */
};

struct exe_segment {
	uint64_t address;
	uint64_t offset; /* in the file */
	uint64_t size;
	bool executable;
};

struct exe {
	int fd;
	struct Elf *handle;
	uint16_t machine; /* EM_* */
	bool is_fixed; /* ET_EXEC: loaded at the addresses of the file */
	bool is_64bit;
	struct exe_segment *segments; /* those that are loaded from the file */
	uint32_t segment_count;
	struct exe_symbol *symbols; /* functions; dynamic ones first */
	uint32_t symbol_count;
	uint32_t symbol_room;
	bool has_symbols; /* they have been read */
	struct exe_symbol **by_address; /* made when first needed */
	struct exe *debug; /* where more symbols were, or NULL */
};

/* `exe` need not be initialised; exe_close() is due whether opening succeeded or not. Errors name
 * the path. */
int exe_open(struct exe *exe, const char *path, struct error *err);
void exe_close(struct exe *exe);

/* Reads the functions of .dynsym and .symtab, and those of a separate file of debug information
 * when there is no .symtab: found by build id, or by name beside the file at `path`. */
int exe_read_symbols(struct exe *exe, const char *path, struct error *err);

/* The function "name", "name@VERSION" or "name@@VERSION". ENOENT: there is none; ENOTUNIQ: there
 * are several. */
const struct exe_symbol *exe_find(const struct exe *exe, const char *name, struct error *err);

/* The function that an address is in, or NULL. */
const struct exe_symbol *exe_symbol_at(struct exe *exe, uint64_t address);

/* Between addresses of the file's own and places in the file. False: nothing is there. */
bool exe_offset_of(const struct exe *exe, uint64_t address, uint64_t *offset);
bool exe_address_of(const struct exe *exe, uint64_t offset, uint64_t *address);

/* The section of that name: its address, and its contents unless `data` is NULL; false when there
 * is none, or nothing of it is in the file. */
bool exe_section(const struct exe *exe, const char *name, uint64_t *address, const void **data,
	size_t *size);

#pragma GCC visibility pop

#endif
