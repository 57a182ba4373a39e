/* SPDX-License-Identifier: MIT */
/* Types and flags of maps. */
#include <errno.h>

#include "features_parts.h"
#include "map_btf.h"
#include "sys.h"

enum { ENOTSUPP_CODE = 524, CGROUP_KEY_SIZE = 16, BUILD_ID_SIZE = 32, INSN_VALUE_SIZE = 16 };

/* What is out of the ordinary about a type: more is needed to make one. */
enum {
	PAGES = 1 << 0, /* max_entries counts bytes or pages */
	INNER = 1 << 1, /* a map that stands for those inside */
	STORAGE = 1 << 2, /* BTF of key and value */
	KERNEL_TYPE = 1 << 3, /* a type of the kernel's: there is none so called */
};

static const struct shape {
	uint32_t key_size, value_size, max_entries, flags, extra;
} plain = {4, 4, 1, 0, 0};

static const struct shape shapes[] = {
	[BPF_MAP_TYPE_STACK_TRACE] = {4, 8, 1, 0, 0},
	[BPF_MAP_TYPE_LPM_TRIE] = {8, 8, 1, BPF_F_NO_PREALLOC, 0},
	[BPF_MAP_TYPE_ARRAY_OF_MAPS] = {4, 4, 1, 0, INNER},
	[BPF_MAP_TYPE_HASH_OF_MAPS] = {4, 4, 1, 0, INNER},
	[BPF_MAP_TYPE_CGROUP_STORAGE] = {CGROUP_KEY_SIZE, 8, 0, 0, 0},
	[BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE] = {CGROUP_KEY_SIZE, 8, 0, 0, 0},
	[BPF_MAP_TYPE_QUEUE] = {0, 4, 1, 0, 0},
	[BPF_MAP_TYPE_STACK] = {0, 4, 1, 0, 0},
	[BPF_MAP_TYPE_SK_STORAGE] = {4, 4, 0, BPF_F_NO_PREALLOC, STORAGE},
	[BPF_MAP_TYPE_STRUCT_OPS] = {4, 4, 1, 0, KERNEL_TYPE},
	[BPF_MAP_TYPE_RINGBUF] = {0, 0, 1, 0, PAGES},
	[BPF_MAP_TYPE_INODE_STORAGE] = {4, 4, 0, BPF_F_NO_PREALLOC, STORAGE},
	[BPF_MAP_TYPE_TASK_STORAGE] = {4, 4, 0, BPF_F_NO_PREALLOC, STORAGE},
	[BPF_MAP_TYPE_BLOOM_FILTER] = {0, 4, 1, 0, 0},
	[BPF_MAP_TYPE_USER_RINGBUF] = {0, 0, 1, 0, PAGES},
	[BPF_MAP_TYPE_CGRP_STORAGE] = {4, 4, 0, BPF_F_NO_PREALLOC, STORAGE},
	[BPF_MAP_TYPE_ARENA] = {0, 0, 1, BPF_F_MMAPABLE, 0},
	[BPF_MAP_TYPE_INSN_ARRAY] = {4, INSN_VALUE_SIZE, 1, 0, 0},
};

static struct shape shape_of(uint32_t type)
{
	struct shape shape = plain;

	/* No other type has neither value nor entries. */
	if (type < sizeof(shapes) / sizeof(shapes[0]) &&
		(shapes[type].value_size || shapes[type].max_entries))
		shape = shapes[type];
	if (shape.extra & PAGES)
		shape.max_entries *= (uint32_t)sys_page_size();
	return shape;
}

static int create_plain(void)
{
	struct abi_map_create attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = plain.key_size,
		.value_size = plain.value_size,
		.max_entries = plain.max_entries,
	};

	return sys_bpf_fd(BPF_MAP_CREATE, &attr, sizeof(attr));
}

/* Creates a map; the fd, or a negative errno. */
static int create(uint32_t type, const struct shape *shape)
{
	struct abi_map_create attr = {
		.map_type = type,
		.key_size = shape->key_size,
		.value_size = shape->value_size,
		.max_entries = shape->max_entries,
		.map_flags = shape->flags,
	};
	int helping = -1, fd;

	if (shape->extra & INNER) {
		helping = create_plain();
		attr.inner_map_fd = (uint32_t)helping;
	} else if (shape->extra & STORAGE) {
		helping = map_btf_load(shape->value_size, 0);
		attr.btf_fd = (uint32_t)helping;
		attr.btf_key_type_id = MAP_BTF_KEY;
		attr.btf_value_type_id = MAP_BTF_VALUE;
	} else if (shape->extra & KERNEL_TYPE) {
		attr.btf_vmlinux_value_type_id = 1;
	}
	if (helping < 0 && shape->extra & (INNER | STORAGE))
		return helping;
	/* No token, and no BTF of a module: see the flags. */
	if (shape->flags & BPF_F_TOKEN_FD)
		attr.map_token_fd = -1;
	if (shape->flags & BPF_F_VTYPE_BTF_OBJ_FD)
		attr.value_type_btf_obj_fd = -1;
	fd = sys_bpf_fd(BPF_MAP_CREATE, &attr, sizeof(attr));
	sys_close(helping);
	return fd;
}

