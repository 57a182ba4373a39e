/* SPDX-License-Identifier: MIT */
#include "inflate.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER_SIZE = 10,
	TRAILER_SIZE = 8,
	METHOD_DEFLATE = 8,
	HAS_CHECKSUM = 1 << 1, /* flags of the header */
	HAS_EXTRA = 1 << 2,
	HAS_NAME = 1 << 3,
	HAS_COMMENT = 1 << 4,
	FIRST_ROOM = 1 << 16,
};

/* RFC 1951, 3.2.1 and 3.2.5 */
enum { LONGEST_CODE = 15, LITERALS = 288, DISTANCES = 32, LENGTH_CODES = 19, END_OF_BLOCK = 256 };

struct stream {
	const uint8_t *at, *end;
	uint32_t bits; /* read and not yet used, the next one lowest */
	unsigned int bit_count;
	bool is_cut; /* more was asked for than there is */
	char *out;
	size_t used, room, limit;
	struct error *err;
};

/* A canonical prefix code: how many words of each length, and what they stand for in order. */
struct code {
	uint16_t count[LONGEST_CODE + 1];
	uint16_t symbol[LITERALS];
};

static int malformed(struct stream *s, const char *what)
{
	return error_set(s->err, ENOEXEC, "malformed gzip file: %s", what);
}

/* The next `count` bits, at most 16; zeroes behind the end, which is_cut tells. */
static uint32_t take(struct stream *s, unsigned int count)
{
	uint32_t value;

	while (s->bit_count < count) {
		if (s->at < s->end)
			s->bits |= (uint32_t)*s->at++ << s->bit_count;
		else
			s->is_cut = true;
		s->bit_count += 8;
	}
	value = s->bits & ((1U << count) - 1);
	s->bits >>= count;
	s->bit_count -= count;
	return value;
}

/* Makes a code from the length of each symbol's word, 0 where it has none. Codes that leave words
 * without a meaning are taken: such a word is an error when it comes. */
static int make_code(
	struct stream *s, struct code *code, const uint8_t *lengths, unsigned int count)
{
	uint16_t next[LONGEST_CODE + 1] = {0};
	unsigned int i;
	int free_words = 1;

	memset(code->count, 0, sizeof(code->count));
	for (i = 0; i < count; i++)
		code->count[lengths[i]]++;
	code->count[0] = 0;
	for (i = 1; i <= LONGEST_CODE; i++) {
		free_words = free_words * 2 - code->count[i];
		if (free_words < 0)
			return malformed(s, "a code has too many words");
	}
	for (i = 1; i < LONGEST_CODE; i++)
		next[i + 1] = (uint16_t)(next[i] + code->count[i]);
	for (i = 0; i < count; i++) {
		if (lengths[i])
			code->symbol[next[lengths[i]]++] = (uint16_t)i;
	}
	return 0;
}

/* The symbol of the next word, or -1 with an error. */
static int decode(struct stream *s, const struct code *code)
{
	int word = 0, first = 0, index = 0;
	unsigned int length;

	for (length = 1; length <= LONGEST_CODE && !s->is_cut; length++) {
		word |= (int)take(s, 1);
		if (word - first < code->count[length])
			return code->symbol[index + word - first];
		index += code->count[length];
		first = (first + code->count[length]) * 2;
		word *= 2;
	}
	return malformed(s, s->is_cut ? "it is cut off" : "a word that its code does not have");
}

static int make_room(struct stream *s, size_t more)
{
	size_t room = s->room;
	char *grown;

	if (more > s->limit - s->used)
		return error_set(
			s->err, EFBIG, "the gzip file has more than %zu bytes in it", s->limit);
	if (s->used + more < room)
		return 0;
	while (room <= s->used + more)
		room = room ? room * 2 : FIRST_ROOM;
	grown = realloc(s->out, room);
	if (!grown)
		return error_errno(s->err, ENOMEM, "unpack %zu bytes", room);
	s->out = grown;
	s->room = room;
	return 0;
}

