/* SPDX-License-Identifier: MIT */
#include "btf_dump_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 240 };

/* Tags of structs, unions and enums; and typedefs and enumerators. */
enum space { TAGS = 't', ORDINARY = 'o' };

/* What clang keeps for itself; its __builtin_va_list for BPF is not that of other machines. */
static const char *const keywords[] = {"__builtin_va_list", "asm", "auto", "break", "case", "char",
	"const", "continue", "default", "do", "double", "else", "enum", "extern", "float", "for",
	"goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
	"sizeof", "static", "struct", "switch", "typedef", "typeof", "union", "unsigned", "void",
	"volatile", "while"};

void btf_dump_names_free(struct btf_dump_names *names)
{
	pool_free(&names->taken);
	free(names->next);
	free(names->versions);
	pool_free(&names->announced);
	free(names->announced_ids);
	memset(names, 0, sizeof(*names));
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Nothing but a C identifier leaves here, whatever the BTF says. Returns its length. */
static size_t sanitize(const char *name, char *out)
{
	size_t n = 0, i;

	if (is_digit(name[0]))
		out[n++] = '_';
	for (; *name && n < LONGEST; name++)
		out[n++] = is_letter(*name) || is_digit(*name) ? *name : '_';
	out[n] = '\0';
	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (strcmp(out, keywords[i]) == 0) {
			out[n++] = '_';
			out[n] = '\0';
		}
	}
	return n;
}

/* Adds a key; *fresh says whether it was not there yet. */
static int take(struct btf_dump_names *names, const char *key, bool *fresh, uint32_t *number,
	struct error *err)
{
	uint32_t before = names->taken.count;
	uint32_t *grown;

	grown = pool_grow(names->next, &names->next_room, before, 1, sizeof(*names->next));
	if (!grown)
		return error_errno(err, ENOMEM, "name types");
	names->next = grown;
	if (pool_add(&names->taken, key, number, err) < 0)
		return -1;
	*fresh = *number == before;
	if (*fresh)
		names->next[*number] = 2;
	return 0;
}

/* Finds the first version of a valid name that is free, and takes it. */
static int claim(struct btf_dump_names *names, enum space space, const char *name,
	uint32_t *version, struct error *err)
{
	char key[BTF_DUMP_NAME + 1];
	uint32_t number, other;
	bool fresh;

	snprintf(key, sizeof(key), "%c%s", space, name);
	if (take(names, key, &fresh, &number, err) < 0)
		return -1;
	for (*version = 1; !fresh;) {
		*version = names->next[number]++;
		snprintf(key, sizeof(key), "%c%s___%u", space, name, *version);
		if (take(names, key, &fresh, &other, err) < 0)
			return -1;
	}
	return 0;
}

static void append_version(char *out, size_t length, uint32_t version)
{
	if (version > 1)
		snprintf(out + length, BTF_DUMP_NAME - length, "___%u", version);
}

/* The key of a struct, union or declaration of one among what is announced. */
static const char *announcement(
	const struct btf *btf, const struct btf_type *type, char key[BTF_DUMP_NAME])
{
	bool is_union = btf_kind(type) == BTF_KIND_UNION ||
			(btf_kind(type) == BTF_KIND_FWD && btf_flag(type));

	key[0] = is_union ? 'u' : 's';
	sanitize(btf_name(btf, type), key + 1);
	return key;
}

static int list_announced(struct btf_dump_names *names, struct error *err)
{
	char key[BTF_DUMP_NAME];
	const struct btf_type *type;
	uint32_t id, number, before, room = 0;
	uint32_t *grown;

	for (id = 1; id < names->btf->type_count; id++) {
		type = btf_type(names->btf, id);
		if (btf_kind(type) != BTF_KIND_FWD)
			continue;
		grown = pool_grow(
			names->announced_ids, &room, names->announced.count, 1, sizeof(*grown));
		if (!grown)
			return error_errno(err, ENOMEM, "name types");
		names->announced_ids = grown;
		before = names->announced.count;
		if (pool_add(&names->announced, announcement(names->btf, type, key), &number, err) <
			0)
			return -1;
		if (number == before)
			names->announced_ids[number] = id;
	}
	return 0;
}

