/* SPDX-License-Identifier: MIT */
/*
 * Fields of samples without the samples: available("pid", "ts"). Numbers and booleans are read in
 * the ring itself and nothing is allocated; where a field is a string, a table or a cdata, the
 * sample is copied first, for the reasons said in reader_read.c.
 */
#include <errno.h>
#include <string.h>

#include "../engine/layout_path.h"
#include "failure.h"
#include "reader.h"
#include "rooms.h"

/* How a field is pushed. */
enum field_form {
	FORM_U8,
	FORM_U16,
	FORM_U32,
	FORM_U64,
	FORM_I8,
	FORM_I16,
	FORM_I32,
	FORM_I64,
	FORM_BOOL,
	FORM_FLOAT,
	FORM_DOUBLE,
	FORM_OTHER, /* by codec_push_field() */
};

/* A C function may push so many values without asking for room, and more than the fields. */
enum { FIELDS_MAX = LUA_MINSTACK - 4 };

struct field {
	uint32_t offset;
	uint32_t form; /* enum field_form */
	struct layout_node node;
};

/* What the iterator knows: its first upvalue. The second is the reader. */
struct fields {
	struct reader_object *r;
	uint32_t count;
	uint32_t end; /* the last byte of any */
	bool in_place; /* nothing is allocated */
	struct field fields[];
};

