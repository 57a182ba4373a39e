/* SPDX-License-Identifier: MIT */
/* Where BTF comes from: files, the running kernel, ids. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "btf.h"
#include "elf.h"
#include "probe.h"
#include "sys.h"

enum { FILE_LIMIT = 1 << 30, PATH_ROOM = 256, RELEASE_ROOM = 65, NAME_ROOM = 64 };

#define SYSFS "/sys/kernel/btf"

/* Where distributions put a vmlinux that has its debugging information, for a kernel that shows
 * no BTF in sysfs; %s is its release. The list is libbpf's. */
static const char *const vmlinux_paths[] = {
	"/boot/vmlinux-%s",
	"/lib/modules/%s/vmlinux-%s",
	"/lib/modules/%s/build/vmlinux",
	"/usr/lib/modules/%s/kernel/vmlinux",
	"/usr/lib/debug/boot/vmlinux-%s",
	"/usr/lib/debug/boot/vmlinux-%s.debug",
	"/usr/lib/debug/lib/modules/%s/vmlinux",
};

enum { VMLINUX_PATHS = sizeof(vmlinux_paths) / sizeof(vmlinux_paths[0]) };

static int parse_elf(
	struct btf **out, struct btf *base, const char *image, size_t size, struct error *err)
{
	const struct elf_section *section;
	struct elf elf = {.handle = NULL};
	int ret = elf_open(&elf, image, size, err);
	uint32_t i;

	for (i = 1; ret == 0 && i < elf.section_count; i++) {
		section = &elf.sections[i];
		if (strcmp(section->name, ".BTF") == 0 && section->data)
			break;
	}
	if (ret == 0 && i >= elf.section_count)
		ret = error_set(err, ENOEXEC, "no section .BTF: compile with -g");
	else if (ret == 0)
		ret = btf_parse(out, base, elf.sections[i].data, elf.sections[i].size, err);
	elf_close(&elf);
	return ret;
}

int btf_load(struct btf **out, struct btf *base, const char *path, struct error *err)
{
	size_t size = 0;
	char *file = NULL;
	int ret = sys_read_file(path, FILE_LIMIT, &file, &size);

	if (ret == -EINVAL) {
		error_set(err, EINVAL, "not a regular file");
	} else if (ret < 0) {
		error_describe(err->code = -ret, err->text, sizeof(err->text));
	} else if (size >= 4 && memcmp(file, "\177ELF", 4) == 0) {
		ret = parse_elf(out, base, file, size, err);
		free(file);
	} else {
		ret = btf_adopt(out, base, file, size, BTF_ALLOCATED, false, err);
	}
	return ret < 0 ? error_prefix(err, "load BTF \"%.200s\"", path) : 0;
}

/* 1: there is no such file. */
static int load_sysfs(struct btf **out, struct btf *base, const char *name, struct error *err)
{
	char path[PATH_ROOM];
	char *text = NULL;
	void *data = NULL;
	size_t size = 0;
	int ret;

	if ((size_t)snprintf(path, sizeof(path), SYSFS "/%s", name) >= sizeof(path))
		return error_errno(err, ENAMETOOLONG, "load the BTF of module \"%.200s\"", name);
	ret = sys_map_file(path, &data, &size);
	if (ret == 0) {
		ret = btf_adopt(out, base, data, size, BTF_MAPPED, true, err);
		return ret < 0 ? error_prefix(err, "load BTF \"%s\"", path) : 0;
	}
	if (ret == -ENOENT)
		return 1;
	ret = sys_read_file(path, FILE_LIMIT, &text, &size);
	if (ret < 0)
		return error_errno(err, ret, "load BTF \"%s\"", path);
	ret = btf_adopt(out, base, text, size, BTF_ALLOCATED, true, err);
	return ret < 0 ? error_prefix(err, "load BTF \"%s\"", path) : 0;
}

static int load_vmlinux(struct btf **out, struct error *err)
{
	char path[PATH_ROOM], release[RELEASE_ROOM] = "";
	size_t i;

	sys_kernel_release(release, sizeof(release));
	for (i = 0; i < VMLINUX_PATHS; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(path, sizeof(path), vmlinux_paths[i], release, release);
#pragma GCC diagnostic pop
		if (btf_load(out, NULL, path, err) == 0)
			return 0;
		if (err->code != ENOENT)
			return -1;
	}
	return error_set(err, ENOENT,
		"load the kernel's BTF: no " SYSFS
		"/vmlinux, and no vmlinux in /boot, /lib/modules or /usr/lib/debug: the kernel "
		"was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted");
}

