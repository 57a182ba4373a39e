/* SPDX-License-Identifier: MIT */
#include "attach_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* What is looked for, and where. */
struct search {
	struct core_target *kernel;
	const char *name; /* as the BTF has it, NUL-terminated */
	uint32_t kinds;
	bool essential; /* the name may have a flavour */
	const char *module; /* the only place to look in, or NULL */
	/* found: */
	uint32_t id; /* 0: nothing */
	struct btf *btf;
	const char *found_in;
};

static bool look(struct search *s, struct btf *btf, uint32_t after, const char *module)
{
	char name[BTF_NAME_LIMIT];

	if (s->essential) {
		snprintf(name, sizeof(name), "%.*s", (int)btf_essential_length(s->name), s->name);
		s->id = btf_find(btf, name, s->kinds, after);
	} else {
		s->id = btf_find(btf, s->name, s->kinds, after);
	}
	s->btf = btf;
	s->found_in = module;
	return s->id != 0;
}

static int find(struct search *s, struct error *err)
{
	const struct core_module *module;
	uint32_t i;

	if (!s->module || strcmp(s->module, "vmlinux") == 0) {
		if (look(s, s->kernel->kernel, 0, NULL) || s->module)
			return 0;
	}
	if (core_target_read_modules(s->kernel, err) < 0)
		return -1;
	for (i = 0; i < s->kernel->module_count; i++) {
		module = &s->kernel->modules[i];
		if (s->module && strcmp(s->module, module->name) != 0)
			continue;
		if (look(s, module->btf, module->btf->first_id - 1, module->name))
			return 0;
	}
	return 0;
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

/* `called` is what the user calls it, s->name how the BTF would. */
static int not_found(
	const struct search *s, const char *what, const char *called, struct error *err)
{
	error_set(err, ESRCH, "no %s \"%.80s\"", what, called);
	if (strcmp(s->name, called) != 0)
		error_append(err, " (%.120s)", s->name);
	if (!s->module)
		return error_append(err, " in the types of the kernel and of its %u modules",
			s->kernel->module_count);
	if (has_module(s->kernel, s->module))
		return error_append(err, " in the types of %s%.80s",
			strcmp(s->module, "vmlinux") == 0 ? "" : "module ", s->module);
	return error_append(err,
		": module \"%.80s\" is not loaded, or has no types (which needs Linux 5.11 and "
		"CONFIG_DEBUG_INFO_BTF_MODULES)",
		s->module);
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

int attach_target_find_struct(struct core_target *kernel, const char *name, uint32_t *id,
	struct btf **btf, const char **module, struct error *err)
{
	struct search s = {
		.kernel = kernel,
		.name = name,
		.kinds = BTF_MASK(BTF_KIND_STRUCT),
		.essential = true,
	};

	if (find(&s, err) < 0)
		return -1;
	*id = s.id;
	*btf = s.btf;
	*module = s.found_in;
	return 0;
}

static int find_member(
	struct core_target *kernel, const char *name, struct attach_target *out, struct error *err)
{
	struct search s = {
		.kernel = kernel,
		.kinds = BTF_MASK(BTF_KIND_STRUCT),
		.essential = true,
	};
	char called[BTF_NAME_LIMIT];
	const struct btf_member *members;
	const char *member;
	uint32_t i, count;

	if (!split(name, called, sizeof(called), &member) || !called[0] || !member[0])
		return error_set(err, EINVAL,
			"its target \"%.80s\" is no struct and member, as "
			"\"tcp_congestion_ops:init\"",
			name);
	s.name = called;
	if (find(&s, err) < 0)
		return -1;
	if (!s.id)
		return not_found(&s, "struct", called, err);
	members = btf_members(btf_type(s.btf, s.id), &count);
	for (i = 0; i < count; i++) {
		if (strcmp(btf_string(s.btf, members[i].name_off), member) == 0) {
			*out = (struct attach_target){s.id, s.found_in, i};
			return 0;
		}
	}
	return error_set(
		err, ESRCH, "no member \"%.80s\" in the kernel's struct %.80s", member, called);
}

int attach_target_find(struct core_target *kernel, uint32_t prog_type, uint32_t attach_type,
	const char *name, struct attach_target *out, struct error *err)
{
	const struct naming *naming = find_naming(prog_type, attach_type);
	struct search s = {.kernel = kernel};
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
	s.name = wanted;
	s.kinds = BTF_MASK(naming->kind);
	s.module = rest != name ? module : NULL;
	if (find(&s, err) < 0)
		return -1;
	if (!s.id)
		return not_found(&s, naming->what, rest, err);
	*out = (struct attach_target){.btf_id = s.id, .module = s.found_in};
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
