/* SPDX-License-Identifier: MIT */
#include "btf_ext.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EXT_MAGIC = 0xeb9f, EXT_VERSION = 1, WORD = 4 };

/* Magic, version and flags, then the length of the header, and an offset and a length for each
 * kind of record. Objects from before CO-RE have a header without the last pair. */
enum { HEADER_SIZE_AT = 4, PARTS_AT = 8, PART_SIZE = 8, HEADER_MIN = PARTS_AT + 2 * PART_SIZE };

/* Ahead of the records about one section of code: its name, and how many there are. */
enum { SECTION_HEAD = 8 };

static const struct kind {
	const char *name;
	uint32_t words;
} kinds[BTF_EXT_KINDS] = {
	[BTF_EXT_FUNC] = {"func_info", BTF_EXT_FUNC_WORDS},
	[BTF_EXT_LINE] = {"line_info", BTF_EXT_LINE_WORDS},
	[BTF_EXT_CORE] = {"core_relo", BTF_EXT_CORE_WORDS},
};

/* What is being parsed: the whole section, or one part of it. */
struct input {
	struct btf_ext *ext;
	const struct btf *btf;
	const unsigned char *data;
	uint64_t size;
};

static uint32_t word_at(bool foreign, const unsigned char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return foreign ? __builtin_bswap32(word) : word;
}

static int check_header(struct input *in, uint32_t *header_size, struct error *err)
{
	uint16_t magic;

	if (in->size < HEADER_MIN)
		return error_set(err, ENOEXEC, "%" PRIu64 " bytes have no whole header", in->size);
	memcpy(&magic, in->data, sizeof(magic));
	in->ext->foreign = magic == __builtin_bswap16(EXT_MAGIC);
	if (magic != EXT_MAGIC && !in->ext->foreign)
		return error_set(err, ENOEXEC, "the magic number is 0x%04x, not 0xeb9f", magic);
	if (in->data[sizeof(magic)] != EXT_VERSION)
		return error_set(err, ENOEXEC, "version %u is not supported", in->data[2]);
	*header_size = word_at(in->ext->foreign, in->data + HEADER_SIZE_AT);
	if (*header_size < HEADER_MIN || *header_size > in->size)
		return error_set(err, ENOEXEC, "a header of %u bytes in %" PRIu64 " bytes",
			*header_size, in->size);
	return 0;
}

static bool is_ascending(
	const struct btf_ext *ext, enum btf_ext_kind kind, const struct btf_ext_section *section)
{
	uint32_t i, at, last = 0;

	for (i = 0; i < section->count; i++) {
		at = btf_ext_word(ext, kind, section, i, BTF_EXT_AT);
		if (at < last)
			return false;
		last = at;
	}
	return true;
}

/* Takes the records about one section of code from the front of the input. */
static int take_section(struct input *in, enum btf_ext_kind kind, struct btf_ext_section *section,
	struct error *err)
{
	uint64_t bytes;

	if (in->size < SECTION_HEAD)
		return error_set(err, ENOEXEC, "the head of a section is cut off");
	section->name = btf_string(in->btf, word_at(in->ext->foreign, in->data));
	section->count = word_at(in->ext->foreign, in->data + WORD);
	section->records = in->data + SECTION_HEAD;
	in->data += SECTION_HEAD;
	in->size -= SECTION_HEAD;
	if (!section->name[0])
		return error_set(err, ENOEXEC, "a section has no name");
	if (!section->count)
		return error_set(err, ENOEXEC, "section \"%.80s\" has no records", section->name);
	bytes = (uint64_t)section->count * in->ext->parts[kind].record_size;
	if (bytes > in->size)
		return error_set(err, ENOEXEC, "the %u records of section \"%.80s\" are cut off",
			section->count, section->name);
	if (!is_ascending(in->ext, kind, section))
		return error_set(err, ENOEXEC, "the records of section \"%.80s\" are not in order",
			section->name);
	in->data += bytes;
	in->size -= bytes;
	return 0;
}

/* Sections of code have no longer names; these may overlap, so that comparing all of them to their
 * ends would take time out of proportion to the input. */
enum { NAME_LIMIT = 1024 };

static int compare_names(const char *a, const char *b)
{
	return strncmp(a, b, NAME_LIMIT);
}

