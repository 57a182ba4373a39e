/* SPDX-License-Identifier: MIT */
/* What stands before and around declarators: words of base types, qualifiers, attributes. */
#include <string.h>

#include "c_parse.h"

static bool is_one_of(const struct c_parser *p, const char *const *names)
{
	for (; *names; names++) {
		if (c_is(p, *names))
			return true;
	}
	return false;
}

/* Words that change no layout. */
static const char *const ignored_words[] = {"const", "volatile", "restrict", "__const", "__const__",
	"__volatile__", "__restrict", "__restrict__", "__extension__", "__user", "__rcu",
	"__percpu", "__kernel", NULL};

static const char *const ignored_attributes[] = {"preserve_access_index",
	"__preserve_access_index__", "unused", "__unused__", "used", "deprecated", "may_alias",
	"__may_alias__", "btf_decl_tag", "designated_init", NULL};

static const char *const kptr_words[] = {
	"__kptr", "__kptr_untrusted", "__percpu_kptr", "__kptr_ref", NULL};

/* "(" <constant or type> ")", which may be left out when `optional`: the largest useful alignment. */
static int take_alignment(struct c_parser *p, bool optional, bool types, uint32_t *align)
{
	struct c_token token;
	__int128 value;
	uint32_t id;

	if (optional && p->token.kind != '(') {
		*align = 16;
		return 0;
	}
	if (c_expect(p, '(') < 0)
		return -1;
	token = p->token;
	if (types && c_at_type(p)) {
		if (c_type_name(p, &id) < 0)
			return -1;
		value = id == C_INCOMPLETE ? 0 : p->types.types[id].align;
	} else if (c_constant(p, &value) < 0) {
		return -1;
	}
	if (value < 1 || value > 4096 || (value & (value - 1)) != 0)
		return c_error_at(p, &token, "an alignment must be a power of 2 up to 4096");
	if ((uint32_t)value > *align)
		*align = (uint32_t)value;
	return c_expect(p, ')');
}

/* What is between parentheses, whatever it is. */
static int skip_parentheses(struct c_parser *p)
{
	int depth = 0;

	do {
		depth += p->token.kind == '(';
		depth -= p->token.kind == ')';
		if (p->token.kind == C_END)
			return c_error_expected(p, "')' expected");
		if (c_next(p) < 0)
			return -1;
	} while (depth);
	return 0;
}

static bool is_text(const struct c_token *token, const char *text)
{
	return token->size == strlen(text) && memcmp(token->text, text, token->size) == 0;
}

/* btf_type_tag("kptr") */
static int take_type_tag(struct c_parser *p, struct c_attributes *attributes)
{
	if (c_next(p) < 0 || c_expect(p, '(') < 0)
		return -1;
	if (p->token.kind != C_STRING)
		return c_error_expected(p, "a string expected");
	if (is_text(&p->token, "\"kptr\"") || is_text(&p->token, "\"kptr_untrusted\"") ||
		is_text(&p->token, "\"percpu_kptr\""))
		attributes->kptr = true;
	return c_next(p) < 0 ? -1 : c_expect(p, ')');
}

/* One of the list in __attribute__((...)). */
static int take_listed(struct c_parser *p, struct c_attributes *attributes)
{
	if (c_is(p, "packed") || c_is(p, "__packed__")) {
		attributes->packed = true;
		return c_next(p);
	}
	if (c_is(p, "aligned") || c_is(p, "__aligned__"))
		return c_next(p) < 0 ? -1 : take_alignment(p, true, false, &attributes->align);
	if (c_is(p, "btf_type_tag"))
		return take_type_tag(p, attributes);
	if (!is_one_of(p, ignored_attributes))
		return c_error_at(p, &p->token, "an attribute this library does not know");
	if (c_next(p) < 0)
		return -1;
	return p->token.kind == '(' ? skip_parentheses(p) : 0;
}

static int take_attribute(struct c_parser *p, struct c_attributes *attributes)
{
	if (c_next(p) < 0 || c_expect(p, '(') < 0 || c_expect(p, '(') < 0)
		return -1;
	while (p->token.kind != ')') {
		if (take_listed(p, attributes) < 0)
			return -1;
		if (p->token.kind != ',')
			break;
		if (c_next(p) < 0)
			return -1;
	}
	return c_expect(p, ')') < 0 ? -1 : c_expect(p, ')');
}

/* 1: one was taken; 0: there is none. */
static int take_any_attribute(struct c_parser *p, struct c_attributes *attributes)
{
	int ret;

	if (p->token.kind != C_NAME)
		return 0;
	if (c_is(p, "__attribute__") || c_is(p, "__attribute")) {
		ret = take_attribute(p, attributes);
	} else if (c_is(p, "__packed")) {
		attributes->packed = true;
		ret = c_next(p);
	} else if (c_is(p, "__aligned")) {
		ret = c_next(p) < 0 ? -1 : take_alignment(p, false, false, &attributes->align);
	} else if (c_is(p, "_Alignas") || c_is(p, "alignas")) {
		ret = c_next(p) < 0 ? -1 : take_alignment(p, false, true, &attributes->align);
	} else if (is_one_of(p, kptr_words)) {
		attributes->kptr = true;
		ret = c_next(p);
	} else if (is_one_of(p, ignored_words)) {
		ret = c_next(p);
	} else {
		return 0;
	}
	return ret < 0 ? -1 : 1;
}

int c_attributes(struct c_parser *p, struct c_attributes *attributes)
{
	int ret;

	do
		ret = take_any_attribute(p, attributes);
	while (ret > 0);
	return ret;
}

