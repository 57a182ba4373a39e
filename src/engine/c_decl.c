/* SPDX-License-Identifier: MIT */
#include "c_decl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "c_parse.h"

int c_error_at(const struct c_parser *p, const struct c_token *token, const char *text)
{
	return error_set(p->err, EINVAL, "%u:%u: %s", token->line, token->column, text);
}

int c_error_expected(const struct c_parser *p, const char *text)
{
	const struct c_token *token = &p->token;
	int size = token->size > 40 ? 40 : (int)token->size;

	if (token->kind == C_END)
		return error_set(
			p->err, EINVAL, "%u:%u: %s, not the end", token->line, token->column, text);
	return error_set(p->err, EINVAL, "%u:%u: %s, not '%.*s'", token->line, token->column, text,
		size, token->text);
}

int c_next(struct c_parser *p)
{
	return c_lex_next(&p->lexer, &p->token, p->err);
}

bool c_is(const struct c_parser *p, const char *name)
{
	return p->token.kind == C_NAME && p->token.size == strlen(name) &&
	       memcmp(p->token.text, name, p->token.size) == 0;
}

int c_expect(struct c_parser *p, int kind)
{
	char text[] = "'?' expected";

	text[1] = (char)kind;
	return p->token.kind == kind ? c_next(p) : c_error_expected(p, text);
}

static bool is_keyword(const struct c_parser *p)
{
	static const char *const keywords[] = {"struct", "union", "enum", "typedef", "signed",
		"unsigned", "short", "long", "char", "int", "float", "double", "void", "const",
		"volatile", "sizeof", "__int128", "_Bool", "static", "extern", "inline", "register",
		"return", "if", "else", "for", "while", "do", "switch", "case", "default", "goto"};
	size_t i;

	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (c_is(p, keywords[i]))
			return true;
	}
	return false;
}

/* The token as a C string, if it is not too long for one that a pool keeps. */
static bool copy_name(const struct c_parser *p, char name[POOL_NAME_MAX + 1])
{
	if (p->token.size > POOL_NAME_MAX)
		return false;
	memcpy(name, p->token.text, p->token.size);
	name[p->token.size] = '\0';
	return true;
}

int c_take_name(struct c_parser *p, uint32_t *number)
{
	char name[POOL_NAME_MAX + 1];

	if (p->token.kind != C_NAME || is_keyword(p))
		return c_error_expected(p, "a name expected");
	if (!copy_name(p, name))
		return c_error_at(p, &p->token, "a name that is too long");
	if (pool_add(&p->types.names, name, number, p->err) < 0)
		return -1;
	return c_next(p);
}

struct c_meaning *c_meaning_of(struct c_parser *p, uint32_t number)
{
	uint32_t room = p->meaning_room;
	struct c_meaning *grown;

	grown = pool_grow(p->meanings, &p->meaning_room, 0, number + 1, sizeof(*grown));
	if (!grown) {
		error_errno(p->err, ENOMEM, "compile a C declaration");
		return NULL;
	}
	if (p->meaning_room > room)
		memset(grown + room, 0, (size_t)(p->meaning_room - room) * sizeof(*grown));
	p->meanings = grown;
	return &grown[number];
}

bool c_find_typedef(struct c_parser *p, struct c_meaning **meaning)
{
	char name[POOL_NAME_MAX + 1];
	uint32_t number;

	if (!copy_name(p, name) || !pool_find(&p->types.names, name, &number) ||
		number >= p->meaning_room)
		return false;
	*meaning = &p->meanings[number];
	return (*meaning)->typedefed != 0;
}

int c_enter(struct c_parser *p)
{
	if (p->depth++ < C_DEPTH_MAX)
		return 0;
	return c_error_at(p, &p->token, "too deeply nested");
}

/* What a declarator says about its name, from the name outwards. */
struct derivation {
	enum { POINTER, ARRAY, FUNCTION } kind;
	uint32_t count; /* of an array */
	struct c_token token;
};

enum { DERIVATIONS_MAX = 16 };

