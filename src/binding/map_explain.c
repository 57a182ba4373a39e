/* SPDX-License-Identifier: MIT */
/* Why a map cannot be created. */
#include <errno.h>

#include "../engine/features.h"
#include "../engine/names.h"
#include "../engine/probe.h"
#include "../engine/token.h"
#include "failure.h"
#include "map_new.h"

bool map_is_storage(uint32_t type)
{
	return type == BPF_MAP_TYPE_SK_STORAGE || type == BPF_MAP_TYPE_INODE_STORAGE ||
	       type == BPF_MAP_TYPE_TASK_STORAGE || type == BPF_MAP_TYPE_CGRP_STORAGE;
}

/*
 * To free these, Linux (6.18 at least) counts up to max_entries with an int: beyond INT_MAX it takes
 * a negative index, and an oops for that, after which the memory is lost until the next boot.
 */
bool map_is_unfreeable(const struct abi_map_create *attr)
{
	switch (attr->map_type) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
	case BPF_MAP_TYPE_CGROUP_ARRAY:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_DEVMAP:
	case BPF_MAP_TYPE_SOCKMAP:
	case BPF_MAP_TYPE_XSKMAP:
	case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY:
		return attr->max_entries > INT32_MAX;
	default:
		return false;
	}
}

/* What a spec most likely did wrong when the kernel answers EINVAL to it. */
static const char *explain_invalid(const struct abi_map_create *attr)
{
	bool is_ring = attr->map_type == BPF_MAP_TYPE_RINGBUF ||
		       attr->map_type == BPF_MAP_TYPE_USER_RINGBUF;
	struct error unsaid;

	if (names_of(&names_map_types, attr->map_type) == NULL)
		return "this library knows no such map type, nor it seems does the kernel";
	if (features_map_type(attr->map_type, &unsaid) == 0)
		return "this kernel lacks the map type";
	if (attr->map_type == BPF_MAP_TYPE_RINGBUF && attr->map_flags & BPF_F_RB_OVERWRITE &&
		features_map_flag((uint32_t)__builtin_ctz(BPF_F_RB_OVERWRITE), &unsaid) == 0)
		return "rings that overwrite (flags = 0x80000, BPF_F_RB_OVERWRITE) need Linux 6.19";
	if (is_ring)
		return "max_entries of a ring must be a power of two and a multiple of the page "
		       "size, key_size and value_size 0";
	if (map_is_storage(attr->map_type))
		return "a storage needs key_size 4, max_entries 0 and flags = 1 "
		       "(BPF_F_NO_PREALLOC)";
	if (attr->map_type == BPF_MAP_TYPE_STRUCT_OPS && attr->map_flags & BPF_F_LINK)
		return "struct_ops with links (flags = 0x2000, BPF_F_LINK) need Linux 6.4";
	if (!attr->max_entries)
		return "max_entries is 0";
	if (attr->map_type == BPF_MAP_TYPE_LPM_TRIE && !(attr->map_flags & BPF_F_NO_PREALLOC))
		return "an lpm_trie needs flags = 1 (BPF_F_NO_PREALLOC)";
	if (attr->map_type == BPF_MAP_TYPE_ARRAY && attr->key_size != sizeof(uint32_t))
		return "the key_size of an array must be 4";
	return "a size or a flag does not suit this map type";
}

/* Most maps are had with CAP_BPF; those of devices and sockets belong to the network. */
static uint32_t map_needs(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_SOCKMAP:
	case BPF_MAP_TYPE_SOCKHASH:
	case BPF_MAP_TYPE_DEVMAP:
	case BPF_MAP_TYPE_DEVMAP_HASH:
	case BPF_MAP_TYPE_XSKMAP:
		return PROBE_BPF | PROBE_NET_ADMIN;
	default:
		return PROBE_BPF;
	}
}

int map_create_failure(lua_State *L, const struct abi_map_create *attr, int code, const char *name)
{
	struct error err;

	error_errno(&err, code, "create map \"%s\"", name);
	if (attr->map_token_fd < 0)
		error_append(&err, ": the token is closed");
	if (map_is_unfreeable(attr))
		error_append(&err,
			": max_entries is %u, and Linux cannot free more than %d entries",
			attr->max_entries, INT32_MAX);
	else if (err.code == EINVAL)
		error_append(&err, ": %s", explain_invalid(attr));
	token_explain(&err, attr->map_token_fd,
		&(struct token_use){
			.command = BPF_MAP_CREATE,
			.map_type = attr->map_type,
			.needs_btf = map_is_storage(attr->map_type),
			.needs = map_needs(attr->map_type),
		});
	return failure_push(L, &err);
}