/* Devices, and what sockets are kept in, want more than CAP_BPF. */
static uint32_t needs_of(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_DEVMAP:
	case BPF_MAP_TYPE_DEVMAP_HASH:
	case BPF_MAP_TYPE_SOCKMAP:
	case BPF_MAP_TYPE_SOCKHASH:
	case BPF_MAP_TYPE_XSKMAP:
		return PROBE_BPF | PROBE_NET_ADMIN;
	default:
		return PROBE_BPF;
	}
}

int features_map_type(uint32_t type, struct error *err)
{
	struct shape shape = shape_of(type);
	int ret = create(type, &shape);

	/* A kernel with struct_ops says so to a type that is none of its structs. */
	if (shape.extra & KERNEL_TYPE && ret == -ENOTSUPP_CODE)
		return 1;
	return features_conclude(
		err, ret, needs_of(type), "map type", names_of(&names_map_types, type));
}

/* In the order of the bits. */
static const char *const flag_names[] = {
	"no_prealloc",
	"no_common_lru",
	"numa_node",
	"rdonly",
	"wronly",
	"stack_build_id",
	"zero_seed",
	"rdonly_prog",
	"wronly_prog",
	"clone",
	"mmapable",
	"preserve_elems",
	"inner_map",
	"link",
	"path_fd",
	"vtype_btf_obj_fd",
	"token_fd",
	"segv_on_fault",
	"no_user_conv",
	"rb_overwrite",
};

const struct names_table features_map_flags = {
	"map flag",
	flag_names,
	sizeof(flag_names) / sizeof(flag_names[0]),
};

/* A type that may have the flag, and how a kernel that knows it refuses what comes with it. */
static const struct flag {
	uint32_t type;
	int refusal;
} flags[] = {
	{BPF_MAP_TYPE_HASH, 0},
	{BPF_MAP_TYPE_LRU_HASH, 0},
	{BPF_MAP_TYPE_HASH, 0},
	{BPF_MAP_TYPE_HASH, 0},
	{BPF_MAP_TYPE_HASH, 0},
	{BPF_MAP_TYPE_STACK_TRACE, 0},
	{BPF_MAP_TYPE_HASH, 0},
	{BPF_MAP_TYPE_ARRAY, 0},
	{BPF_MAP_TYPE_ARRAY, 0},
	{BPF_MAP_TYPE_SK_STORAGE, 0},
	{BPF_MAP_TYPE_ARRAY, 0},
	{BPF_MAP_TYPE_PERF_EVENT_ARRAY, 0},
	{BPF_MAP_TYPE_ARRAY, 0},
	{BPF_MAP_TYPE_STRUCT_OPS, ENOTSUPP_CODE},
	{BPF_MAP_TYPE_UNSPEC, 0}, /* of BPF_OBJ_PIN */
	{BPF_MAP_TYPE_STRUCT_OPS, EBADF},
	{BPF_MAP_TYPE_ARRAY, EBADF},
	{BPF_MAP_TYPE_ARENA, 0},
	{BPF_MAP_TYPE_ARENA, 0},
	{BPF_MAP_TYPE_RINGBUF, 0},
};

_Static_assert(sizeof(flags) / sizeof(flags[0]) == sizeof(flag_names) / sizeof(flag_names[0]),
	"a row for each flag");

/* BPF_F_PATH_FD came with Linux 6.5: opening something below a directory that is none. */
static int probe_path_fd(void)
{
	struct {
		struct abi_obj obj;
		int32_t path_fd;
		uint32_t pad;
	} attr = {{.pathname = sys_ptr("x"), .file_flags = BPF_F_PATH_FD}, -1, 0};

	return sys_bpf_fd(BPF_OBJ_GET, &attr, sizeof(attr));
}

int features_map_flag(uint32_t index, struct error *err)
{
	const struct flag *flag = &flags[index];
	struct shape shape = shape_of(flag->type);
	int ret;

	shape.flags |= 1U << index;
	if (shape.flags & BPF_F_STACK_BUILD_ID)
		shape.value_size = BUILD_ID_SIZE;
	ret = flag->type ? create(flag->type, &shape) : probe_path_fd();
	if (flag->type == BPF_MAP_TYPE_UNSPEC && ret == -EBADF)
		return 1;
	if (flag->refusal && ret == -flag->refusal)
		return 1;
	return features_conclude(err, ret, PROBE_BPF, "map flag", flag_names[index]);
}
