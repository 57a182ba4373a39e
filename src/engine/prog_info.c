/* SPDX-License-Identifier: MIT */
#include "prog_info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys_info.h"

#define AT(field) offsetof(struct abi_prog_info, field)

/* record: where the size of an element is told, and has to be the kernel's; 0: nowhere. */
static const struct place {
	size_t count, address, record;
	uint32_t size;
} places[PROG_INFO_ARRAYS] = {
	[PROG_INFO_MAP_IDS] = {AT(nr_map_ids), AT(map_ids), 0, sizeof(uint32_t)},
	[PROG_INFO_XLATED] = {AT(xlated_prog_len), AT(xlated_prog_insns), 0, 1},
	[PROG_INFO_JITED] = {AT(jited_prog_len), AT(jited_prog_insns), 0, 1},
	[PROG_INFO_KSYMS] = {AT(nr_jited_ksyms), AT(jited_ksyms), 0, sizeof(uint64_t)},
	[PROG_INFO_LENGTHS] = {AT(nr_jited_func_lens), AT(jited_func_lens), 0, sizeof(uint32_t)},
	[PROG_INFO_FUNCS] = {AT(nr_func_info), AT(func_info), AT(func_info_rec_size),
		sizeof(struct abi_func_info)},
	[PROG_INFO_LINES] = {AT(nr_line_info), AT(line_info), AT(line_info_rec_size),
		sizeof(struct abi_line_info)},
	[PROG_INFO_JITED_LINES] = {AT(nr_jited_line_info), AT(jited_line_info),
		AT(jited_line_info_rec_size), sizeof(uint64_t)},
	[PROG_INFO_TAGS] = {AT(nr_prog_tags), AT(prog_tags), 0, BPF_TAG_SIZE},
};

static uint32_t get_u32(const struct abi_prog_info *info, size_t at)
{
	uint32_t value;

	memcpy(&value, (const char *)info + at, sizeof(value));
	return value;
}

static void put_u32(struct abi_prog_info *info, size_t at, uint32_t value)
{
	memcpy((char *)info + at, &value, sizeof(value));
}

static uint64_t get_u64(const struct abi_prog_info *info, size_t at)
{
	uint64_t value;

	memcpy(&value, (const char *)info + at, sizeof(value));
	return value;
}

static int refuse(struct error *err, int code)
{
	char reason[128];

	error_describe(code, reason, sizeof(reason));
	return error_set(err, -code, "%s", reason);
}

/* Offers memory for an array, if the kernel has one. */
static int offer(struct prog_info *info, struct abi_prog_info *asked, int array)
{
	const struct place *place = &places[array];
	uint32_t count = get_u32(&info->kernel, place->count);
	uint64_t address;

	if (!count || info->known < place->address + sizeof(uint64_t))
		return 0;
	info->arrays[array] = calloc(count, place->size);
	if (!info->arrays[array])
		return -ENOMEM;
	address = sys_ptr(info->arrays[array]);
	memcpy((char *)asked + place->address, &address, sizeof(address));
	put_u32(asked, place->count, count);
	if (place->record)
		put_u32(asked, place->record, place->size);
	return 0;
}

/* Forgets what the kernel has withheld, which it says by taking the address away. */
static void take(struct prog_info *info, const struct abi_prog_info *told, int array)
{
	uint32_t count = get_u32(&info->kernel, places[array].count);

	if (!info->arrays[array])
		return;
	if (get_u64(told, places[array].address)) {
		info->counts[array] = count;
		return;
	}
	free(info->arrays[array]);
	info->arrays[array] = NULL;
}

static int ask(int fd, struct prog_info *info, uint32_t want)
{
	struct abi_prog_info asked = {0};
	uint32_t known;
	int array, ret = 0;

	for (array = 0; array < PROG_INFO_ARRAYS && ret == 0; array++) {
		if (want & PROG_INFO_WANT(array))
			ret = offer(info, &asked, array);
	}
	if (ret == 0)
		ret = sys_obj_info_known(fd, &asked, sizeof(asked), &known);
	for (array = 0; array < PROG_INFO_ARRAYS && ret == 0; array++) {
		if (want & PROG_INFO_WANT(array))
			take(info, &asked, array);
	}
	return ret;
}

int prog_info_read(int fd, struct prog_info *info, uint32_t want, struct error *err)
{
	/* A kernel that withholds the instructions says no more of anything. */
	const uint32_t first = want & ~PROG_INFO_WANT(PROG_INFO_XLATED);
	const uint32_t second = want & PROG_INFO_WANT(PROG_INFO_XLATED);
	int ret;

	memset(info, 0, sizeof(*info));
	ret = sys_obj_info_known(fd, &info->kernel, sizeof(info->kernel), &info->known);
	if (ret == 0 && first)
		ret = ask(fd, info, first);
	if (ret == 0 && second)
		ret = ask(fd, info, second);
	if (ret == 0)
		return 0;
	prog_info_free(info);
	return refuse(err, ret);
}

void prog_info_free(struct prog_info *info)
{
	int array;

	for (array = 0; array < PROG_INFO_ARRAYS; array++)
		free(info->arrays[array]);
	memset(info, 0, sizeof(*info));
}
