/* SPDX-License-Identifier: MIT */
#include "link_info.h"

#include <errno.h>
#include <string.h>

#include "sys_info.h"

#define AT(field)     offsetof(struct abi_link_info, field)
#define BEHIND(field) (AT(field) + sizeof(((struct abi_link_info *)0)->field))

/* Only the reason: callers know which link it is. */
static int refuse(struct error *err, int code)
{
	char reason[128];

	error_describe(code, reason, sizeof(reason));
	return error_set(err, -code, "%s", reason);
}

/* Where the address and the size of the buffer for a name go. */
static const struct name_place {
	size_t address, size;
} names[] = {
	[BPF_LINK_TYPE_RAW_TRACEPOINT] = {AT(raw_tracepoint.tp_name),
		AT(raw_tracepoint.tp_name_len)},
	[BPF_LINK_TYPE_ITER] = {AT(iter.target_name), AT(iter.target_name_len)},
	[BPF_LINK_TYPE_PERF_EVENT] = {AT(perf_event.any.name), AT(perf_event.any.name_len)},
	[BPF_LINK_TYPE_UPROBE_MULTI] = {AT(uprobe_multi.path), AT(uprobe_multi.path_size)},
};

/* Where the addresses of arrays go, and up to where a kernel has to know the struct for each. */
static const struct array_places {
	size_t count;
	struct {
		size_t address, known;
	} arrays[LINK_INFO_ARRAYS];
} arrays[] = {
	[BPF_LINK_TYPE_KPROBE_MULTI] = {AT(kprobe_multi.count),
		{{AT(kprobe_multi.addrs), BEHIND(kprobe_multi.count)},
			{AT(kprobe_multi.cookies), BEHIND(kprobe_multi.cookies)}}},
	[BPF_LINK_TYPE_UPROBE_MULTI] = {AT(uprobe_multi.count),
		{{AT(uprobe_multi.offsets), BEHIND(uprobe_multi.pid)},
			{AT(uprobe_multi.ref_ctr_offsets), BEHIND(uprobe_multi.pid)},
			{AT(uprobe_multi.cookies), BEHIND(uprobe_multi.pid)}}},
};

static void put_u64(struct abi_link_info *info, size_t at, uint64_t value)
{
	memcpy((char *)info + at, &value, sizeof(value));
}

static void put_u32(struct abi_link_info *info, size_t at, uint32_t value)
{
	memcpy((char *)info + at, &value, sizeof(value));
}

static uint32_t get_u32(const struct abi_link_info *info, size_t at)
{
	uint32_t value;

	memcpy(&value, (const char *)info + at, sizeof(value));
	return value;
}

/* Whether the link has a name, and the kernel tells it. */
static const struct name_place *find_name(const struct link_info *info)
{
	const struct abi_link_info *k = &info->kernel;
	const struct name_place *place;

	if (k->type >= sizeof(names) / sizeof(names[0]))
		return NULL;
	place = &names[k->type];
	if (!place->address || info->known < place->size + sizeof(uint32_t))
		return NULL;
	if (k->type == BPF_LINK_TYPE_PERF_EVENT &&
		(k->perf_event.type == BPF_PERF_EVENT_UNSPEC ||
			k->perf_event.type >= BPF_PERF_EVENT_EVENT))
		return NULL;
	return place;
}

static const struct array_places *find_arrays(const struct link_info *info)
{
	const struct array_places *places;

	if (info->kernel.type >= sizeof(arrays) / sizeof(arrays[0]))
		return NULL;
	places = &arrays[info->kernel.type];
	return places->count && info->known >= places->arrays[0].known ? places : NULL;
}

/* Asks for nothing but numbers. */
static int ask(int fd, struct link_info *info)
{
	memset(&info->kernel, 0, sizeof(info->kernel));
	return sys_obj_info_known(fd, &info->kernel, sizeof(info->kernel), &info->known);
}

/* The kernel copies a name into memory we offer. It may have none to tell: a file of a uprobe need
 * not have a path from here. */
static void ask_name(int fd, struct link_info *info)
{
	const struct name_place *place = find_name(info);
	struct abi_link_info asked = {0};
	uint32_t known;

	if (!place)
		return;
	put_u64(&asked, place->address, sys_ptr(info->name));
	put_u32(&asked, place->size, sizeof(info->name));
	sys_obj_info_known(fd, &asked, sizeof(asked), &known);
	info->name[sizeof(info->name) - 1] = '\0';
}

int link_info_read(int fd, struct link_info *info, struct error *err)
{
	int ret;

	memset(info->name, 0, sizeof(info->name));
	ret = ask(fd, info);
	if (ret < 0)
		return refuse(err, ret);
	ask_name(fd, info);
	return 0;
}

uint32_t link_info_count(const struct link_info *info)
{
	const struct array_places *places = find_arrays(info);

	return places ? get_u32(&info->kernel, places->count) : 0;
}

int link_info_read_arrays(int fd, struct link_info *info, uint64_t *room, struct error *err)
{
	const struct array_places *places = find_arrays(info);
	uint32_t count = link_info_count(info), known;
	struct abi_link_info asked = {0};
	int i, ret;

	memset(room, 0, (size_t)count * LINK_INFO_ARRAYS * sizeof(*room));
	if (!count)
		return 0;
	put_u32(&asked, places->count, count);
	for (i = 0; i < LINK_INFO_ARRAYS; i++) {
		if (places->arrays[i].address && info->known >= places->arrays[i].known)
			put_u64(&asked, places->arrays[i].address,
				sys_ptr(room + (size_t)count * i));
	}
	ret = sys_obj_info_known(fd, &asked, sizeof(asked), &known);
	return ret < 0 ? refuse(err, ret) : 0;
}
