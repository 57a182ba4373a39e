/* SPDX-License-Identifier: MIT */
#include "exe.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "sys_file.h"

static int malformed(const char *path, const char *what, struct error *err)
{
	const char *why = elf_errmsg(-1);

	return error_set(err, ENOEXEC, "\"%.400s\": %s: %s", path, what, why ? why : "no ELF file");
}

/* Nothing real lies beyond; below it numbers can be added without a second look. */
static bool is_sane(const GElf_Phdr *header)
{
	const uint64_t limit = UINT64_C(1) << 52;

	return header->p_vaddr < limit && header->p_offset < limit && header->p_filesz < limit;
}

static int read_segments(struct exe *exe, const char *path, struct error *err)
{
	size_t count, i;
	GElf_Phdr header;

	if (elf_getphdrnum(exe->handle, &count) < 0)
		return malformed(path, "program headers", err);
	if (!count)
		return 0; /* an object that is not linked yet, or debug information */
	exe->segments = calloc(count, sizeof(*exe->segments));
	if (!exe->segments)
		return error_errno(err, ENOMEM, "\"%.400s\": read program headers", path);
	for (i = 0; i < count; i++) {
		if (!gelf_getphdr(exe->handle, (int)i, &header))
			return malformed(path, "program headers", err);
		if (header.p_type != PT_LOAD || !header.p_filesz || !is_sane(&header))
			continue;
		exe->segments[exe->segment_count++] = (struct exe_segment){
			.address = header.p_vaddr,
			.offset = header.p_offset,
			.size = header.p_filesz,
			.executable = header.p_flags & PF_X,
		};
	}
	return 0;
}

int exe_open(struct exe *exe, const char *path, struct error *err)
{
	GElf_Ehdr header;

	memset(exe, 0, sizeof(*exe));
	exe->fd = sys_open_regular(path);
	if (exe->fd == -EINVAL)
		return error_set(err, EINVAL, "\"%.400s\" is no regular file", path);
	if (exe->fd < 0)
		return error_errno(err, exe->fd, "open \"%.400s\"", path);
	elf_version(EV_CURRENT);
	exe->handle = elf_begin(exe->fd, ELF_C_READ, NULL);
	if (!exe->handle)
		return malformed(path, "read", err);
	if (elf_kind(exe->handle) != ELF_K_ELF || !gelf_getehdr(exe->handle, &header))
		return error_set(err, ENOEXEC, "\"%.400s\" is no ELF file", path);
	exe->machine = header.e_machine;
	exe->is_fixed = header.e_type == ET_EXEC;
	exe->is_64bit = gelf_getclass(exe->handle) == ELFCLASS64;
	return read_segments(exe, path, err);
}

void exe_close(struct exe *exe)
{
	if (exe->debug)
		exe_close(exe->debug);
	free(exe->debug);
	if (exe->handle)
		elf_end(exe->handle);
	sys_close(exe->fd);
	free(exe->segments);
	free(exe->symbols);
	free(exe->by_address);
	memset(exe, 0, sizeof(*exe));
	exe->fd = -1;
}

static const struct exe_segment *segment_at(const struct exe *exe, uint64_t at, bool by_offset)
{
	const struct exe_segment *s, *other = NULL;
	uint64_t start;
	uint32_t i;

	for (i = 0; i < exe->segment_count; i++) {
		s = &exe->segments[i];
		start = by_offset ? s->offset : s->address;
		if (at < start || at - start >= s->size)
			continue;
		/* Pages at the seam of two segments are in both; code is in this one. */
		if (s->executable)
			return s;
		other = s;
	}
	return other;
}

bool exe_offset_of(const struct exe *exe, uint64_t address, uint64_t *offset)
{
	const struct exe_segment *s = segment_at(exe, address, false);

	if (s)
		*offset = address - s->address + s->offset;
	return s;
}

bool exe_address_of(const struct exe *exe, uint64_t offset, uint64_t *address)
{
	const struct exe_segment *s = segment_at(exe, offset, true);

	if (s)
		*address = offset - s->offset + s->address;
	return s;
}

static Elf_Scn *find_section(const struct exe *exe, const char *wanted, GElf_Shdr *header)
{
	Elf_Scn *scn = NULL;
	const char *name;
	size_t names;

	if (elf_getshdrstrndx(exe->handle, &names) < 0)
		return NULL;
	while ((scn = elf_nextscn(exe->handle, scn))) {
		if (!gelf_getshdr(scn, header))
			continue;
		name = elf_strptr(exe->handle, names, header->sh_name);
		if (name && strcmp(name, wanted) == 0)
			return scn;
	}
	return NULL;
}

bool exe_section(
	const struct exe *exe, const char *name, uint64_t *address, const void **data, size_t *size)
{
	GElf_Shdr header;
	Elf_Scn *scn = find_section(exe, name, &header);
	const Elf_Data *found;

	if (!scn)
		return false;
	*address = header.sh_addr;
	if (!data)
		return true;
	if (header.sh_type == SHT_NOBITS || header.sh_flags & SHF_COMPRESSED)
		return false;
	/* As it is in the file: notes of tools that libelf does not know would be refused. */
	found = elf_rawdata(scn, NULL);
	if (!found || !found->d_buf)
		return false;
	*data = found->d_buf;
	*size = found->d_size;
	return true;
}
