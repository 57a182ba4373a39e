/* SPDX-License-Identifier: MIT */
#include "holders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdinfo.h"
#include "pool.h"
#include "sys_info.h"

enum {
	FIRST_SIZE = 1 << 14,
	SIZE_LIMIT = 1 << 26,
	KIND_SIZE = 64,
	DEPTH_MAX = 32,
	COMM_LIMIT = 64
};

/* What the links of /proc/<pid>/fd say, and the field of /proc/<pid>/fdinfo that tells the id. */
static const struct {
	const char *target;
	enum holder_kind kind;
	const char *field;
} kinds[] = {
	{"anon_inode:bpf-map", HOLDER_MAP, "map_id"},
	{"anon_inode:bpf-prog", HOLDER_PROGRAM, "prog_id"},
	{"anon_inode:bpf-link", HOLDER_LINK, "link_id"},
	{"anon_inode:bpf_link", HOLDER_LINK, "link_id"},
	{"anon_inode:btf", HOLDER_BTF, "btf_id"},
};

static const char event_target[] = "anon_inode:[perf_event]";

/* The index in `kinds`, or -1. */
static int find_kind(const char *target)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(target, kinds[i].target) == 0)
			return (int)i;
	}
	return -1;
}

/* The names in a directory as of sys_list_directory(), to be freed; or a negative errno. */
static int list(const char *path, char **names, size_t *used)
{
	size_t size;
	int ret;

	for (size = FIRST_SIZE; size <= SIZE_LIMIT; size *= 2) {
		*names = malloc(size);
		if (!*names)
			return -ENOMEM;
		ret = sys_list_directory(path, *names, size, used);
		if (ret == 0)
			return 0;
		free(*names);
		*names = NULL;
		if (ret != -ERANGE)
			return ret;
	}
	return -EFBIG;
}

static int add(struct holders *holders, const struct holder *holder)
{
	struct holder *grown = pool_grow(
		holders->list, &holders->room, holders->count, 1, (uint32_t)sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	holders->list = grown;
	grown[holders->count++] = *holder;
	return 0;
}

/* The number behind a name of nothing but digits; 0 for others. */
static int number(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	return *end == '\0' && end != name && n > 0 && n <= INT32_MAX ? (int)n : 0;
}

static void read_comm(int process, char comm[HOLDER_COMM_SIZE])
{
	char path[32], *text;
	size_t size, n;

	comm[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", process);
	if (sys_read_file(path, COMM_LIMIT, &text, &size) < 0)
		return;
	n = strcspn(text, "\n");
	if (n >= HOLDER_COMM_SIZE)
		n = HOLDER_COMM_SIZE - 1;
	memcpy(comm, text, n);
	comm[n] = '\0';
	free(text);
}

/* The id of the object behind a descriptor; 0: it is gone. */
static uint32_t read_id(int process, int fd, const char *field)
{
	uint64_t id = 0;
	char *text;

	if (fdinfo_read(process, fd, &text) < 0)
		return 0;
	if (!fdinfo_number(text, field, &id) || id > UINT32_MAX)
		id = 0;
	free(text);
	return (uint32_t)id;
}

/* Adds what a descriptor holds, if anything. */
static int look_at_fd(struct holders *holders, int process, int fd)
{
	struct holder holder = {.process = process, .fd = fd};
	char target[KIND_SIZE];
	int kind;

	if (sys_process_fd_kind(process, fd, target, sizeof(target)) < 0)
		return 0;
	kind = find_kind(target);
	if (kind >= 0) {
		holder.kind = kinds[kind].kind;
		holder.id = read_id(process, fd, kinds[kind].field);
	} else if (strcmp(target, event_target) == 0) {
		holder.kind = HOLDER_PROGRAM;
		holder.by_event = true;
		sys_event_program(process, fd, &holder.id);
	}
	if (!holder.id)
		return 0;
	read_comm(process, holder.comm);
	return add(holders, &holder);
}

static int look_at_process(struct holders *holders, int process)
{
	char path[32], *names;
	size_t used, at;
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/fd", process);
	ret = list(path, &names, &used);
	if (ret == -EACCES || ret == -EPERM)
		holders->unreadable++;
	/* It may have ended. */
	if (ret < 0)
		return ret == -ENOMEM ? ret : 0;
	for (at = 0; at < used && ret == 0; at += strlen(names + at) + 1) {
		if (number(names + at) || strcmp(names + at, "0") == 0)
			ret = look_at_fd(holders, process, number(names + at));
	}
	free(names);
	return ret;
}

int holders_add_processes(struct holders *holders, struct error *err)
{
	size_t used, at;
	char *names;
	int ret = list("/proc", &names, &used);

	if (ret < 0)
		return error_errno(err, ret, "list processes: list directory \"/proc\"");
	for (at = 0; at < used && ret == 0; at += strlen(names + at) + 1) {
		if (number(names + at))
			ret = look_at_process(holders, number(names + at));
	}
	free(names);
	return ret < 0 ? error_errno(err, ret, "list processes") : 0;
}

/* Adds what is pinned at a path. */
static int look_at_pin(struct holders *holders, const char *path)
{
	struct holder holder = {0};
	char target[KIND_SIZE];
	int kind, fd, ret;

	fd = sys_obj_get(path, 0);
	if (fd == -EMFILE || fd == -ENFILE)
		return fd;
	if (fd < 0) {
		holders->unreadable++;
		return 0;
	}
	kind = sys_fd_kind(fd, target, sizeof(target)) < 0 ? -1 : find_kind(target);
	if (kind >= 0) {
		holder.kind = kinds[kind].kind;
		holder.id = read_id(0, fd, kinds[kind].field);
	}
	sys_close(fd);
	if (!holder.id)
		return 0;
	holder.path = strdup(path);
	ret = holder.path ? add(holders, &holder) : -ENOMEM;
	if (ret < 0)
		free(holder.path);
	return ret;
}

static int look_at_directory(struct holders *holders, const char *path, int depth)
{
	size_t used, at;
	char *names, *child;
	int ret, kind;

	ret = list(path, &names, &used);
	if (ret < 0) {
		holders->unreadable++;
		return ret == -ENOMEM || depth == 0 ? ret : 0;
	}
	for (at = 0; at < used && ret == 0; at += strlen(names + at) + 1) {
		child = malloc(strlen(path) + strlen(names + at) + 2);
		if (!child) {
			ret = -ENOMEM;
			break;
		}
		sprintf(child, "%s/%s", path, names + at);
		kind = sys_file_kind(child);
		if (kind == SYS_DIRECTORY && depth < DEPTH_MAX)
			ret = look_at_directory(holders, child, depth + 1);
		else if (kind == SYS_FILE)
			ret = look_at_pin(holders, child);
		free(child);
	}
	free(names);
	return ret;
}

int holders_add_pins(struct holders *holders, const char *directory, struct error *err)
{
	int ret = look_at_directory(holders, directory, 0);

	return ret < 0 ? error_errno(err, ret, "list pins below \"%.400s\"", directory) : 0;
}

void holders_free(struct holders *holders)
{
	uint32_t i;

	for (i = 0; i < holders->count; i++)
		free(holders->list[i].path);
	free(holders->list);
	memset(holders, 0, sizeof(*holders));
}