static uint64_t load_u64(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint32_t load_u32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint16_t load_u16(const unsigned char *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static double load_double(const unsigned char *bytes)
{
	double value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static float load_float(const unsigned char *bytes)
{
	float value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Pushes a number or boolean. */
static inline void push_simple(
	lua_State *L, enum field_form form, const unsigned char *at, enum int64_mode int64)
{
	switch (form) {
	case FORM_U8:
		lua_pushinteger(L, *at);
		break;
	case FORM_U16:
		lua_pushinteger(L, load_u16(at));
		break;
	case FORM_U32:
		lua_pushinteger(L, (lua_Integer)load_u32(at));
		break;
	case FORM_U64:
		compat_push_u64(L, load_u64(at), int64);
		break;
	case FORM_I8:
		lua_pushinteger(L, (int8_t)*at);
		break;
	case FORM_I16:
		lua_pushinteger(L, (int16_t)load_u16(at));
		break;
	case FORM_I32:
		lua_pushinteger(L, (int32_t)load_u32(at));
		break;
	case FORM_I64:
		compat_push_i64(L, (int64_t)load_u64(at), int64);
		break;
	case FORM_FLOAT:
		lua_pushnumber(L, (lua_Number)load_float(at));
		break;
	case FORM_DOUBLE:
		lua_pushnumber(L, (lua_Number)load_double(at));
		break;
	default:
		lua_pushboolean(L, *at != 0);
	}
}

static enum field_form form_of(const struct layout_node *node)
{
	/* Sizes are powers of two, so their logarithms count the forms up. */
	uint32_t step = node->size ? (uint32_t)__builtin_ctz(node->size) : 0;

	if (node->bits)
		return FORM_OTHER;
	switch (node->kind) {
	case LAYOUT_UINT:
		return (enum field_form)(FORM_U8 + step);
	case LAYOUT_INT:
		return (enum field_form)(FORM_I8 + step);
	case LAYOUT_BOOL:
		return FORM_BOOL;
	case LAYOUT_FLOAT:
		return node->size == sizeof(float) ? FORM_FLOAT : FORM_DOUBLE;
	default:
		return FORM_OTHER;
	}
}

/* Whether pushing the field may allocate, so that the sample might be gone before the next. */
static bool allocates(const struct field *field, enum int64_mode int64)
{
	const struct layout_node *node = &field->node;

	if (!COMPAT_HAS_INTEGERS && int64 == INT64_EXACT && node->kind <= LAYOUT_INT &&
		node->size == sizeof(uint64_t))
		return true;
	return node->kind > LAYOUT_FLOAT;
}

/* Pushes all fields, of the sample at `bytes`. */
static void push_fields(lua_State *L, const struct fields *f, const unsigned char *bytes)
{
	const struct field *field = f->fields, *end = field + f->count;
	enum int64_mode int64 = (enum int64_mode)f->r->codec.int64;

	for (; field < end; field++) {
		if (field->form != FORM_OTHER)
			push_simple(L, (enum field_form)field->form, bytes + field->offset, int64);
		else
			codec_push_field(L, &f->r->codec, lua_upvalueindex(2), &field->node, bytes);
	}
}

/* Pushes the fields of the sample that was found; 0, and nothing, when it is gone. */
static int push_copied(
	lua_State *L, const struct fields *f, struct ring *ring, const struct ring_sample *sample)
{
	unsigned char small[READER_SMALL];
	const unsigned char *bytes;
	int top = lua_gettop(L);

	bytes = reader_copy(L, f->r, ring, sample, f->end, small);
	if (!bytes) {
		lua_settop(L, top);
		return 0;
	}
	ring_advance(ring, sample);
	reader_settle(&f->r->reader, ring);
	push_fields(L, f, bytes);
	return (int)f->count;
}

static int raise(lua_State *L, const struct error *err)
{
	lua_pushstring(L, err->text);
	return lua_error(L);
}

/* The end of a loop: nothing is left, or err says why. */
static int end_loop(lua_State *L, int ret, const struct error *err)
{
	if (ret < 0)
		return raise(L, err);
	lua_pushnil(L);
	return 1;
}

/* The step of available() with fields. */
static int fields_next(lua_State *L)
{
	const struct fields *f = lua_touserdata(L, lua_upvalueindex(1));
	struct reader_object *r = f->r;
	const unsigned char *bytes;
	struct ring_sample sample;
	struct ring *ring;
	struct error err;
	int ret = 0;

	while (reader_is_open(r)) {
		ret = reader_next(&r->reader, &ring, &sample, &err);
		if (ret <= 0)
			break;
		if (sample.size < r->codec.size) {
			ring_advance(ring, &sample);
			reader_too_short(r, sample.size, &err);
			return raise(L, &err);
		}
		bytes = f->in_place ? ring_bytes(ring, &sample) : NULL;
		if (bytes) {
			/* A value that no number holds raises, for this sample only: advance
			 * first. But the space is given back after the last field is read. */
			ring_advance(ring, &sample);
			push_fields(L, f, bytes);
			reader_settle(&r->reader, ring);
			ret = (int)f->count;
		} else {
			ret = push_copied(L, f, ring, &sample);
		}
		if (ret > 0) {
			lua_pushinteger(L, (lua_Integer)ring->source);
			return ret + 1;
		}
	}
	return end_loop(L, ret, &err);
}

/* Reads the name at `arg` into the next field; raises when the type does not have it. */
static void add_field(lua_State *L, struct fields *f, int arg)
{
	const char *path = luaL_checkstring(L, arg);
	struct field *field = &f->fields[f->count];
	const struct codec *codec = &f->r->codec;
	struct error err;

	if (layout_find(codec->layout, path, &field->node, &err) < 0)
		luaL_argerror(L, arg, err.text);
	field->offset = field->node.offset;
	field->form = form_of(&field->node);
	/* A bitfield may end in the byte after its declared type. */
	if (f->end < field->offset + field->node.size + 1)
		f->end = field->offset + field->node.size + 1;
	if (f->end > codec->size)
		f->end = codec->size;
	if (allocates(field, (enum int64_mode)codec->int64))
		f->in_place = false;
	f->count++;
}

int reader_push_fields(lua_State *L, struct reader_object *r)
{
	int arg, names = lua_gettop(L) - 1;
	struct fields *f;

	luaL_argcheck(L, r->codec.kind == CODEC_LAYOUT, 2,
		"no fields can be chosen: samples have no struct type");
	luaL_argcheck(L, names <= FIELDS_MAX, FIELDS_MAX + 2, "too many fields");
	f = compat_newuserdata(L, sizeof(*f) + (size_t)names * sizeof(f->fields[0]));
	memset(f, 0, sizeof(*f));
	f->r = r;
	f->in_place = true;
	for (arg = 2; arg < names + 2; arg++)
		add_field(L, f, arg);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, fields_next, 2);
	return 1;
}