/* Of two of one name, the one that comes first in the file does. */
static int compare_sections(const void *a, const void *b)
{
	const struct btf_ext_section *x = a;
	const struct btf_ext_section *y = b;
	int order = compare_names(x->name, y->name);

	return order ? order : (x->records > y->records) - (x->records < y->records);
}

static int parse_records(struct input *in, enum btf_ext_kind kind, struct error *err)
{
	struct btf_ext_part *part = &in->ext->parts[kind];
	uint64_t most;

	if (in->size < WORD)
		return error_set(err, ENOEXEC, "its size of a record is cut off");
	part->record_size = word_at(in->ext->foreign, in->data);
	if (part->record_size < kinds[kind].words * WORD || part->record_size % WORD)
		return error_set(err, ENOEXEC, "records of %u bytes", part->record_size);
	in->data += WORD;
	in->size -= WORD;
	/* None is without a record. */
	most = in->size / (SECTION_HEAD + (uint64_t)part->record_size) + 1;
	part->sections = calloc(most, sizeof(*part->sections));
	if (!part->sections)
		return error_errno(err, ENOMEM, "keep %" PRIu64 " sections", most);
	while (in->size) {
		if (take_section(in, kind, &part->sections[part->section_count], err) < 0)
			return -1;
		part->section_count++;
	}
	if (part->section_count)
		qsort(part->sections, part->section_count, sizeof(*part->sections),
			compare_sections);
	return 0;
}

static int parse_part(
	const struct input *whole, uint32_t header_size, enum btf_ext_kind kind, struct error *err)
{
	const unsigned char *head = whole->data + PARTS_AT + (uint64_t)kind * PART_SIZE;
	bool foreign = whole->ext->foreign;
	struct input in = *whole;
	uint64_t offset, room = whole->size - header_size;

	if (header_size < PARTS_AT + ((uint64_t)kind + 1) * PART_SIZE)
		return 0;
	offset = word_at(foreign, head);
	in.size = word_at(foreign, head + WORD);
	if (!in.size)
		return 0;
	if (offset > room || in.size > room - offset || offset % WORD)
		return error_set(err, ENOEXEC,
			"%" PRIu64 " bytes at %" PRIu64 " of %" PRIu64 " behind the header",
			in.size, offset, room);
	in.data += header_size + offset;
	return parse_records(&in, kind, err);
}

int btf_ext_parse(struct btf_ext *ext, const struct btf *btf, const void *data, size_t size,
	struct error *err)
{
	struct input in = {.ext = ext, .btf = btf, .data = data, .size = size};
	uint32_t header_size = 0;
	int kind;

	if (check_header(&in, &header_size, err) < 0)
		return -1;
	for (kind = 0; kind < BTF_EXT_KINDS; kind++) {
		if (parse_part(&in, header_size, kind, err) < 0)
			return error_prefix(err, "%s", kinds[kind].name);
	}
	return 0;
}

void btf_ext_free(struct btf_ext *ext)
{
	int kind;

	for (kind = 0; kind < BTF_EXT_KINDS; kind++)
		free(ext->parts[kind].sections);
	memset(ext, 0, sizeof(*ext));
}

const struct btf_ext_section *btf_ext_find(
	const struct btf_ext *ext, enum btf_ext_kind kind, const char *name)
{
	const struct btf_ext_part *part = &ext->parts[kind];
	uint32_t low = 0, high = part->section_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare_names(part->sections[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == part->section_count || compare_names(part->sections[low].name, name) != 0)
		return NULL;
	return &part->sections[low];
}

uint32_t btf_ext_word(const struct btf_ext *ext, enum btf_ext_kind kind,
	const struct btf_ext_section *section, uint32_t index, uint32_t word)
{
	const unsigned char *record =
		section->records + (uint64_t)index * ext->parts[kind].record_size;

	return word_at(ext->foreign, record + (size_t)word * WORD);
}

uint32_t btf_ext_first(const struct btf_ext *ext, enum btf_ext_kind kind,
	const struct btf_ext_section *section, uint64_t at)
{
	uint32_t low = 0, high = section->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (btf_ext_word(ext, kind, section, middle, BTF_EXT_AT) < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
