/* SPDX-License-Identifier: MIT */
/* What the rooms of the parser of C declarations share: c_decl.c, c_expr.c,
 * c_specifier.c and c_tagged.c. */
#ifndef EBPF_C_PARSE_H
#define EBPF_C_PARSE_H

#include "c_lex.h"
#include "c_types.h"

#pragma GCC visibility push(hidden)

/* Structs, parentheses and declarators are nested no deeper. */
enum { C_DEPTH_MAX = 32 };

/* What a name stands for: as a tag, as a typedef, and as a constant of an enum. By its number. */
struct c_meaning {
	uint32_t tagged; /* id; 0: no such struct, union or enum */
	int tag_kind; /* BTF_KIND_STRUCT, ... */
	uint32_t typedefed; /* id; 0: no such typedef */
	bool is_constant;
	__int128 constant;
};

struct c_parser {
	struct c_lexer lexer;
	struct c_token token; /* the next one */
	struct c_types types;
	struct c_meaning *meanings;
	uint32_t meaning_room;
	struct c_member *members; /* of all structs that are open, the innermost last */
	uint32_t member_count, member_room;
	int depth;
	struct error *err;
};

struct c_attributes {
	bool packed;
	bool kptr;
	uint32_t align; /* 0: not given */
};

/* All functions return 0, or -1 with an error that begins with line:column. */

int c_error_at(const struct c_parser *p, const struct c_token *token, const char *text);

/* "<text>, not '<next token>'" */
int c_error_expected(const struct c_parser *p, const char *text);

int c_next(struct c_parser *p);
bool c_is(const struct c_parser *p, const char *name);
int c_expect(struct c_parser *p, int kind);

/* Takes the name that is the next token; its meaning is good until the next name. */
int c_take_name(struct c_parser *p, uint32_t *number);
struct c_meaning *c_meaning_of(struct c_parser *p, uint32_t number);

/* What the next token means as a typedef of the text; false when it is none. */
bool c_find_typedef(struct c_parser *p, struct c_meaning **meaning);

/* Depth of whatever is recursive. */
int c_enter(struct c_parser *p);
static inline void c_leave(struct c_parser *p)
{
	p->depth--;
}

/* A constant expression. */
int c_constant(struct c_parser *p, __int128 *value);

/* A type name, as in sizeof(...). */
int c_type_name(struct c_parser *p, uint32_t *id);

/* Whether the next token can begin a type. */
bool c_at_type(struct c_parser *p);

/* Reads all attributes that follow. */
int c_attributes(struct c_parser *p, struct c_attributes *attributes);

/* What stands before declarators: a type, attributes, and perhaps `typedef`. */
struct c_specifiers {
	uint32_t type; /* id, or C_INCOMPLETE */
	bool is_typedef;
	bool nameless; /* a struct or union with a body and no tag */
	struct c_attributes attributes;
};
int c_specifiers(struct c_parser *p, struct c_specifiers *specifiers);

/* struct, union or enum: its id, or C_INCOMPLETE. The next token is that word. */
int c_tagged(struct c_parser *p, uint32_t *id, bool *nameless);

/* A declarator: `*name[4]`, with or without a name, and the attributes behind it. */
struct c_declarator {
	uint32_t name; /* 0: none */
	uint32_t type;
	struct c_attributes attributes;
};
int c_declarator(
	struct c_parser *p, const struct c_specifiers *specifiers, struct c_declarator *declarator);

#pragma GCC visibility pop

#endif
