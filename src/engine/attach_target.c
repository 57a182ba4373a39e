/* SPDX-License-Identifier: MIT */
#include "attach_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "struct_ops.h"
#include "sys.h"

/* How the kernel calls in its BTF what programs are attached to. The names and the order of looking
 * are libbpf's. */
static const struct naming {
	uint32_t prog_type;
	uint32_t attach_type;
	const char *prefix;
	uint32_t kind;
	const char *what;
} namings[] = {
	{BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint"},
	{BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "", BTF_KIND_FUNC, "function"},
	{BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, "", BTF_KIND_FUNC, "function"},
	{BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "", BTF_KIND_FUNC, "function"},
	{BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION, "", BTF_KIND_FUNC, "function"},
	{BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, "bpf_iter_", BTF_KIND_FUNC, "iterator"},
	{BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_lsm_", BTF_KIND_FUNC, "LSM hook"},
	{BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, "bpf_lsm_", BTF_KIND_FUNC, "LSM hook"},
	{BPF_PROG_TYPE_EXT, 0, "", BTF_KIND_FUNC, "function"},
	{BPF_PROG_TYPE_STRUCT_OPS, 0, "", BTF_KIND_STRUCT, "struct"},
};

static const struct naming *find_naming(uint32_t prog_type, uint32_t attach_type)
{
	size_t i;

	for (i = 0; i < sizeof(namings) / sizeof(namings[0]); i++) {
		if (namings[i].prog_type == prog_type &&
			(namings[i].attach_type == attach_type || !namings[i].attach_type))
			return &namings[i];
	}
	return NULL;
}

bool attach_target_needed(uint32_t prog_type, uint32_t attach_type)
{
	return find_naming(prog_type, attach_type) != NULL;
}

static bool has_module(const struct core_target *kernel, const char *name)
{
	uint32_t i;

	for (i = 0; i < kernel->module_count; i++) {
		if (strcmp(kernel->modules[i].name, name) == 0)
			return true;
	}
	return strcmp(name, "vmlinux") == 0;
}

/* `wanted` is how the BTF would call what the user calls `called`. */
static int not_found(const struct core_target *kernel, const struct naming *naming,
	const char *wanted, const char *called, const char *module, struct error *err)
{
	error_set(err, ESRCH, "no %s \"%.80s\"", naming->what, called);
	if (strcmp(wanted, called) != 0)
		error_append(err, " (%.120s)", wanted);
	if (!module)
		return error_append(err, " in the types of the kernel and of its %u modules",
			kernel->module_count);
	if (has_module(kernel, module))
		return error_append(err, " in the types of %s%.80s",
			strcmp(module, "vmlinux") == 0 ? "" : "module ", module);
	return error_append(err,
		": module \"%.80s\" is not loaded, or has no types (which needs Linux 5.11 and "
		"CONFIG_DEBUG_INFO_BTF_MODULES)",
		module);
}

static int no_name(uint32_t prog_type, const char *what, struct error *err)
{
	if (prog_type == BPF_PROG_TYPE_STRUCT_OPS)
		return error_set(err, EINVAL,
			"no member of a struct_ops map has it: set attach_to of its spec to struct "
			"and member, as \"tcp_congestion_ops:init\"");
	return error_set(err, EINVAL,
		"its section names no %s: set attach_to of its spec to the one it is for", what);
}

/* Splits "before:behind" into a NUL-terminated copy of what is before, and the rest; without a
 * colon, all is the rest. Returns false when what is before is too long. */
static bool split(const char *name, char *before, size_t size, const char **rest)
{
	const char *colon = strchr(name, ':');
	size_t length = colon ? (size_t)(colon - name) : 0;

	if (length >= size)
		return false;
	memcpy(before, name, length);
	before[length] = '\0';
	*rest = colon ? colon + 1 : name;
	return true;
}

static int find_member(
	struct core_target *kernel, const char *name, struct attach_target *out, struct error *err)
{
	char called[BTF_NAME_LIMIT];
	struct struct_ops ops;
	const char *member;

	if (!split(name, called, sizeof(called), &member) || !called[0] || !member[0])
		return error_set(err, EINVAL,
			"its target \"%.80s\" is no struct and member, as "
			"\"tcp_congestion_ops:init\"",
			name);
	if (struct_ops_find(kernel, called, &ops, err) < 0)
		return -1;
	*out = (struct attach_target){.btf_id = ops.type_id, .module = ops.module};
	if (struct_ops_find_member(&ops, member, &out->member))
		return 0;
	return error_set(
		err, ESRCH, "no member \"%.80s\" in the kernel's struct %.80s", member, called);
}

int attach_target_find(struct core_target *kernel, uint32_t prog_type, uint32_t attach_type,
	const char *name, struct attach_target *out, struct error *err)
{
	const struct naming *naming = find_naming(prog_type, attach_type);
	struct core_found found;
	char module[CORE_MODULE_NAME], wanted[BTF_NAME_LIMIT + sizeof("btf_trace_")];
	const char *rest;

	if (!name || !*name)
		return no_name(prog_type, naming->what, err);
	if (prog_type == BPF_PROG_TYPE_STRUCT_OPS)
		return find_member(kernel, name, out, err);
	if (strnlen(name, BTF_NAME_LIMIT) == BTF_NAME_LIMIT ||
		!split(name, module, sizeof(module), &rest) || !*rest)
		return error_set(
			err, EINVAL, "its target \"%.80s\" is no name of a %s", name, naming->what);
	snprintf(wanted, sizeof(wanted), "%s%s", naming->prefix, rest);
	if (core_target_find(kernel, wanted, BTF_MASK(naming->kind), rest != name ? module : NULL,
		    &found, err) < 0)
		return -1;
	if (!found.id)
		return not_found(kernel, naming, wanted, rest, rest != name ? module : NULL, err);
	*out = (struct attach_target){.btf_id = found.id, .module = found.module};
	return 0;
}

int attach_target_find_in_program(
	int prog_fd, const char *name, struct attach_target *out, struct error *err)
{
	struct abi_prog_info info = {0};
	struct btf *btf = NULL;
	int ret;

	if (!name || !*name)
		return error_set(err, EINVAL,
			"it is for a function of another program: set attach_to of its spec to the "
			"function's name");
	ret = sys_obj_info(prog_fd, &info, sizeof(info));
	if (ret < 0)
		return error_errno(err, ret, "ask about the program that is its target");
	info.name[sizeof(info.name) - 1] = '\0';
	if (!info.btf_id)
		return error_set(err, ESRCH,
			"no function \"%.80s\" in program \"%s\", which was loaded without types: "
			"compile it with -g",
			name, info.name);
	if (btf_load_by_id(&btf, NULL, info.btf_id, err) != 0)
		return -1;
	*out = (struct attach_target){.btf_id = btf_find(btf, name, BTF_MASK(BTF_KIND_FUNC), 0)};
	btf_release(btf);
	if (!out->btf_id)
		return error_set(err, ESRCH, "no function \"%.80s\" in the types of program \"%s\"",
			name, info.name);
	return 0;
}