static int copy_stored(struct stream *s)
{
	size_t length;

	/* The block begins with a whole byte; bits are never read beyond the byte they are in. */
	s->bits = s->bit_count = 0;
	if (s->end - s->at < 4)
		return malformed(s, "it is cut off");
	length = (size_t)s->at[0] | (size_t)s->at[1] << 8;
	if ((length ^ s->at[2] ^ (size_t)s->at[3] << 8) != 0xffff)
		return malformed(s, "the length of a block is damaged");
	s->at += 4;
	if ((size_t)(s->end - s->at) < length)
		return malformed(s, "it is cut off");
	if (make_room(s, length) < 0)
		return -1;
	memcpy(s->out + s->used, s->at, length);
	s->used += length;
	s->at += length;
	return 0;
}

/* Repeats what came `distance` bytes ago; the two may overlap. */
static int repeat(struct stream *s, size_t length, size_t distance)
{
	size_t i;

	if (distance > s->used)
		return malformed(s, "it repeats what was before its beginning");
	if (make_room(s, length) < 0)
		return -1;
	for (i = 0; i < length; i++, s->used++)
		s->out[s->used] = s->out[s->used - distance];
	return 0;
}

/* Lengths and distances are ranges: the more a range begins with, the more bits choose in it. */
static int read_repeat(struct stream *s, unsigned int symbol, const struct code *distances)
{
	static const uint16_t length_base[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27,
		31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
	static const uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3,
		3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
	static const uint16_t distance_base[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97,
		129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289,
		16385, 24577};
	size_t length, distance;
	int range;

	symbol -= END_OF_BLOCK + 1;
	if (symbol >= sizeof(length_bits))
		return malformed(s, "a length that is none");
	length = length_base[symbol] + take(s, length_bits[symbol]);
	range = decode(s, distances);
	if (range < 0)
		return -1;
	if (range >= (int)(sizeof(distance_base) / sizeof(distance_base[0])))
		return malformed(s, "a distance that is none");
	distance = distance_base[range] + take(s, range < 4 ? 0 : (unsigned int)range / 2 - 1);
	return repeat(s, length, distance);
}

static int read_block(struct stream *s, const struct code *literals, const struct code *distances)
{
	int symbol;

	for (;;) {
		symbol = decode(s, literals);
		if (symbol < 0)
			return -1;
		if (symbol == END_OF_BLOCK)
			return 0;
		if (symbol > END_OF_BLOCK) {
			if (read_repeat(s, (unsigned int)symbol, distances) < 0)
				return -1;
			continue;
		}
		if (make_room(s, 1) < 0)
			return -1;
		s->out[s->used++] = (char)symbol;
	}
}

static int read_fixed(struct stream *s)
{
	struct code literals, distances;
	uint8_t lengths[LITERALS];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 256 - 144);
	memset(lengths + 256, 7, 280 - 256);
	memset(lengths + 280, 8, LITERALS - 280);
	if (make_code(s, &literals, lengths, LITERALS) < 0)
		return -1;
	memset(lengths, 5, DISTANCES);
	if (make_code(s, &distances, lengths, DISTANCES) < 0)
		return -1;
	return read_block(s, &literals, &distances);
}

/* The lengths of words, themselves in a code: runs of them are told by how long they are. */
static int read_lengths(
	struct stream *s, const struct code *code, uint8_t *lengths, unsigned int count)
{
	unsigned int i = 0, run;
	uint8_t value;
	int symbol;

	while (i < count) {
		symbol = decode(s, code);
		if (symbol < 0)
			return -1;
		value = symbol < 16 ? (uint8_t)symbol : 0;
		run = 1;
		if (symbol == 16) {
			if (!i)
				return malformed(s, "it repeats a length before the first");
			value = lengths[i - 1];
			run = 3 + take(s, 2);
		} else if (symbol == 17) {
			run = 3 + take(s, 3);
		} else if (symbol == 18) {
			run = 11 + take(s, 7);
		}
		if (run > count - i)
			return malformed(s, "more lengths than symbols");
		memset(lengths + i, value, run);
		i += run;
	}
	return 0;
}

