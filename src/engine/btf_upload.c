/* SPDX-License-Identifier: MIT */
#include "btf_upload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "sys.h"
#include "token.h"

enum { BLOB_MAGIC = 0xeb9f, BLOB_VERSION = 1, LOG_SIZE = 64 * 1024 };

/* A name may have fewer characters than KSYM_NAME_LEN, which was 128 before Linux 6.1. */
enum { NAME_MOST = 127 };

/* Not kinds, but new in the same way: functions with a linkage, enums with a sign. */
#define NEW_LINKAGE (1U << 31)
#define NEW_ENUM    (1U << 30)

/* What kernels learnt when, the latest first. Who lacks one lacks all before it. */
static const uint32_t ages[] = {
	BTF_MASK(BTF_KIND_ENUM64) | NEW_ENUM, /* 6.0 */
	BTF_MASK(BTF_KIND_TYPE_TAG), /* 5.17 */
	BTF_MASK(BTF_KIND_DECL_TAG), /* 5.16 */
	BTF_MASK(BTF_KIND_FLOAT), /* 5.13 */
	NEW_LINKAGE, /* 5.6 */
	BTF_MASK(BTF_KIND_VAR) | BTF_MASK(BTF_KIND_DATASEC), /* 5.2 */
	BTF_MASK(BTF_KIND_FUNC) | BTF_MASK(BTF_KIND_FUNC_PROTO), /* 5.0 */
};

enum { AGES = sizeof(ages) / sizeof(ages[0]) };

struct blob_header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t header_size;
	uint32_t type_offset;
	uint32_t type_size;
	uint32_t string_offset;
	uint32_t string_size;
};

/* What the kernel is given. */
struct blob {
	const struct btf *btf;
	uint32_t lost;
	struct blob_header *header;
	unsigned char *end; /* of the types so far */
	char *strings; /* a copy to clean names in; it moves behind the types at last */
};

/* Which of the things that came late the BTF has. */
static uint32_t used_by(const struct btf *btf)
{
	const struct btf_type *type;
	uint32_t id, used = 0;

	for (id = 1; id < btf->type_count; id++) {
		type = btf_type(btf, id);
		used |= BTF_MASK(btf_kind(type));
		if (btf_kind(type) == BTF_KIND_FUNC && btf_linkage(type) == BTF_LINKAGE_GLOBAL)
			used |= NEW_LINKAGE;
		if (btf_kind(type) == BTF_KIND_ENUM && btf_flag(type))
			used |= NEW_ENUM;
	}
	return used;
}

/* Whether the variables of a section lie inside it and one after the other. Only those of the
 * sections that become maps have been given their places; the kernel has no use for others. */
static bool is_sound(const struct btf *btf, const struct btf_type *datasec)
{
	const struct btf_var_secinfo *info = btf_tail(datasec);
	const struct btf_type *var;
	uint64_t end = 0;
	uint32_t i;

	for (i = 0; i < btf_vlen(datasec); i++) {
		var = btf_type(btf, info[i].type);
		if (btf_kind(var) != BTF_KIND_VAR || btf_linkage(var) == BTF_LINKAGE_EXTERN)
			return false;
		if (info[i].offset < end || !info[i].size)
			return false;
		end = (uint64_t)info[i].offset + info[i].size;
	}
	return btf_vlen(datasec) && end <= datasec->size;
}

bool btf_upload_keeps(const struct btf *btf, uint32_t lost, uint32_t id)
{
	const struct btf_type *type = btf_type(btf, id);

	if (lost & BTF_MASK(btf_kind(type)))
		return false;
	switch (btf_kind(type)) {
	case BTF_KIND_FUNC:
	case BTF_KIND_VAR:
		/* What is elsewhere: no kernel takes it. */
		return btf_linkage(type) != BTF_LINKAGE_EXTERN;
	case BTF_KIND_DATASEC:
		return is_sound(btf, type);
	case BTF_KIND_DECL_TAG:
		return btf_upload_keeps(btf, lost, type->size);
	default:
		return true;
	}
}

static bool fits_name(char c, bool dots)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (dots && c == '.');
}

/* Makes a name one that C could have, as the kernel wants it; C++ and Rust have others. */
static void clean_name(const struct blob *blob, uint32_t offset, bool dots)
{
	char *name = blob->strings + offset;
	uint32_t i;

	if (name[0] >= '0' && name[0] <= '9')
		name[0] = '_';
	for (i = 0; i < NAME_MOST && name[i]; i++) {
		if (!fits_name(name[i], dots))
			name[i] = '_';
	}
	name[i] = '\0';
}

/* The names of members, enumerators or parameters. */
static void clean_list(const struct blob *blob, const struct btf_type *type, uint32_t words)
{
	const uint32_t *word = btf_tail(type);
	uint32_t i;

	for (i = 0; i < btf_vlen(type); i++, word += words)
		clean_name(blob, *word, false);
}

static void clean_names(const struct blob *blob, const struct btf_type *type)
{
	uint32_t kind = btf_kind(type);

	if (kind == BTF_KIND_DECL_TAG || kind == BTF_KIND_TYPE_TAG)
		return; /* these are words for people */
	clean_name(blob, type->name_off, kind == BTF_KIND_DATASEC);
	if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM64)
		clean_list(blob, type, 3);
	else if (kind == BTF_KIND_ENUM || kind == BTF_KIND_FUNC_PROTO)
		clean_list(blob, type, 2);
}

