/* SPDX-License-Identifier: MIT */
/*
 * How bytes of the kernel become Lua values and back: the type of a key, a value or a sample.
 * Given as "u8".."u64", "i8".."i64", "bytes", as a C declaration, as what ebpf.type() returns, or as
 * a table {size=, encode=, decode=}. With no type at all, 1, 2, 4 and 8 bytes are an unsigned
 * native integer, any other size is a string.
 */
#ifndef EBPF_CODEC_H
#define EBPF_CODEC_H

#include "../engine/layout.h"
#include "compat.h"

#pragma GCC visibility push(hidden)

enum codec_kind {
	CODEC_BYTES, /* a string of exactly `size` bytes; any length when size is 0 */
	CODEC_UINT,
	CODEC_INT,
	CODEC_CUSTOM, /* Lua functions; [slot] of the owner's user value holds their table */
	CODEC_LAYOUT, /* a C type; [slot] holds its names, and those the layout: see type.h */
};

struct codec {
	uint32_t size;
	uint8_t kind;
	uint8_t int64; /* enum int64_mode */
	uint8_t slot; /* CODEC_CUSTOM, CODEC_LAYOUT */
	bool guessed; /* from the size alone: a string of that size is taken as it is */
	const struct layout *layout; /* CODEC_LAYOUT */
};

/* Scratch memory for one call: on the C stack while it is small, else a userdata left on the
 * Lua stack, so that it survives whatever throws and is shared with no other call. */
enum { SCRATCH_SIZE = 1024 };
struct scratch {
	_Alignas(8) unsigned char bytes[SCRATCH_SIZE];
};
void *scratch_get(lua_State *L, struct scratch *scratch, size_t size);

/* The codec that a size alone implies. */
struct codec codec_default(uint32_t size);

/*
 * The codec described by the value at `index` (nil: the default for `size`). A custom one is
 * stored under `slot` in the table at `owner_table`. A type whose own size contradicts `size`
 * (other than 0) is an error that says both. `what` names the thing: "key", "value", "sample".
 */
struct codec codec_parse(lua_State *L, int index, uint32_t size, enum int64_mode int64,
	int owner_table, uint8_t slot, const char *what);

/* "exact" (nil too), "number" or "double", from the value at `index`. */
enum int64_mode codec_parse_int64(lua_State *L, int index);

void codec_prepare_custom(
	lua_State *L, int arg, const struct codec *codec, int owner, const char *what);

/* For struct types: replaces the table at `arg` by its bytes. See codec_layout.c. */
void codec_prepare_layout(
	lua_State *L, int arg, const struct codec *codec, int owner, const char *what);
void codec_push_layout(lua_State *L, const struct codec *codec, int owner, const void *bytes);

/* Pushes one field of a struct type; node->offset is from the start of `bytes`. */
void codec_push_field(lua_State *L, const struct codec *codec, int owner,
	const struct layout_node *node, const void *bytes);

/*
 * Encoding goes in two steps. codec_prepare() may run Lua code: it replaces the argument at
 * `arg` by a string when the codec is a custom one, or a C type, of the userdata at `owner`.
 * codec_encode() runs none: it writes codec->size bytes, or raises an error that points at the
 * argument.
 */
static inline void codec_prepare(
	lua_State *L, int arg, const struct codec *codec, int owner, const char *what)
{
	if (codec->kind == CODEC_CUSTOM)
		codec_prepare_custom(L, arg, codec, owner, what);
	else if (codec->kind == CODEC_LAYOUT)
		codec_prepare_layout(L, arg, codec, owner, what);
}
void codec_encode(lua_State *L, int arg, const struct codec *codec, void *out, const char *what);

/* Pushes the Lua value of `size` bytes. Raises when a custom codec does. */
void codec_push(lua_State *L, const struct codec *codec, int owner, const void *bytes, size_t size);

/* The unsigned number in `size` bytes (1, 2, 4 or 8) of the machine's byte order, and back. */
uint64_t codec_load_bytes(const void *bytes, uint32_t size);
void codec_store_bytes(void *out, uint64_t value, uint32_t size);

/* Words for a value that is not what it should be: a number or string itself, else its type. */
const char *codec_describe(lua_State *L, int arg, char *text, size_t size);

/* The number an integer codec reads, sign-extended. */
uint64_t codec_load(const struct codec *codec, const void *bytes);

#pragma GCC visibility pop

#endif