static int read_dynamic(struct stream *s)
{
	static const uint8_t order[LENGTH_CODES] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	uint8_t lengths[LITERALS + DISTANCES] = {0};
	struct code literals, distances;
	unsigned int literal_count, distance_count, count, i;

	literal_count = 257 + take(s, 5);
	distance_count = 1 + take(s, 5);
	count = 4 + take(s, 4);
	if (literal_count > LITERALS)
		return malformed(s, "too many symbols");
	for (i = 0; i < count; i++)
		lengths[order[i]] = (uint8_t)take(s, 3);
	if (make_code(s, &literals, lengths, LENGTH_CODES) < 0 ||
		read_lengths(s, &literals, lengths, literal_count + distance_count) < 0 ||
		make_code(s, &distances, lengths + literal_count, distance_count) < 0 ||
		make_code(s, &literals, lengths, literal_count) < 0)
		return -1;
	return read_block(s, &literals, &distances);
}

static int read_blocks(struct stream *s)
{
	uint32_t last, type;
	int ret;

	do {
		last = take(s, 1);
		type = take(s, 2);
		if (s->is_cut)
			return malformed(s, "it is cut off");
		if (type == 0)
			ret = copy_stored(s);
		else if (type == 1)
			ret = read_fixed(s);
		else if (type == 2)
			ret = read_dynamic(s);
		else
			ret = malformed(s, "a block of a kind that is none");
		if (ret < 0)
			return -1;
	} while (!last);
	return s->is_cut ? malformed(s, "it is cut off") : 0;
}

/* CRC-32, as of RFC 1952, 8 */
static uint32_t checksum(const char *data, size_t size)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int bit;

	for (i = 0; i < size; i++) {
		crc ^= (uint8_t)data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static uint32_t read_word(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static bool skip(struct stream *s, size_t size)
{
	if ((size_t)(s->end - s->at) < size)
		return false;
	s->at += size;
	return true;
}

static bool skip_string(struct stream *s)
{
	const uint8_t *end = memchr(s->at, 0, (size_t)(s->end - s->at));

	if (end)
		s->at = end + 1;
	return end != NULL;
}

static int read_header(struct stream *s)
{
	const uint8_t *header = s->at;
	uint8_t flags;

	if (!skip(s, HEADER_SIZE))
		return malformed(s, "it is cut off");
	if (header[2] != METHOD_DEFLATE)
		return malformed(s, "it is not compressed by deflate");
	flags = header[3];
	if (flags & HAS_EXTRA &&
		(!skip(s, 2) || !skip(s, (size_t)s->at[-2] | (size_t)s->at[-1] << 8)))
		return malformed(s, "its header is cut off");
	if ((flags & HAS_NAME && !skip_string(s)) || (flags & HAS_COMMENT && !skip_string(s)) ||
		(flags & HAS_CHECKSUM && !skip(s, 2)))
		return malformed(s, "its header is cut off");
	return 0;
}

static int check_trailer(struct stream *s)
{
	if (s->end - s->at < TRAILER_SIZE)
		return malformed(s, "it is cut off");
	if (read_word(s->at) != checksum(s->out, s->used) ||
		read_word(s->at + 4) != (uint32_t)s->used)
		return malformed(s, "its checksum is wrong");
	return 0;
}

bool inflate_is_gzip(const void *data, size_t size)
{
	return size >= 2 && memcmp(data, "\x1f\x8b", 2) == 0;
}

int inflate_gzip(const void *data, size_t size, size_t limit, char **out, size_t *out_size,
	struct error *err)
{
	struct stream s = {
		.at = data, .end = (const uint8_t *)data + size, .limit = limit, .err = err};

	if (!inflate_is_gzip(data, size))
		return error_set(err, ENOEXEC, "it is no gzip file");
	if (read_header(&s) < 0 || make_room(&s, 0) < 0 || read_blocks(&s) < 0 ||
		check_trailer(&s) < 0) {
		free(s.out);
		return -1;
	}
	s.out[s.used] = '\0';
	*out = s.out;
	*out_size = s.used;
	return 0;
}
