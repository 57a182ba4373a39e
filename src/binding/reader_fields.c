/* SPDX-License-Identifier: MIT */
/*
 * Fields of samples without the samples: available("pid", "ts"). Numbers and booleans are read in
 * the ring itself and nothing is allocated; where a field is a bitfield, a string, a table or a
 * cdata, the sample is copied first, for the reasons said in reader_read.c.
 */
#include <errno.h>
#include <string.h>

#include "../engine/layout_path.h"
#include "failure.h"
#include "reader.h"
#include "rooms.h"

/* Pushes the number or boolean at some address. */
typedef void push_function(lua_State *L, const unsigned char *at);

/* A C function may push so many values without asking for room, and more than the fields. */
enum { FIELDS_MAX = LUA_MINSTACK - 4 };

struct field {
	push_function *push; /* NULL: codec_push_field() does it */
	uint32_t offset;
	struct layout_node node;
};

/* What the iterator knows: its first upvalue. The second is the reader. */
struct fields {
	struct reader_object *r;
	uint32_t count;
	uint32_t end; /* the last byte of any */
	uint32_t size; /* of a sample, at least */
	bool in_place; /* all have a function, and nothing is allocated */
	struct field fields[];
};

static void push_u8(lua_State *L, const unsigned char *at)
{
	uint8_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_u16(lua_State *L, const unsigned char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_u32(lua_State *L, const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_u64(lua_State *L, const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	compat_push_u64(L, value, INT64_EXACT);
}

static void push_u64_number(lua_State *L, const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	compat_push_u64(L, value, INT64_NUMBER);
}

static void push_u64_double(lua_State *L, const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	compat_push_u64(L, value, INT64_DOUBLE);
}

static void push_i8(lua_State *L, const unsigned char *at)
{
	int8_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_i16(lua_State *L, const unsigned char *at)
{
	int16_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_i32(lua_State *L, const unsigned char *at)
{
	int32_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_i64(lua_State *L, const unsigned char *at)
{
	int64_t value;

	memcpy(&value, at, sizeof(value));
	compat_push_i64(L, value, INT64_EXACT);
}

static void push_i64_number(lua_State *L, const unsigned char *at)
{
	int64_t value;

	memcpy(&value, at, sizeof(value));
	compat_push_i64(L, value, INT64_NUMBER);
}

static void push_i64_double(lua_State *L, const unsigned char *at)
{
	int64_t value;

	memcpy(&value, at, sizeof(value));
	compat_push_i64(L, value, INT64_DOUBLE);
}

static void push_bool(lua_State *L, const unsigned char *at)
{
	uint8_t value;

	memcpy(&value, at, sizeof(value));
	lua_pushboolean(L, value != 0);
}

static void push_float(lua_State *L, const unsigned char *at)
{
	float value;

	memcpy(&value, at, sizeof(value));
	lua_pushnumber(L, (lua_Number)value);
}

static void push_double(lua_State *L, const unsigned char *at)
{
	double value;

	memcpy(&value, at, sizeof(value));
	lua_pushnumber(L, (lua_Number)value);
}

/* NULL where there is none. */
static push_function *function_for(const struct layout_node *node, enum int64_mode int64)
{
	/* By the logarithm of the size. */
	static push_function *const unsigned_ones[] = {push_u8, push_u16, push_u32};
	static push_function *const signed_ones[] = {push_i8, push_i16, push_i32};
	static push_function *const u64_by_mode[] = {push_u64, push_u64_number, push_u64_double};
	static push_function *const i64_by_mode[] = {push_i64, push_i64_number, push_i64_double};

	if (node->bits)
		return NULL;
	switch (node->kind) {
	case LAYOUT_UINT:
		return node->size == 8 ? u64_by_mode[int64]
				       : unsigned_ones[__builtin_ctz(node->size)];
	case LAYOUT_INT:
		return node->size == 8 ? i64_by_mode[int64]
				       : signed_ones[__builtin_ctz(node->size)];
	case LAYOUT_BOOL:
		return push_bool;
	case LAYOUT_FLOAT:
		return node->size == sizeof(float) ? push_float : push_double;
	default:
		return NULL;
	}
}

/* Pushes all fields, of the sample at `bytes`. */
static void push_fields(lua_State *L, const struct fields *f, const unsigned char *bytes)
{
	const struct field *field = f->fields, *end = field + f->count;

	for (; field < end; field++) {
		if (field->push)
			field->push(L, bytes + field->offset);
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
	lua_pushinteger(L, (lua_Integer)ring->source);
	return (int)f->count + 1;
}

/* The step of available() with fields. */
static int fields_next(lua_State *L)
{
	const struct fields *f = lua_touserdata(L, lua_upvalueindex(1));
	struct reader_object *r = f->r;
	struct ring_sample sample;
	struct ring *ring;
	struct error err;
	int n, ret = 0;

	while (reader_is_open(r)) {
		ret = reader_next(&r->reader, &ring, &sample, &err);
		if (ret <= 0)
			break;
		if (sample.size < r->codec.size) {
			ring_advance(ring, &sample);
			ret = reader_too_short(r, sample.size, &err);
			break;
		}
		n = push_copied(L, f, ring, &sample);
		if (n > 0)
			return n;
	}
	if (ret < 0) {
		lua_pushstring(L, err.text);
		return lua_error(L);
	}
	lua_pushnil(L);
	return 1;
}

/*
 * The same where the fields allocate nothing, for one kind of rings. Whatever is out of the ordinary
 * is left to the one above, which begins anew.
 */
static inline int quick_next(
	lua_State *L, bool (*peek_quickly)(const struct ring *, struct ring_sample *), bool wraps)
{
	const struct fields *f = lua_touserdata(L, lua_upvalueindex(1));
	const struct field *field = f->fields, *end = field + f->count;
	struct reader *reader = &f->r->reader;
	struct ring *ring = reader->ring;
	const unsigned char *bytes;
	struct ring_sample sample;

	if (!*reader->quick || !peek_quickly(ring, &sample) || sample.size < f->size)
		return fields_next(L);
	bytes = ring->data + (sample.start & (ring->size - 1));
	if (wraps && !ring_bytes(ring, &sample))
		return fields_next(L);
	/* A value that no number holds raises, for this sample only: advance first. But the
	 * space is given back after the last field is read. */
	ring_advance(ring, &sample);
	for (; field < end; field++)
		field->push(L, bytes + field->offset);
	reader_settle(reader, ring);
	lua_pushinteger(L, (lua_Integer)ring->source);
	return (int)f->count + 1;
}

static int ring_fields_next(lua_State *L)
{
	return quick_next(L, ring_buf_peek_quickly, false);
}

static int perf_fields_next(lua_State *L)
{
	return quick_next(L, perf_ring_peek_quickly, true);
}

/* Whether 64-bit integers are allocated. */
static bool makes_cdata(const struct codec *codec)
{
	return !COMPAT_HAS_INTEGERS && codec->int64 == INT64_EXACT;
}

/* Reads the name at `arg` into the next field; raises when the type does not have it. */
static void add_field(lua_State *L, struct fields *f, int arg)
{
	size_t length;
	const char *path = luaL_checklstring(L, arg, &length);
	struct field *field = &f->fields[f->count];
	const struct codec *codec = &f->r->codec;
	struct error err;

	luaL_argcheck(L, strlen(path) == length, arg, "no field has a NUL in its name");
	if (layout_find(codec->layout, path, &field->node, &err) < 0)
		luaL_argerror(L, arg, err.text);
	field->offset = field->node.offset;
	field->push = function_for(&field->node, (enum int64_mode)codec->int64);
	/* A bitfield may end in the byte after its declared type. */
	if (f->end < field->offset + field->node.size + 1)
		f->end = field->offset + field->node.size + 1;
	if (f->end > codec->size)
		f->end = codec->size;
	if (!field->push || (makes_cdata(codec) && field->node.size == sizeof(uint64_t) &&
				    field->node.kind <= LAYOUT_INT))
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
	f->size = r->codec.size;
	f->in_place = true;
	for (arg = 2; arg < names + 2; arg++)
		add_field(L, f, arg);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L,
		!f->in_place                       ? fields_next
		: r->reader.kind == &ring_buf_kind ? ring_fields_next
						   : perf_fields_next,
		2);
	return 1;
}