/* How often each word of a base type came. */
struct words {
	int of_sign[2]; /* signed, unsigned */
	int of_size[2]; /* short, long */
	int of_kind[5]; /* char, int, float, double, __int128 */
	int count;
};

enum { SIGNED, UNSIGNED };
enum { SHORT, LONG };
enum { CHAR, INT, FLOAT, DOUBLE, INT128 };

/* The counter of the word that is the next token, or NULL. */
static int *find_word(const struct c_parser *p, struct words *words)
{
	const struct {
		const char *name;
		int *counter;
	} known[] = {
		{"signed", &words->of_sign[SIGNED]},
		{"__signed__", &words->of_sign[SIGNED]},
		{"unsigned", &words->of_sign[UNSIGNED]},
		{"short", &words->of_size[SHORT]},
		{"long", &words->of_size[LONG]},
		{"char", &words->of_kind[CHAR]},
		{"int", &words->of_kind[INT]},
		{"float", &words->of_kind[FLOAT]},
		{"double", &words->of_kind[DOUBLE]},
		{"__int128", &words->of_kind[INT128]},
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (c_is(p, known[i].name))
			return known[i].counter;
	}
	return NULL;
}

/* Which type the words make; C_BASES when they contradict each other. */
static enum c_base base_of(const struct words *w)
{
	int kinds = 0, i, sign = w->of_sign[UNSIGNED];
	bool has_sign = w->of_sign[SIGNED] + w->of_sign[UNSIGNED] > 0;
	bool has_size = w->of_size[SHORT] + w->of_size[LONG] > 0;

	for (i = 0; i < 5; i++)
		kinds += w->of_kind[i];
	if (kinds > 1 || w->of_sign[SIGNED] + sign > 1 || w->of_size[SHORT] > 1 ||
		w->of_size[LONG] > 2 || (w->of_size[SHORT] && w->of_size[LONG]))
		return C_BASES;
	if (w->of_kind[FLOAT] || w->of_kind[DOUBLE])
		return has_sign || has_size ? C_BASES : w->of_kind[FLOAT] ? C_FLOAT : C_DOUBLE;
	if ((w->of_kind[CHAR] || w->of_kind[INT128]) && has_size)
		return C_BASES;
	if (w->of_kind[CHAR])
		return sign ? C_UCHAR : has_sign ? C_SCHAR : C_CHAR;
	if (w->of_kind[INT128])
		return sign ? C_UINT128 : C_INT128;
	if (w->of_size[SHORT])
		return sign ? C_USHORT : C_SHORT;
	if (w->of_size[LONG] == 2)
		return sign ? C_ULLONG : C_LLONG;
	if (w->of_size[LONG])
		return sign ? C_ULONG : C_LONG;
	return sign ? C_UINT : C_INT;
}

/* A typedef of the text, or else a base type by name: 1, or 0 when the next token is none. */
static int take_type_name(struct c_parser *p, uint32_t *id)
{
	struct c_meaning *meaning;
	enum c_base base;

	if (p->token.kind != C_NAME)
		return 0;
	if (c_is(p, "void")) {
		*id = C_INCOMPLETE;
		return c_next(p) < 0 ? -1 : 1;
	}
	if (c_find_typedef(p, &meaning)) {
		*id = meaning->typedefed;
		return c_next(p) < 0 ? -1 : 1;
	}
	base = c_types_find_base(p->token.text, p->token.size);
	if (base == C_BASES)
		return 0;
	if (c_types_base(&p->types, base, id, p->err) < 0)
		return -1;
	return c_next(p) < 0 ? -1 : 1;
}

static bool at_tagged(const struct c_parser *p)
{
	return c_is(p, "struct") || c_is(p, "union") || c_is(p, "enum");
}

bool c_at_type(struct c_parser *p)
{
	struct words words;
	struct c_meaning *meaning;

	if (p->token.kind != C_NAME)
		return false;
	return at_tagged(p) || find_word(p, &words) || c_is(p, "void") ||
	       is_one_of(p, ignored_words) || c_find_typedef(p, &meaning) ||
	       c_types_find_base(p->token.text, p->token.size) != C_BASES;
}

/* The type itself, once: 1; 0 when the next token is none. */
static int take_type(struct c_parser *p, struct c_specifiers *specifiers)
{
	if (at_tagged(p))
		return c_tagged(p, &specifiers->type, &specifiers->nameless) < 0 ? -1 : 1;
	return take_type_name(p, &specifiers->type);
}

int c_specifiers(struct c_parser *p, struct c_specifiers *specifiers)
{
	struct c_token start = p->token;
	struct words words = {0};
	bool has_type = false;
	enum c_base base;
	int *counter, ret;

	*specifiers = (struct c_specifiers){.type = C_INCOMPLETE};
	for (;;) {
		if (c_attributes(p, &specifiers->attributes) < 0)
			return -1;
		counter = has_type ? NULL : find_word(p, &words);
		if (c_is(p, "typedef")) {
			specifiers->is_typedef = true;
			if (c_next(p) < 0)
				return -1;
			continue;
		}
		if (counter) {
			++*counter;
			words.count++;
			if (c_next(p) < 0)
				return -1;
			continue;
		}
		if (has_type || words.count)
			break;
		ret = take_type(p, specifiers);
		if (ret < 0)
			return -1;
		if (!ret)
			return c_error_expected(p, "a type expected");
		has_type = true;
	}
	if (has_type)
		return 0;
	base = base_of(&words);
	if (base == C_BASES)
		return c_error_at(p, &start, "no such combination of types");
	return c_types_base(&p->types, base, &specifiers->type, p->err);
}
