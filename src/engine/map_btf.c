/* SPDX-License-Identifier: MIT */
#include "map_btf.h"

#include <stddef.h>

#include "btf.h"
#include "sys.h"
#include "token.h"

enum { INT_SIGNED = 1 << 24 }; /* of what follows an int: encoding, offset and width in bits */

static const char strings[] = "\0int\0unsigned char";

/* In native byte order, as the kernel wants it. */
struct blob {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t header_size;
	uint32_t type_offset;
	uint32_t type_size;
	uint32_t string_offset;
	uint32_t string_size;
	struct {
		struct btf_type type;
		uint32_t encoding;
	} key, byte;
	struct {
		struct btf_type type;
		struct btf_array array;
	} value;
	char strings[sizeof(strings)];
};

int map_btf_load(uint32_t value_size, int token)
{
	enum {
		TYPES = offsetof(struct blob, key),
		STRINGS = offsetof(struct blob, strings),
		INT_NAME = 1,
		BYTE_NAME = 5
	};
	struct blob blob = {
		.magic = 0xeb9f,
		.version = 1,
		.header_size = TYPES,
		.type_size = STRINGS - TYPES,
		.string_offset = STRINGS - TYPES,
		.string_size = sizeof(strings),
		.key = {{INT_NAME, BTF_KIND_INT << 24, 4}, INT_SIGNED | 32},
		.byte = {{BYTE_NAME, BTF_KIND_INT << 24, 1}, 8},
		.value = {{0, BTF_KIND_ARRAY << 24, 0}, {2, MAP_BTF_KEY, value_size}},
	};
	struct abi_btf_load attr = {
		.btf = sys_ptr(&blob),
		.btf_size = STRINGS + sizeof(strings),
	};
	size_t i;

	for (i = 0; i < sizeof(strings); i++)
		blob.strings[i] = strings[i];
	return token_load_btf(&attr, token);
}

bool map_btf_fits(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY: /* What is in these is the kernel's own, */
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_CGROUP_ARRAY:
	case BPF_MAP_TYPE_STACK_TRACE:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
	case BPF_MAP_TYPE_DEVMAP:
	case BPF_MAP_TYPE_DEVMAP_HASH:
	case BPF_MAP_TYPE_CPUMAP:
	case BPF_MAP_TYPE_XSKMAP:
	case BPF_MAP_TYPE_SOCKMAP:
	case BPF_MAP_TYPE_SOCKHASH:
	case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY:
	case BPF_MAP_TYPE_STRUCT_OPS:
	case BPF_MAP_TYPE_QUEUE: /* and these have no keys, or no values. */
	case BPF_MAP_TYPE_STACK:
	case BPF_MAP_TYPE_RINGBUF:
	case BPF_MAP_TYPE_USER_RINGBUF:
	case BPF_MAP_TYPE_ARENA:
		return false;
	default:
		return true;
	}
}