static uint32_t info_of(uint32_t kind)
{
	return kind << 24;
}

static void put(struct blob *blob, const void *record, size_t size)
{
	memcpy(blob->end, record, size);
	blob->end += size;
}

/* An ENUM64 as an integer: its values lose their names. */
static void put_integer(struct blob *blob, const struct btf_type *wide)
{
	struct btf_type integer = {wide->name_off, info_of(BTF_KIND_INT), wide->size};
	uint32_t bits = wide->size < sizeof(uint64_t) ? wide->size * 8 : 64;

	bits |= btf_flag(wide) ? BTF_INT_SIGNED << 24 : 0;
	put(blob, &integer, sizeof(integer));
	put(blob, &bits, sizeof(bits));
}

/* A type in other words; what nothing else can stand for, and nobody refers to by its size,
 * becomes a pointer to void. */
static void put_replaced(struct blob *blob, const struct btf_type *type)
{
	struct btf_type other = {0, info_of(BTF_KIND_PTR), 0};

	switch (btf_kind(type)) {
	case BTF_KIND_ENUM64:
		put_integer(blob, type);
		return;
	case BTF_KIND_TYPE_TAG:
		other = (struct btf_type){0, info_of(BTF_KIND_CONST), type->size};
		break;
	case BTF_KIND_FLOAT:
		other = (struct btf_type){type->name_off, info_of(BTF_KIND_STRUCT), type->size};
		break;
	}
	put(blob, &other, sizeof(other));
}

static void put_type(struct blob *blob, uint32_t id)
{
	const struct btf_type *type = btf_type(blob->btf, id);
	struct btf_type *copy = (void *)blob->end;

	if (!btf_upload_keeps(blob->btf, blob->lost, id)) {
		put_replaced(blob, type);
		return;
	}
	put(blob, type, btf_record_size(type));
	if (btf_kind(type) == BTF_KIND_FUNC && blob->lost & NEW_LINKAGE)
		copy->info = info_of(BTF_KIND_FUNC);
	if (btf_kind(type) == BTF_KIND_ENUM && blob->lost & NEW_ENUM)
		copy->info &= ~(1U << 31);
	clean_names(blob, type);
}

/* The whole blob in memory of malloc(); NULL: there is none left. */
static struct blob_header *make_blob(const struct btf *btf, uint32_t lost, uint32_t *size)
{
	/* At most an ENUM64 without values grows, by one word. */
	size_t room = btf->size + sizeof(struct blob_header) + 4 * (size_t)btf->type_count;
	struct blob blob = {.btf = btf, .lost = lost};
	uint32_t id;

	blob.header = malloc(room + btf->string_size);
	if (!blob.header)
		return NULL;
	blob.end = (unsigned char *)(blob.header + 1);
	blob.strings = (char *)blob.header + room;
	memcpy(blob.strings, btf->strings, btf->string_size);
	for (id = 1; id < btf->type_count; id++)
		put_type(&blob, id);
	*blob.header = (struct blob_header){
		.magic = BLOB_MAGIC,
		.version = BLOB_VERSION,
		.header_size = sizeof(*blob.header),
		.type_size = (uint32_t)(blob.end - (unsigned char *)(blob.header + 1)),
		.string_size = btf->string_size,
	};
	blob.header->string_offset = blob.header->type_size;
	memmove(blob.end, blob.strings, btf->string_size);
	*size = sizeof(*blob.header) + blob.header->type_size + btf->string_size;
	return blob.header;
}

/* `log`: LOG_SIZE bytes for the kernel's words, or NULL. */
static int load_once(const struct btf *btf, int token, uint32_t lost, char *log)
{
	struct abi_btf_load attr = {
		.log_buf = sys_ptr(log),
		.log_size = log ? LOG_SIZE : 0,
		.log_level = log ? 1 : 0,
	};
	struct blob_header *blob = make_blob(btf, lost, &attr.btf_size);
	int ret;

	if (!blob)
		return -ENOMEM;
	attr.btf = sys_ptr(blob);
	ret = token_load_btf(&attr, token);
	free(blob);
	return ret;
}

/* Appends the last line of the kernel's log. */
static void explain(const struct btf *btf, int token, struct error *err)
{
	char *log = calloc(1, LOG_SIZE), *line;
	size_t length;

	if (!log)
		return;
	load_once(btf, token, 0, log);
	log[LOG_SIZE - 1] = '\0';
	length = strlen(log);
	while (length && log[length - 1] == '\n')
		log[--length] = '\0';
	line = strrchr(log, '\n');
	if (length)
		error_append(err, ": %.200s", line ? line + 1 : log);
	free(log);
}

int btf_upload(const struct btf *btf, int token, uint32_t *lost, struct error *err)
{
	uint32_t used = used_by(btf), tried = 0, age, more = 0;
	int ret = load_once(btf, token, 0, NULL);

	for (age = 0; ret == -EINVAL && age < AGES; age++) {
		more |= ages[age];
		if ((more & used) == tried)
			continue;
		tried = more & used;
		ret = load_once(btf, token, tried, NULL);
	}
	*lost = tried;
	if (ret >= 0)
		return ret;
	error_errno(err, ret, "load BTF");
	if (ret == -EINVAL)
		explain(btf, token, err);
	return -1;
}
