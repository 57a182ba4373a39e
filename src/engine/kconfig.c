/* SPDX-License-Identifier: MIT */
#include "kconfig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inflate.h"
#include "kallsyms.h"
#include "probe.h"
#include "sys.h"

enum { FILE_LIMIT = 1 << 25, PATH_ROOM = 128, RELEASE_ROOM = 65 };

#define OPTION_PREFIX  "CONFIG_"
#define VIRTUAL_PREFIX "LINUX_"

/* enum libbpf_tristate */
enum { TRI_NO, TRI_YES, TRI_MODULE };

static const char *const kind_names[] = {
	[KCONFIG_BOOL] = "bool",
	[KCONFIG_TRISTATE] = "tristate",
	[KCONFIG_CHAR] = "char",
	[KCONFIG_INT] = "int",
	[KCONFIG_STRING] = "string",
};

const char *kconfig_kind_name(uint32_t kind)
{
	return kind < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[kind] : NULL;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static enum kconfig_kind kind_of_int(const struct btf_type *type, bool *is_signed)
{
	uint32_t encoding = btf_int_encoding(type);

	if (encoding & BTF_INT_BOOL)
		return type->size == 1 ? KCONFIG_BOOL : KCONFIG_NONE;
	*is_signed = encoding & BTF_INT_SIGNED;
	switch (type->size) {
	case 1:
		return KCONFIG_CHAR;
	case 2:
	case 4:
	case 8:
		return KCONFIG_INT;
	default:
		return KCONFIG_NONE;
	}
}

enum kconfig_kind kconfig_kind_of(const struct btf *btf, uint32_t id, bool *is_signed)
{
	const struct btf_array *array;
	const struct btf_type *type;
	bool ignored;

	*is_signed = false;
	if (!btf_resolve(btf, id, &id))
		return KCONFIG_NONE;
	type = btf_type(btf, id);
	switch (btf_kind(type)) {
	case BTF_KIND_INT:
		return kind_of_int(type, is_signed);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		if (type->size == 4 && strcmp(btf_name(btf, type), "libbpf_tristate") == 0)
			return KCONFIG_TRISTATE;
		return KCONFIG_NONE;
	case BTF_KIND_ARRAY:
		array = btf_tail(type);
		if (!array->nelems || !btf_resolve(btf, array->type, &id))
			return KCONFIG_NONE;
		type = btf_type(btf, id);
		if (btf_kind(type) == BTF_KIND_INT && kind_of_int(type, &ignored) == KCONFIG_CHAR)
			return KCONFIG_STRING;
		return KCONFIG_NONE;
	default:
		return KCONFIG_NONE;
	}
}

/* Variables being filled. */
struct filling {
	struct kconfig_variable **sorted; /* those that are not found yet, by name */
	uint32_t count;
	unsigned char *data;
	struct error *err;
};

static int wrong_kind(struct filling *f, const struct kconfig_variable *v, const char *value)
{
	return error_set(f->err, EINVAL,
		"%.80s: its value %.40s is no %s, which the program asks for", v->name, value,
		kconfig_kind_name(v->kind));
}

/* Lower bytes first or last, as the machine has them. */
static void store(struct filling *f, struct kconfig_variable *v, uint64_t value)
{
	unsigned char *at = f->data + v->offset;
	uint16_t half = (uint16_t)value;
	uint32_t word = (uint32_t)value;

	if (v->size == 1)
		*at = (unsigned char)value;
	else if (v->size == 2)
		memcpy(at, &half, sizeof(half));
	else if (v->size == 4)
		memcpy(at, &word, sizeof(word));
	else
		memcpy(at, &value, sizeof(value));
	v->found = true;
}

static bool is_in_range(const struct kconfig_variable *v, uint64_t value, bool negative)
{
	unsigned int bits = v->size * 8;

	if (v->kind == KCONFIG_BOOL)
		return value <= 1;
	if (bits == 64)
		return true; /* addresses are written into signed variables, too */
	if (negative)
		return v->is_signed && (int64_t)value >= INT64_MIN >> (64 - bits);
	return value < 1ULL << (v->is_signed ? bits - 1 : bits);
}

static int set_number(struct filling *f, struct kconfig_variable *v, const char *value)
{
	const char *digits = value + (*value == '-');
	uint64_t number;
	char *end;

	if (v->kind == KCONFIG_TRISTATE || v->kind == KCONFIG_STRING)
		return wrong_kind(f, v, value);
	errno = 0;
	number = strtoull(digits, &end, 0);
	if (*digits < '0' || *digits > '9' || *end)
		return error_set(
			f->err, EINVAL, "%.80s: its value %.40s is no number", v->name, value);
	if (*value == '-' && number > (uint64_t)INT64_MAX + 1)
		errno = ERANGE;
	if (*value == '-')
		number = 0 - number;
	if (errno || !is_in_range(v, number, *value == '-' && number))
		return error_set(f->err, ERANGE,
			"%.80s: its value %.40s does not fit into %s of %u byte%s", v->name, value,
			v->kind == KCONFIG_BOOL ? "a bool" : "a number", v->size,
			v->size == 1 ? "" : "s");
	store(f, v, number);
	return 0;
}

/* y, n or m */
static int set_state(struct filling *f, struct kconfig_variable *v, const char *value)
{
	switch (v->kind) {
	case KCONFIG_BOOL:
		if (*value == 'm')
			return error_set(f->err, EINVAL,
				"%.80s: its value is m, so the program must declare it as enum "
				"libbpf_tristate and not as bool",
				v->name);
		store(f, v, *value == 'y');
		return 0;
	case KCONFIG_TRISTATE:
		store(f, v, *value == 'm' ? TRI_MODULE : *value == 'y' ? TRI_YES : TRI_NO);
		return 0;
	case KCONFIG_CHAR:
		store(f, v, (unsigned char)*value);
		return 0;
	default:
		return wrong_kind(f, v, value);
	}
}

/* "text", in which a backslash stands before quotes and backslashes. */
static int set_string(struct filling *f, struct kconfig_variable *v, const char *value)
{
	unsigned char *at = f->data + v->offset;
	uint32_t length = 0;

	if (v->kind != KCONFIG_STRING)
		return wrong_kind(f, v, value);
	for (value++; *value && *value != '"'; value++) {
		if (*value == '\\' && value[1])
			value++;
		if (length + 1 < v->size)
			at[length] = (unsigned char)*value;
		length++;
	}
	if (value[0] != '"' || value[1])
		return error_set(
			f->err, EINVAL, "%.80s: its string does not end with quotes", v->name);
	if (length >= v->size)
		return error_set(f->err, ERANGE,
			"%.80s: its string has %u characters, for which the program's array of %u "
			"is "
			"too short",
			v->name, length, v->size);
	memset(at + length, 0, v->size - length);
	v->found = true;
	return 0;
}

static int set_value(struct filling *f, struct kconfig_variable *v, const char *value)
{
	if (*value == '"')
		return set_string(f, v, value);
	if ((*value == 'y' || *value == 'n' || *value == 'm') && !value[1])
		return set_state(f, v, value);
	return set_number(f, v, value);
}

static struct kconfig_variable *find(const struct filling *f, const char *name)
{
	uint32_t low = 0, high = f->count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = strcmp(name, f->sorted[middle]->name);
		if (order == 0)
			return f->sorted[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* "CONFIG_NAME=value"; what begins otherwise is a comment. The first of several lines counts. */
static int read_line(struct filling *f, char *line)
{
	char *separator = strchr(line, '='), *end = line + strlen(line);
	struct kconfig_variable *v;

	if (!has_prefix(line, OPTION_PREFIX))
		return 0;
	if (!separator)
		return error_set(f->err, EINVAL, "\"%.80s\" has no = in it", line);
	*separator = '\0';
	v = find(f, line);
	if (!v || v->found)
		return 0;
	while (end > separator + 1 && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		*--end = '\0';
	if (!separator[1])
		return error_set(f->err, EINVAL, "%.80s: no value behind its =", v->name);
	return set_value(f, v, separator + 1);
}

/* `text` is cut up. */
static int read_lines(struct filling *f, char *text)
{
	char *line, *end;

	for (line = text; line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		if (read_line(f, line) < 0)
			return -1;
	}
	return 0;
}

/* Reads a file, and what is in it if it is a gzip file. */
static int read_file(const char *path, char **text, struct error *err)
{
	char *packed;
	size_t size;
	int ret = sys_read_file(path, FILE_LIMIT, text, &size);

	if (ret < 0)
		return error_errno(err, ret, "read %s", path);
	if (!inflate_is_gzip(*text, size))
		return 0;
	packed = *text;
	ret = inflate_gzip(packed, size, FILE_LIMIT, text, &size, err);
	free(packed);
	return ret < 0 ? error_prefix(err, "read %s", path) : 0;
}

/* /proc/config.gz is this very kernel's; files in /boot may be another's of the same release. */
static int read_system(struct filling *f)
{
	char path[PATH_ROOM], release[RELEASE_ROOM] = "";
	char *text;
	int ret;

	ret = read_file("/proc/config.gz", &text, f->err);
	if (ret < 0 && f->err->code == ENOENT) {
		sys_kernel_release(release, sizeof(release));
		snprintf(path, sizeof(path), "/boot/config-%s", release);
		ret = read_file(path, &text, f->err);
		if (ret < 0 && f->err->code == ENOENT)
			return error_set(f->err, ENOENT,
				"no configuration of this kernel: there is neither "
				"/proc/config.gz, "
				"which needs CONFIG_IKCONFIG_PROC, nor %s: give one by the option "
				"kconfig",
				path);
	}
	if (ret < 0)
		return -1;
	ret = read_lines(f, text);
	free(text);
	return ret;
}

/* Of the system calls' functions, where they take their arguments in one struct pt_regs. */
static const char *syscall_wrapper(void)
{
#if defined(__x86_64__)
	return "__x64_sys_bpf";
#elif defined(__i386__)
	return "__ia32_sys_bpf";
#elif defined(__aarch64__)
	return "__arm64_sys_bpf";
#elif defined(__s390x__)
	return "__s390x_sys_bpf";
#elif defined(__riscv)
	return "__riscv_sys_bpf";
#elif defined(__powerpc64__)
	return "__powerpc_sys_bpf";
#else
	return NULL;
#endif
}

static uint64_t has_syscall_wrapper(void)
{
	const char *name = syscall_wrapper();
	struct error ignored;

	return name && kallsyms_has(name, &ignored) == 1;
}

static uint64_t has_bpf_cookie(void)
{
	return probe_has_attach_cookie();
}

static uint64_t kernel_version(void)
{
	return probe_kernel_version();
}

static const struct virtual
{
	const char *name;
	uint64_t (*value)(void);
}
virtuals[] = {
	{"LINUX_KERNEL_VERSION", kernel_version},
	{"LINUX_HAS_BPF_COOKIE", has_bpf_cookie},
	{"LINUX_HAS_SYSCALL_WRAPPER", has_syscall_wrapper},
};

/* A variable that is no option of the kernel. Unknown ones that are weak are for later versions. */
static int set_virtual(struct filling *f, struct kconfig_variable *v)
{
	char value[32];
	size_t i;

	for (i = 0; i < sizeof(virtuals) / sizeof(virtuals[0]); i++) {
		if (strcmp(v->name, virtuals[i].name) != 0)
			continue;
		snprintf(value, sizeof(value), "%" PRIu64, virtuals[i].value());
		return set_number(f, v, value);
	}
	if (v->weak && has_prefix(v->name, VIRTUAL_PREFIX))
		return 0;
	return error_set(f->err, EINVAL,
		"%.80s: neither CONFIG_ and the name of an option, nor LINUX_KERNEL_VERSION, "
		"LINUX_HAS_BPF_COOKIE or LINUX_HAS_SYSCALL_WRAPPER",
		v->name);
}

/* 1: an option of the kernel is still without a value, and must have one; 2: it may have one. */
static int missing(const struct filling *f)
{
	bool optional = false;
	uint32_t i;

	for (i = 0; i < f->count; i++) {
		if (f->sorted[i]->found || !has_prefix(f->sorted[i]->name, OPTION_PREFIX))
			continue;
		if (!f->sorted[i]->weak)
			return 1;
		optional = true;
	}
	return optional ? 2 : 0;
}

static int fill(struct filling *f, const char *text)
{
	char *copy;
	uint32_t i;
	int ret, need;

	for (i = 0; i < f->count; i++) {
		if (!has_prefix(f->sorted[i]->name, OPTION_PREFIX) &&
			set_virtual(f, f->sorted[i]) < 0)
			return -1;
	}
	if (text) {
		copy = strdup(text);
		if (!copy)
			return error_errno(f->err, ENOMEM, "read the option kconfig");
		ret = read_lines(f, copy);
		free(copy);
		if (ret < 0)
			return -1;
	}
	need = missing(f);
	ret = need ? read_system(f) : 0;
	/* Variables that are all weak do without. */
	return ret < 0 && need == 2 && f->err->code == ENOENT ? 0 : ret;
}

static int compare(const void *a, const void *b)
{
	const struct kconfig_variable *x = *(struct kconfig_variable *const *)a;
	const struct kconfig_variable *y = *(struct kconfig_variable *const *)b;

	return strcmp(x->name, y->name);
}

/* Whether the variable lies in the data, and is of a size of its kind. */
static bool is_sound(const struct kconfig_variable *v, size_t size)
{
	static const uint16_t sizes[] = {
		[KCONFIG_BOOL] = 1 << 1,
		[KCONFIG_TRISTATE] = 1 << 4,
		[KCONFIG_CHAR] = 1 << 1,
		[KCONFIG_INT] = 1 << 2 | 1 << 4 | 1 << 8,
	};

	if (v->offset > size || v->size > size - v->offset || !kconfig_kind_name(v->kind))
		return false;
	return v->kind == KCONFIG_STRING ? v->size : v->size <= 8 && sizes[v->kind] >> v->size & 1;
}

int kconfig_fill(struct kconfig_variable *variables, uint32_t count, const char *text,
	unsigned char *data, size_t size, struct error *err)
{
	struct filling f = {.data = data, .err = err};
	uint32_t i;
	int ret;

	f.sorted = calloc(count + 1U, sizeof(struct kconfig_variable *));
	if (!f.sorted)
		return error_errno(err, ENOMEM, "look for %u options of the kernel", count);
	for (i = 0; i < count; i++) {
		if (!is_sound(&variables[i], size)) {
			free(f.sorted);
			return error_set(err, EINVAL, "%.80s: it does not lie in .kconfig",
				variables[i].name);
		}
		if (!variables[i].found)
			f.sorted[f.count++] = &variables[i];
	}
	qsort(f.sorted, f.count, sizeof(struct kconfig_variable *), compare);
	ret = fill(&f, text);
	free(f.sorted);
	return ret;
}