int btf_load_kernel(struct btf **out, struct btf *base, const char *module, struct error *err)
{
	int ret;

	if (module && (!module[0] || strchr(module, '/') || module[0] == '.'))
		return error_set(
			err, ENOENT, "load the BTF of module \"%.80s\": no such module", module);
	ret = load_sysfs(out, base, module ? module : "vmlinux", err);
	if (ret <= 0)
		return ret;
	if (!module)
		return load_vmlinux(out, err);
	return error_set(err, ENOENT,
		"load the BTF of module \"%.80s\": no " SYSFS
		"/%.80s: the module is not loaded, built in, or has no BTF (which needs Linux "
		"5.11 and CONFIG_DEBUG_INFO_BTF_MODULES)",
		module, module);
}

/* What the kernel tells of a BTF, with its name. Before Linux 5.11, which names none, it refuses to
 * be asked for one. */
static int ask_info(int fd, struct abi_btf_info *info, char *name)
{
	int ret;

	*info = (struct abi_btf_info){.name = sys_ptr(name), .name_len = NAME_ROOM};
	ret = sys_obj_info(fd, info, sizeof(*info));
	if (ret == -E2BIG) {
		*info = (struct abi_btf_info){0};
		ret = sys_obj_info(fd, info, sizeof(*info));
	}
	return ret;
}

/* Reads what the fd has; 1: it lacks its base. */
static int load_fd(struct btf **out, struct btf *base, int fd, struct error *err)
{
	char name[NAME_ROOM] = "";
	struct abi_btf_info info;
	bool split;
	char *data;
	int ret;

	/* A name too long for the room is no vmlinux. */
	ret = ask_info(fd, &info, name);
	if (ret < 0 && ret != -ENOSPC)
		return error_errno(err, ret, "ask for its size");
	split = info.kernel_btf && strcmp(name, "vmlinux") != 0;
	if (split && !base)
		return 1;
	if (info.btf_size > FILE_LIMIT)
		return error_set(err, EFBIG, "it has %u bytes", info.btf_size);
	/* Zeroed for valgrind, which does not see the kernel write. */
	data = calloc(1, info.btf_size + 1U);
	if (!data)
		return error_errno(err, ENOMEM, "read %u bytes", info.btf_size);
	info = (struct abi_btf_info){.btf = sys_ptr(data), .btf_size = info.btf_size};
	ret = sys_obj_info(fd, &info, sizeof(info));
	if (ret < 0) {
		free(data);
		return error_errno(err, ret, "read it");
	}
	return btf_adopt(out, split ? base : NULL, data, info.btf_size, BTF_ALLOCATED, false, err);
}

int btf_load_by_id(struct btf **out, struct btf *base, uint32_t id, struct error *err)
{
	int fd = sys_fd_by_id(BPF_BTF_GET_FD_BY_ID, id, 0);
	int ret;

	if (fd < 0) {
		error_errno(err, fd, "open BTF by id %u", id);
		return probe_explain_privilege(err, PROBE_SYS_ADMIN);
	}
	ret = load_fd(out, base, fd, err);
	sys_close(fd);
	return ret < 0 ? error_prefix(err, "load BTF by id %u", id) : ret;
}

/* The fd of the BTF with that id, if it is the module's; -ENOENT when it is not. */
static int open_if_named(uint32_t id, const char *module)
{
	char name[NAME_ROOM] = "";
	int fd = sys_fd_by_id(BPF_BTF_GET_FD_BY_ID, id, 0);
	struct abi_btf_info info;
	int ret;

	if (fd < 0)
		return fd;
	ret = ask_info(fd, &info, name);
	if (ret == 0 && info.kernel_btf && strcmp(name, module) == 0)
		return fd;
	sys_close(fd);
	return -ENOENT;
}

int btf_open_module(const char *module, struct error *err)
{
	uint32_t id = 0;
	int ret;

	do {
		ret = sys_next_id(BPF_BTF_GET_NEXT_ID, id, &id);
		if (ret < 0)
			break;
		ret = open_if_named(id, module);
	} while (ret == -ENOENT);
	if (ret >= 0)
		return ret;
	error_errno(err, ret, "open the BTF of module \"%.80s\"", module);
	return probe_explain_privilege(err, PROBE_SYS_ADMIN);
}