struct derivations {
	struct derivation list[DERIVATIONS_MAX];
	int count;
};

static int add_derivation(
	struct c_parser *p, struct derivations *d, int kind, uint32_t count, struct c_token token)
{
	if (d->count == DERIVATIONS_MAX)
		return c_error_at(p, &token, "too many dimensions or pointers");
	d->list[d->count].kind = kind;
	d->list[d->count].count = count;
	d->list[d->count++].token = token;
	return 0;
}

/* "[4]"; "[]" has no elements. */
static int take_dimension(struct c_parser *p, struct derivations *d)
{
	struct c_token token = p->token;
	__int128 count = 0;

	if (c_next(p) < 0)
		return -1;
	if (p->token.kind != ']' && c_constant(p, &count) < 0)
		return -1;
	if (count < 0 || count > C_SIZE_MAX)
		return c_error_at(p, &token, "the size of an array is out of range");
	return c_expect(p, ']') < 0 ? -1 : add_derivation(p, d, ARRAY, (uint32_t)count, token);
}

/* The parameters of a function, which do not matter. */
static int take_parameters(struct c_parser *p, struct derivations *d)
{
	struct c_token token = p->token;
	int depth = 0;

	do {
		depth += p->token.kind == '(';
		depth -= p->token.kind == ')';
		if (p->token.kind == C_END)
			return c_error_expected(p, "')' expected");
		if (c_next(p) < 0)
			return -1;
	} while (depth);
	return add_derivation(p, d, FUNCTION, 0, token);
}

static int take_declarator(
	struct c_parser *p, struct c_declarator *declarator, struct derivations *d);

/* The name, or another declarator in parentheses, or nothing. */
static int take_inner(struct c_parser *p, struct c_declarator *declarator, struct derivations *d)
{
	struct c_lexer lexer = p->lexer;
	struct c_token token = p->token;

	if (p->token.kind == C_NAME)
		return c_take_name(p, &declarator->name);
	if (p->token.kind != '(')
		return 0;
	if (c_next(p) < 0)
		return -1;
	if (p->token.kind == '*' || p->token.kind == '(' ||
		(p->token.kind == C_NAME && !c_at_type(p)))
		return take_declarator(p, declarator, d) < 0 ? -1 : c_expect(p, ')');
	p->lexer = lexer;
	p->token = token;
	return 0;
}

static int take_declarator(
	struct c_parser *p, struct c_declarator *declarator, struct derivations *d)
{
	struct c_token star = p->token;
	int pointers = 0;

	if (c_enter(p) < 0 || c_attributes(p, &declarator->attributes) < 0)
		return -1;
	while (p->token.kind == '*') {
		pointers++;
		if (c_next(p) < 0 || c_attributes(p, &declarator->attributes) < 0)
			return -1;
	}
	if (take_inner(p, declarator, d) < 0)
		return -1;
	while (p->token.kind == '[' || p->token.kind == '(') {
		if ((p->token.kind == '[' ? take_dimension(p, d) : take_parameters(p, d)) < 0)
			return -1;
	}
	while (pointers--) {
		if (add_derivation(p, d, POINTER, 0, star) < 0)
			return -1;
	}
	c_leave(p);
	return c_attributes(p, &declarator->attributes);
}

static int make_array(struct c_parser *p, const struct derivation *d, uint32_t *id)
{
	const struct c_type *element;

	if (*id == C_INCOMPLETE)
		return c_error_at(p, &d->token, "an array of a type without a size");
	element = &p->types.types[*id];
	if (element->size % element->align)
		return c_error_at(p, &d->token, "an array of elements aligned beyond their size");
	if ((uint64_t)element->size * d->count > C_SIZE_MAX)
		return c_error_at(p, &d->token, "an array that is too large");
	return c_types_array(&p->types, *id, d->count, id, p->err);
}

int c_declarator(
	struct c_parser *p, const struct c_specifiers *specifiers, struct c_declarator *declarator)
{
	struct derivations d = {.count = 0};
	int ret = 0;

