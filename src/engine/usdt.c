/* SPDX-License-Identifier: MIT */
#include "usdt.h"

#include <errno.h>
#include <string.h>

enum { NOTE_HEADER = 12, NOTE_TYPE = 3, WORDS = 3 * 8 };

static const char owner[] = "stapsdt";

int usdt_open(const struct exe *exe, struct usdt_notes *notes, struct error *err)
{
	const void *data;

	memset(notes, 0, sizeof(*notes));
	notes->exe = exe;
	if (!exe->is_64bit)
		return error_set(
			err, EOPNOTSUPP, "tracepoints of 32-bit programs are not supported");
	if (!exe_section(exe, ".note.stapsdt", &notes->base, &data, &notes->size))
		return 0;
	notes->data = data;
	if (!exe_section(exe, ".stapsdt.base", &notes->base, NULL, NULL))
		notes->base = 0;
	return 0;
}

static uint32_t word_at(const unsigned char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* The string at *at, which moves behind it; NULL when it is not ended before `end`. */
static const char *take_string(const unsigned char **at, const unsigned char *end)
{
	const unsigned char *start = *at, *nul = memchr(start, '\0', (size_t)(end - start));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return (const char *)start;
}

static int malformed(const struct usdt_notes *notes, struct error *err)
{
	return error_set(err, ENOEXEC, "the note at %zu of .note.stapsdt is malformed", notes->at);
}

/* prelink(8) and the like move a program after the notes were written; how far tells the base. */
static int place(const struct usdt_notes *notes, const uint64_t words[3], struct usdt_note *note,
	struct error *err)
{
	uint64_t moved = notes->base && words[1] ? notes->base - words[1] : 0;

	note->address = words[0] + moved;
	if (!exe_offset_of(notes->exe, note->address, &note->offset))
		return malformed(notes, err);
	note->semaphore = 0;
	if (words[2] && !exe_offset_of(notes->exe, words[2] + moved, &note->semaphore))
		return malformed(notes, err);
	return 1;
}

/* Three words, then three strings: provider, name, arguments. */
static int parse(const struct usdt_notes *notes, const unsigned char *desc, size_t size,
	struct usdt_note *note, struct error *err)
{
	const unsigned char *end = desc + size, *at = desc + WORDS;
	uint64_t words[3];

	if (size < WORDS)
		return malformed(notes, err);
	memcpy(words, desc, sizeof(words));
	note->provider = take_string(&at, end);
	note->name = note->provider ? take_string(&at, end) : NULL;
	note->args = note->name ? take_string(&at, end) : NULL;
	if (!note->args)
		return malformed(notes, err);
	return place(notes, words, note, err);
}

int usdt_next(struct usdt_notes *notes, struct usdt_note *note, struct error *err)
{
	uint64_t name_size, desc_size, desc_at, end;
	const unsigned char *at;

	while (notes->size - notes->at >= NOTE_HEADER) {
		at = notes->data + notes->at;
		name_size = word_at(at);
		desc_size = word_at(at + 4);
		desc_at = notes->at + NOTE_HEADER + ((name_size + 3) & ~UINT64_C(3));
		end = desc_at + ((desc_size + 3) & ~UINT64_C(3));
		if (desc_at > notes->size || desc_size > notes->size - desc_at)
			return malformed(notes, err);
		if (name_size == sizeof(owner) && word_at(at + 8) == NOTE_TYPE &&
			memcmp(at + NOTE_HEADER, owner, sizeof(owner)) == 0) {
			if (parse(notes, notes->data + desc_at, desc_size, note, err) < 0)
				return -1;
			notes->at = end < notes->size ? end : notes->size;
			return 1;
		}
		notes->at = end < notes->size ? end : notes->size;
	}
	return 0;
}
