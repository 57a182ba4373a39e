/* SPDX-License-Identifier: MIT */
/* The BTF of the running kernel's modules. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_relo_parts.h"
#include "pool.h"
#include "sys.h"

enum { LIST_ROOM = 256 * 1024 };

void core_target_free(struct core_target *target)
{
	uint32_t i;

	for (i = 0; i < target->module_count; i++)
		btf_release(target->modules[i].btf);
	free(target->modules);
	btf_release(target->kernel);
	memset(target, 0, sizeof(*target));
}

/* A module that is gone meanwhile, or whose BTF was made for another vmlinux, has no types. */
static int read_module(struct core_target *target, const char *name, struct error *err)
{
	struct core_module *grown, *module;

	grown = pool_grow(
		target->modules, &target->module_room, target->module_count, 1, sizeof(*grown));
	if (!grown)
		return error_errno(err, ENOMEM, "read the BTF of module \"%.80s\"", name);
	target->modules = grown;
	module = &grown[target->module_count];
	snprintf(module->name, sizeof(module->name), "%s", name);
	if (btf_load_kernel(&module->btf, target->kernel, name, err) == 0)
		target->module_count++;
	else if (err->code == EMFILE || err->code == ENFILE || err->code == ENOMEM)
		return -1;
	return 0;
}

int core_target_read_modules(struct core_target *target, struct error *err)
{
	char *names;
	size_t used = 0, at;
	int ret;

	if (!target->has_modules || target->modules_read)
		return 0;
	names = malloc(LIST_ROOM);
	if (!names)
		return error_errno(err, ENOMEM, "list modules");
	ret = sys_list_directory("/sys/kernel/btf", names, LIST_ROOM, &used);
	if (ret == -EMFILE || ret == -ENFILE) {
		free(names);
		return error_errno(err, ret, "list modules");
	}
	ret = 0;
	for (at = 0; ret == 0 && at < used; at += strlen(names + at) + 1) {
		if (strcmp(names + at, "vmlinux") != 0)
			ret = read_module(target, names + at, err);
	}
	free(names);
	target->modules_read = ret == 0;
	return ret;
}

static bool find_in(struct btf *btf, const char *name, uint32_t kinds, const char *module,
	struct core_found *found)
{
	found->id = btf_find(btf, name, kinds, module ? btf->first_id - 1 : 0);
	found->btf = btf;
	found->module = module;
	return found->id != 0;
}

int core_target_find(struct core_target *target, const char *name, uint32_t kinds,
	const char *module, struct core_found *found, struct error *err)
{
	const struct core_module *at;
	uint32_t i;

	memset(found, 0, sizeof(*found));
	if (!module || strcmp(module, "vmlinux") == 0) {
		if (find_in(target->kernel, name, kinds, NULL, found) || module)
			return 0;
	}
	if (core_target_read_modules(target, err) < 0)
		return -1;
	for (i = 0; i < target->module_count; i++) {
		at = &target->modules[i];
		if ((!module || strcmp(module, at->name) == 0) &&
			find_in(at->btf, name, kinds, at->name, found))
			break;
	}
	return 0;
}
