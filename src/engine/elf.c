/* SPDX-License-Identifier: MIT */
#include "elf.h"

#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#ifndef EM_BPF
#define EM_BPF 247
#endif

static int libelf_error(struct error *err, const char *what)
{
	return error_set(err, ENOEXEC, "%s: %s", what, elf_errmsg(-1));
}

/* The first bytes of the file, before libelf sees it: its own messages do not tell them apart. */
static int check_ident(const unsigned char *ident, size_t size, struct error *err)
{
	if (!size)
		return error_set(err, ENOEXEC, "the file is empty");
	if (size < SELFMAG || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return error_set(err, ENOEXEC, "not an ELF file");
	if (size < sizeof(Elf64_Ehdr))
		return error_set(err, ENOEXEC, "the ELF header is cut off");
	if (ident[EI_CLASS] != ELFCLASS64)
		return error_set(err, ENOEXEC, "not a 64-bit ELF file");
	if (ident[EI_DATA] != ELFDATA2LSB && ident[EI_DATA] != ELFDATA2MSB)
		return error_set(err, ENOEXEC, "unknown byte order %u", ident[EI_DATA]);
	return 0;
}

static int check_header(const GElf_Ehdr *header, struct error *err)
{
	if (header->e_type != ET_REL)
		return error_set(err, ENOEXEC,
			"not a relocatable object (ELF type %u): compile with -c", header->e_type);
	/* Before LLVM knew a number for the machine, it wrote none. */
	if (header->e_machine != EM_BPF && header->e_machine != EM_NONE)
		return error_set(err, ENOEXEC,
			"not for the BPF machine (ELF machine %u): compile with -target bpf",
			header->e_machine);
	return 0;
}

/* The string at `offset` of a string table, or NULL when it is not wholly inside. */
static const char *string_at(const struct elf_section *table, uint64_t offset)
{
	uint64_t room;

	if (table->type != SHT_STRTAB || !table->data || offset >= table->size)
		return NULL;
	room = table->size - offset;
	if (room > ELF_NAME_LIMIT + 1)
		room = ELF_NAME_LIMIT + 1;
	return memchr(table->data + offset, '\0', room) ? (const char *)table->data + offset : NULL;
}

static int read_section(struct elf *elf, uint32_t index, const unsigned char *image, size_t size,
	GElf_Word *name, struct error *err)
{
	struct elf_section *section = &elf->sections[index];
	Elf_Scn *scn = elf_getscn(elf->handle, index);
	GElf_Shdr header;

	if (!scn || !gelf_getshdr(scn, &header))
		return libelf_error(err, "section header");
	*name = header.sh_name;
	section->type = header.sh_type;
	section->flags = header.sh_flags;
	section->size = header.sh_size;
	section->link = header.sh_link;
	section->info = header.sh_info;
	/* Section 0 describes nothing; its size counts the sections when there are very many. */
	if (header.sh_type == SHT_NULL) {
		section->size = 0;
		return 0;
	}
	if (header.sh_type == SHT_NOBITS)
		return 0;
	if (header.sh_offset > size || header.sh_size > size - header.sh_offset)
		return error_set(err, ENOEXEC,
			"section %u (%" PRIu64 " bytes at %" PRIu64 ") lies outside the file",
			index, (uint64_t)header.sh_size, (uint64_t)header.sh_offset);
	section->data = image + header.sh_offset;
	return 0;
}

static int read_sections(
	struct elf *elf, const unsigned char *image, size_t size, struct error *err)
{
	size_t count, names, i;
	GElf_Word *offsets;
	int ret = 0;

	/* Never e_shnum, which is 0 or wrong in some files. */
	if (elf_getshdrnum(elf->handle, &count) < 0)
		return libelf_error(err, "section headers");
	if (elf_getshdrstrndx(elf->handle, &names) < 0)
		return libelf_error(err, "section names");
	if (!count || count > size / sizeof(Elf64_Shdr))
		return error_set(err, ENOEXEC, "no section headers in the file");
	elf->sections = calloc(count, sizeof(*elf->sections));
	offsets = calloc(count, sizeof(*offsets));
	elf->section_count = (uint32_t)count;
	if (!elf->sections || !offsets)
		ret = error_errno(err, ENOMEM, "read %zu section headers", count);
	for (i = 0; ret == 0 && i < count; i++)
		ret = read_section(elf, (uint32_t)i, image, size, &offsets[i], err);
	for (i = 0; ret == 0 && i < count; i++) {
		elf->sections[i].name = "";
		if (elf->sections[i].type == SHT_NULL)
			continue;
		if (names < count)
			elf->sections[i].name = string_at(&elf->sections[names], offsets[i]);
		if (names >= count || !elf->sections[i].name)
			ret = error_set(err, ENOEXEC, "section %zu has no valid name", i);
	}
	free(offsets);
	return ret;
}

static int read_symbol(
	struct elf *elf, Elf_Data *data, uint32_t index, uint32_t strings, struct error *err)
{
	struct elf_symbol *symbol = &elf->symbols[index];
	GElf_Sym raw;

	if (!gelf_getsym(data, (int)index, &raw))
		return libelf_error(err, "symbol table");
	symbol->name = "";
	symbol->value = raw.st_value;
	symbol->size = raw.st_size;
	symbol->type = GELF_ST_TYPE(raw.st_info);
	symbol->bind = GELF_ST_BIND(raw.st_info);
	symbol->hidden = GELF_ST_VISIBILITY(raw.st_other) == STV_HIDDEN ||
			 GELF_ST_VISIBILITY(raw.st_other) == STV_INTERNAL;
	symbol->common = raw.st_shndx == SHN_COMMON;
	symbol->section = raw.st_shndx < SHN_LORESERVE ? raw.st_shndx : UINT32_MAX;
	if (symbol->section != UINT32_MAX && symbol->section >= elf->section_count)
		return error_set(err, ENOEXEC, "symbol %u lies in section %u of %u", index,
			symbol->section, elf->section_count);
	if (raw.st_name)
		symbol->name = string_at(&elf->sections[strings], raw.st_name);
	if (!symbol->name)
		return error_set(err, ENOEXEC, "symbol %u has no valid name", index);
	return 0;
}

static int read_symbols(struct elf *elf, uint32_t index, struct error *err)
{
	struct elf_section *section = &elf->sections[index];
	Elf_Data *data;
	uint64_t count;
	uint32_t i;

	if (elf->symbols)
		return error_set(err, ENOEXEC, "more than one symbol table");
	count = section->size / sizeof(Elf64_Sym);
	if (section->flags & SHF_COMPRESSED)
		return error_set(err, ENOEXEC, "the symbol table is compressed");
	if (section->link >= elf->section_count || count > INT32_MAX)
		return error_set(err, ENOEXEC, "the symbol table is malformed");
	if (!count)
		return 0;
	data = elf_getdata(elf_getscn(elf->handle, index), NULL);
	if (!data || data->d_size / sizeof(Elf64_Sym) < count)
		return libelf_error(err, "symbol table");
	elf->symbols = calloc(count, sizeof(*elf->symbols));
	if (!elf->symbols)
		return error_errno(err, ENOMEM, "read %" PRIu64 " symbols", count);
	elf->symbol_count = (uint32_t)count;
	for (i = 0; i < count; i++) {
		if (read_symbol(elf, data, i, section->link, err) < 0)
			return -1;
	}
	return 0;
}

int elf_open(struct elf *elf, const void *image, size_t size, struct error *err)
{
	const unsigned char *ident = image;
	GElf_Ehdr header;
	uint32_t i;

	if (check_ident(ident, size, err) < 0)
		return -1;
	elf->big_endian = ident[EI_DATA] == ELFDATA2MSB;
	elf->foreign = elf->big_endian == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
	elf_version(EV_CURRENT);
	/* libelf takes a char pointer, but reading (all we do) leaves the image alone. */
	elf->handle = elf_memory((char *)(uintptr_t)image, size);
	if (!elf->handle)
		return libelf_error(err, "ELF file");
	if (elf_kind(elf->handle) != ELF_K_ELF)
		return error_set(err, ENOEXEC, "not an ELF file of a known version");
	if (!gelf_getehdr(elf->handle, &header))
		return libelf_error(err, "ELF header");
	if (check_header(&header, err) < 0 || read_sections(elf, image, size, err) < 0)
		return -1;
	for (i = 1; i < elf->section_count; i++) {
		if (elf->sections[i].type == SHT_SYMTAB && read_symbols(elf, i, err) < 0)
			return -1;
	}
	return 0;
}

void elf_close(struct elf *elf)
{
	if (elf->handle)
		elf_end(elf->handle);
	free(elf->sections);
	free(elf->symbols);
	memset(elf, 0, sizeof(*elf));
}

static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct elf_reloc *)a)->offset;
	uint64_t y = ((const struct elf_reloc *)b)->offset;

	return (x > y) - (x < y);
}