	*declarator = (struct c_declarator){
		.type = specifiers->type, .attributes = specifiers->attributes};
	if (take_declarator(p, declarator, &d) < 0)
		return -1;
	while (d.count-- && ret == 0) {
		if (d.list[d.count].kind == POINTER)
			ret = c_types_pointer(
				&p->types, declarator->attributes.kptr, &declarator->type, p->err);
		else if (d.list[d.count].kind == ARRAY)
			ret = make_array(p, &d.list[d.count], &declarator->type);
		else
			declarator->type = C_INCOMPLETE;
	}
	return ret;
}

int c_type_name(struct c_parser *p, uint32_t *id)
{
	struct c_specifiers specifiers;
	struct c_declarator declarator;
	struct c_token token = p->token;

	if (c_enter(p) < 0 || c_specifiers(p, &specifiers) < 0 ||
		c_declarator(p, &specifiers, &declarator) < 0)
		return -1;
	c_leave(p);
	if (declarator.name || specifiers.is_typedef)
		return c_error_at(p, &token, "a type without a name expected");
	*id = declarator.type;
	return 0;
}

static int define_typedef(
	struct c_parser *p, const struct c_token *token, struct c_declarator *declarator)
{
	struct c_meaning *meaning;

	if (!declarator->name)
		return c_error_at(p, token, "a typedef without a name");
	if (declarator->type == C_INCOMPLETE)
		return c_error_at(p, token, "a typedef of a type without a size");
	if (declarator->attributes.packed)
		return c_error_at(p, token, "packed belongs behind the struct, not its typedef");
	meaning = c_meaning_of(p, declarator->name);
	if (!meaning)
		return -1;
	if (meaning->typedefed)
		return c_error_at(p, token, "a typedef of that name is there already");
	if (c_types_typedef(&p->types, declarator->name, declarator->type,
		    declarator->attributes.align, &declarator->type, p->err) < 0)
		return -1;
	meaning->typedefed = declarator->type;
	return 0;
}

/* A typedef, or a type by itself; its id is what the text means if nothing follows. */
static int take_declaration(struct c_parser *p, uint32_t *id)
{
	struct c_specifiers specifiers;
	struct c_declarator declarator;
	struct c_token token = p->token;
	bool more;

	if (c_specifiers(p, &specifiers) < 0)
		return -1;
	do {
		if (c_declarator(p, &specifiers, &declarator) < 0)
			return -1;
		if (specifiers.is_typedef && define_typedef(p, &token, &declarator) < 0)
			return -1;
		if (!specifiers.is_typedef && declarator.name)
			return c_error_at(p, &token, "a type expected, not a variable");
		more = specifiers.is_typedef && p->token.kind == ',';
		if (more && c_next(p) < 0)
			return -1;
	} while (more);
	*id = declarator.type;
	return 0;
}

static int take_text(struct c_parser *p, uint32_t *id)
{
	struct c_token token = p->token;

	*id = C_INCOMPLETE;
	while (p->token.kind != C_END) {
		token = p->token;
		if (take_declaration(p, id) < 0)
			return -1;
		if (p->token.kind != C_END && c_expect(p, ';') < 0)
			return -1;
	}
	if (*id == C_INCOMPLETE)
		return c_error_at(p, &token, "a type with a size expected");
	return 0;
}

void *c_decl_compile(
	const char *text, size_t size, size_t *btf_size, uint32_t *id, struct error *err)
{
	struct c_parser p = {.err = err};
	void *btf = NULL;

	if (size > C_TEXT_MAX) {
		error_set(err, EINVAL, "a declaration of more than 1 MiB");
		return NULL;
	}
	c_lex_begin(&p.lexer, text, size);
	if (c_types_begin(&p.types, err) == 0 && c_next(&p) == 0 && take_text(&p, id) == 0)
		btf = c_types_finish(&p.types, btf_size, err);
	c_types_free(&p.types);
	free(p.meanings);
	free(p.members);
	return btf;
}
