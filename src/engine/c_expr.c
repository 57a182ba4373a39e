/* SPDX-License-Identifier: MIT */
/* Constant expressions, calculated in 128 bits so that nothing of 64 overflows unseen. */
#include <errno.h>

#include "c_parse.h"

/* Operators by how tightly they bind. */
static int precedence(int kind)
{
	switch (kind) {
	case '*':
	case '/':
	case '%':
		return 6;
	case '+':
	case '-':
		return 5;
	case C_SHIFT_LEFT:
	case C_SHIFT_RIGHT:
		return 4;
	case '&':
		return 3;
	case '^':
		return 2;
	case '|':
		return 1;
	default:
		return 0;
	}
}

static int check_range(const struct c_parser *p, const struct c_token *token, __int128 value)
{
	if (value < INT64_MIN || value > UINT64_MAX)
		return c_error_at(p, token, "a number of more than 64 bits");
	return 0;
}

static int apply(
	const struct c_parser *p, const struct c_token *operator, __int128 * left, __int128 right)
{
	bool overflow = false;

	switch (operator->kind) {
	case '*':
		overflow = __builtin_mul_overflow(*left, right, left);
		break;
	case '/':
	case '%':
		if (right == 0)
			return c_error_at(p, operator, "a division by zero");
		*left = operator->kind == '/' ? *left / right : * left % right;
		break;
	case '+':
		*left += right;
		break;
	case '-':
		*left -= right;
		break;
	case C_SHIFT_LEFT:
	case C_SHIFT_RIGHT:
		if (right < 0 || right > 63)
			return c_error_at(p, operator, "a shift by less than 0 or more than 63");
		if (operator->kind == C_SHIFT_LEFT)
			overflow = __builtin_mul_overflow(*left, (__int128)1 << right, left);
		else
			*left >>= right;
		break;
	case '&':
		*left &= right;
		break;
	case '^':
		*left ^= right;
		break;
	default:
		*left |= right;
	}
	return check_range(p, operator, overflow ? INT64_MIN - (__int128)1 : * left);
}

static int take_sizeof(struct c_parser *p, __int128 *value)
{
	uint32_t id;

	if (c_next(p) < 0 || c_expect(p, '(') < 0 || c_type_name(p, &id) < 0)
		return -1;
	if (id == 0 || id == C_INCOMPLETE)
		return c_error_at(p, &p->token, "sizeof of a type without a size");
	*value = p->types.types[id].size;
	return c_expect(p, ')');
}

static int take_constant_name(struct c_parser *p, __int128 *value)
{
	struct c_token token = p->token;
	const struct c_meaning *meaning;
	uint32_t number;

	if (c_is(p, "sizeof"))
		return take_sizeof(p, value);
	if (c_take_name(p, &number) < 0)
		return -1;
	meaning = c_meaning_of(p, number);
	if (!meaning)
		return -1;
	if (!meaning->is_constant)
		return c_error_at(p, &token, "no constant of that name");
	*value = meaning->constant;
	return 0;
}

static int binary(struct c_parser *p, int least, __int128 *value);

static int unary(struct c_parser *p, __int128 *value)
{
	struct c_token token = p->token;
	int ret;

	switch (token.kind) {
	case C_NUMBER:
		/* A character may be negative, and is small. */
		*value = token.text[0] == '\'' ? (int64_t)token.number : (__int128)token.number;
		return c_next(p);
	case C_NAME:
		return take_constant_name(p, value);
	case '(':
	case '-':
	case '+':
	case '~':
	case '!':
		break;
	default:
		return c_error_expected(p, "a constant expected");
	}
	if (c_enter(p) < 0 || c_next(p) < 0)
		return -1;
	ret = token.kind == '(' ? binary(p, 1, value) : unary(p, value);
	c_leave(p);
	if (ret < 0)
		return -1;
	if (token.kind == '(')
		return c_expect(p, ')');
	if (token.kind == '-')
		*value = -*value;
	else if (token.kind == '~')
		*value = ~*value;
	else if (token.kind == '!')
		*value = !*value;
	return check_range(p, &token, *value);
}

static int binary(struct c_parser *p, int least, __int128 *value)
{
	struct c_token operator;
	__int128 right;
	int level;

	if (unary(p, value) < 0)
		return -1;
	while ((level = precedence(p->token.kind)) >= least && level > 0) {
		operator= p->token;
		if (c_next(p) < 0 || binary(p, level + 1, &right) < 0 ||
			apply(p, &operator, value, right) < 0)
			return -1;
	}
	return 0;
}

int c_constant(struct c_parser *p, __int128 *value)
{
	return binary(p, 1, value);
}
