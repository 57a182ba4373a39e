/* SPDX-License-Identifier: MIT */
/* m:info(): what the kernel tells about a map. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/fdinfo.h"
#include "../engine/sys_info.h"
#include "info.h"
#include "map.h"
#include "options.h"

#define AT(field) offsetof(struct abi_map_info, field)

enum { HASH_SIZE = 32 };

/* By the names of struct bpf_map_info, and by those of bpftool where they differ. */
static const struct info_field fields[] = {
	{"type", AT(type), INFO_NAMED, &names_map_types},
	{"id", AT(id), INFO_U32, NULL},
	{"key_size", AT(key_size), INFO_U32, NULL},
	{"bytes_key", AT(key_size), INFO_U32, NULL},
	{"value_size", AT(value_size), INFO_U32, NULL},
	{"bytes_value", AT(value_size), INFO_U32, NULL},
	{"max_entries", AT(max_entries), INFO_U32, NULL},
	{"flags", AT(map_flags), INFO_U32, NULL},
	{"name", AT(name), INFO_NAME, NULL},
	{"ifindex", AT(ifindex), INFO_U32, NULL},
	{"btf_vmlinux_value_type_id", AT(btf_vmlinux_value_type_id), INFO_U32, NULL},
	{"netns_dev", AT(netns_dev), INFO_U64, NULL},
	{"netns_ino", AT(netns_ino), INFO_U64, NULL},
	{"btf_id", AT(btf_id), INFO_U32, NULL},
	{"btf_key_type_id", AT(btf_key_type_id), INFO_U32, NULL},
	{"btf_value_type_id", AT(btf_value_type_id), INFO_U32, NULL},
	{"btf_vmlinux_id", AT(btf_vmlinux_id), INFO_U32, NULL},
	{"map_extra", AT(map_extra), INFO_U64, NULL},
	{NULL, 0, INFO_U32, NULL},
};

/* What /proc alone tells. */
enum { FROZEN, MEMLOCK, OWNER_TYPE, OWNER_JITED, EXTRAS };

static const char *const extras[EXTRAS] = {
	[FROZEN] = "frozen",
	[MEMLOCK] = "memlock",
	[OWNER_TYPE] = "owner_prog_type",
	[OWNER_JITED] = "owner_jited",
};

/* The set of those that are there. */
static unsigned int read_extras(lua_State *L, int fd, uint64_t values[EXTRAS])
{
	unsigned int told = 0;
	char *text;
	int i, ret = fdinfo_read(0, fd, &text);

	if (handle_reclaimed(L, ret))
		ret = fdinfo_read(0, fd, &text);
	if (ret < 0)
		return 0;
	for (i = 0; i < EXTRAS; i++)
		told |= (unsigned int)fdinfo_number(text, extras[i], &values[i]) << i;
	free(text);
	return told;
}

static void set_extras(lua_State *L, int fd)
{
	uint64_t values[EXTRAS];
	unsigned int told = read_extras(L, fd, values);
	int i;

	for (i = 0; i < EXTRAS; i++) {
		if (!(told >> i & 1) || (i != FROZEN && i != OWNER_JITED))
			continue;
		lua_pushboolean(L, values[i] != 0);
		lua_setfield(L, -2, extras[i]);
	}
	if (told >> OWNER_TYPE & 1)
		info_set_named(
			L, extras[OWNER_TYPE], &names_prog_types, (uint32_t)values[OWNER_TYPE]);
	if (told >> MEMLOCK & 1) {
		compat_push_u64(L, values[MEMLOCK], INT64_NUMBER);
		lua_setfield(L, -2, "bytes_memlock");
	}
}

/* The SHA-256 of the contents, which only frozen arrays have; in hex. */
static void set_hash(lua_State *L, int fd, size_t known)
{
	unsigned char hash[HASH_SIZE] = {0};
	struct abi_map_info info = {.hash = sys_ptr(hash), .hash_size = sizeof(hash)};
	char text[2 * HASH_SIZE + 1];
	int i;

	if (known < AT(hash_size) + sizeof(info.hash_size) ||
		sys_obj_info(fd, &info, sizeof(info)) < 0)
		return;
	for (i = 0; i < HASH_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	info_set_string(L, "hash", text);
}

/*
 * m:info() -> table | nil, message, errno
 * The fields of struct bpf_map_info, by its names, and by bpftool's where these differ: type (a
 * name), id, name (at most 15 bytes), key_size = bytes_key, value_size = bytes_value, max_entries,
 * flags, map_extra, ifindex, netns_dev, netns_ino (of a map offloaded to a device), btf_id,
 * btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id, btf_vmlinux_id, hash (hex, of
 * frozen arrays from Linux 6.18 on); and from /proc bytes_memlock, frozen (boolean), and of a
 * program array in use owner_prog_type and owner_jited. An id of 0 is none. What the running kernel
 * does not tell is nil.
 */
int map_info(lua_State *L)
{
	struct map *m = map_self_open(L);
	struct abi_map_info info = {0};
	uint32_t known;
	int ret;

	if (!m)
		return 3;
	ret = sys_obj_info_known(m->handle.fd, &info, sizeof(info), &known);
	if (ret < 0)
		return map_failure(L, 1, ret, "ask about");
	lua_createtable(L, 0, 32);
	info_set(L, fields, &info, known);
	set_extras(L, m->handle.fd);
	set_hash(L, m->handle.fd, known);
	return 1;
}