/* Definitions take the place of what announces them. */
static void list_defined(struct btf_dump_names *names)
{
	char key[BTF_DUMP_NAME];
	const struct btf_type *type;
	uint32_t id, number, *known;

	for (id = 1; names->announced.count && id < names->btf->type_count; id++) {
		type = btf_type(names->btf, id);
		if ((btf_kind(type) != BTF_KIND_STRUCT && btf_kind(type) != BTF_KIND_UNION) ||
			!pool_find(&names->announced, announcement(names->btf, type, key), &number))
			continue;
		known = &names->announced_ids[number];
		if (btf_kind(btf_type(names->btf, *known)) == BTF_KIND_FWD)
			*known = id;
	}
}

int btf_dump_names_init(struct btf_dump_names *names, struct btf *btf, struct error *err)
{
	names->btf = btf;
	names->versions = calloc(btf->type_count, sizeof(*names->versions));
	if (!names->versions)
		return error_errno(err, ENOMEM, "name %u types", btf->type_count);
	if (list_announced(names, err) < 0)
		return -1;
	list_defined(names);
	return 0;
}

static uint32_t announced_by(const struct btf_dump_names *names, uint32_t id)
{
	char key[BTF_DUMP_NAME];
	uint32_t number;

	announcement(names->btf, btf_type(names->btf, id), key);
	return pool_find(&names->announced, key, &number) ? names->announced_ids[number] : id;
}

int btf_dump_names_type(
	struct btf_dump_names *names, uint32_t id, char out[BTF_DUMP_NAME], struct error *err)
{
	const struct btf_type *type = btf_type(names->btf, id);
	bool is_typedef = btf_kind(type) == BTF_KIND_TYPEDEF;
	size_t length = sanitize(btf_name(names->btf, type), out);

	if (btf_kind(type) == BTF_KIND_FWD)
		id = announced_by(names, id);
	if (!names->versions[id] &&
		claim(names, is_typedef ? ORDINARY : TAGS, out, &names->versions[id], err) < 0)
		return -1;
	append_version(out, length, names->versions[id]);
	return 0;
}

int btf_dump_names_value(
	struct btf_dump_names *names, const char *name, char out[BTF_DUMP_NAME], struct error *err)
{
	size_t length = sanitize(name, out);
	uint32_t version;

	if (claim(names, ORDINARY, out, &version, err) < 0)
		return -1;
	append_version(out, length, version);
	return 0;
}

void btf_dump_names_member(const char *name, char out[BTF_DUMP_NAME])
{
	sanitize(name, out);
}

/* The size that C gives to a type of that name; 0 when it is no type of C. */
static uint32_t size_of_c_type(const char *name)
{
	static const struct word {
		const char *text;
		uint32_t size;
	} words[] = {{"char", 1}, {"_Bool", 1}, {"short", 2}, {"long", 8}, {"__int128", 16},
		{"int", 4}, {"unsigned", 4}, {"signed", 4}};
	uint32_t size = 0;
	size_t length, i;

	while (*name) {
		length = strcspn(name, " ");
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strlen(words[i].text) == length &&
				strncmp(words[i].text, name, length) == 0)
				break;
		}
		if (i == sizeof(words) / sizeof(words[0]))
			return 0;
		/* "long unsigned int" is a long. */
		if (!size || words[i].size != 4)
			size = words[i].size;
		name += length + (name[length] == ' ');
	}
	return size;
}

static const char *spell(uint32_t size, bool is_signed)
{
	switch (size) {
	case 1:
		return is_signed ? "signed char" : "unsigned char";
	case 2:
		return is_signed ? "short" : "unsigned short";
	case 8:
		return is_signed ? "long long" : "unsigned long long";
	case 16:
		return is_signed ? "__int128" : "unsigned __int128";
	default:
		return is_signed ? "int" : "unsigned int";
	}
}

/* The name itself is used where C has it, with that size; other languages and machines have
 * other names and sizes. Floats that BPF has not are integers of their size. */
void btf_dump_names_number(
	const struct btf *btf, const struct btf_type *type, char out[BTF_DUMP_NAME])
{
	const char *name = btf_name(btf, type);
	bool is_int = btf_kind(type) == BTF_KIND_INT;

	if (!is_int && (type->size == 4 || type->size == 8))
		name = type->size == 4 ? "float" : "double";
	else if (is_int && btf_int_encoding(type) & BTF_INT_BOOL && type->size == 1)
		name = "_Bool";
	else if (!is_int || strlen(name) > 32 || size_of_c_type(name) != type->size)
		name = spell(type->size, is_int && btf_int_encoding(type) & BTF_INT_SIGNED);
	snprintf(out, BTF_DUMP_NAME, "%s", name);
}