static int read_reloc(const struct elf *elf, Elf_Data *data, uint32_t index,
	struct elf_reloc *reloc, struct error *err)
{
	GElf_Rel raw;

	if (!gelf_getrel(data, (int)index, &raw))
		return libelf_error(err, "relocations");
	if (!GELF_R_SYM(raw.r_info) || GELF_R_SYM(raw.r_info) >= elf->symbol_count)
		return error_set(err, ENOEXEC, "relocation %u refers to symbol %" PRIu64 " of %u",
			index, (uint64_t)GELF_R_SYM(raw.r_info), elf->symbol_count);
	reloc->offset = raw.r_offset;
	reloc->symbol = &elf->symbols[GELF_R_SYM(raw.r_info)];
	return 0;
}

int elf_read_relocs(const struct elf *elf, const struct elf_section *section,
	struct elf_reloc **relocs, uint32_t *count, struct error *err)
{
	uint64_t n = section->size / sizeof(Elf64_Rel);
	struct elf_reloc *list;
	Elf_Data *data;
	uint32_t i;

	*relocs = NULL;
	*count = 0;
	if (section->type != SHT_REL || section->flags & SHF_COMPRESSED || n > INT32_MAX)
		return error_set(err, ENOEXEC, "relocations of a kind that BPF does not have");
	if (!n)
		return 0;
	data = elf_getdata(elf_getscn(elf->handle, (size_t)(section - elf->sections)), NULL);
	if (!data || data->d_size / sizeof(Elf64_Rel) < n)
		return libelf_error(err, "relocations");
	list = calloc(n, sizeof(*list));
	if (!list)
		return error_errno(err, ENOMEM, "read %" PRIu64 " relocations", n);
	for (i = 0; i < n; i++) {
		if (read_reloc(elf, data, i, &list[i], err) < 0) {
			free(list);
			return -1;
		}
	}
	qsort(list, n, sizeof(*list), by_offset);
	*relocs = list;
	*count = (uint32_t)n;
	return 0;
}

uint32_t elf_word(const struct elf *elf, const unsigned char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return elf->foreign ? __builtin_bswap32(word) : word;
}
