/* SPDX-License-Identifier: MIT */
#include "token.h"

#include <errno.h>
#include <stdlib.h>

#include "fdinfo.h"
#include "mounts.h"
#include "probe.h"
#include "since.h"
#include "sys.h"
#include "sys_file.h"

#define DELEGATES "delegate_cmds, delegate_maps, delegate_progs and delegate_attachs"

/* The commands that take a token, as mount options call them. */
static const char *const command_names[] = {
	[BPF_MAP_CREATE] = "map_create",
	[BPF_PROG_LOAD] = "prog_load",
	[BPF_BTF_LOAD] = "btf_load",
	[BPF_BTF_GET_FD_BY_ID] = "btf_get_fd_by_id",
};

const struct names_table token_commands = {
	"command",
	command_names,
	sizeof(command_names) / sizeof(command_names[0]),
};

/* An EINVAL: the kernel knows no tokens, or the path is not what it should be. */
static void explain_invalid(const char *path, struct error *err)
{
	uint32_t version = probe_kernel_version();
	char now[SINCE_TEXT];

	if (version && version < (6U << 16 | 9 << 8)) {
		since_print(version, now);
		error_append(err, ": BPF tokens came with Linux 6.9, and this is %s", now);
	} else if (sys_on_filesystem(path, mounts_bpffs.magic) != 1) {
		error_append(err, ": that is no BPF file system");
	} else {
		error_append(err, ": that is not the root of the BPF file system");
	}
}

static void explain_create(const char *path, struct error *err)
{
	switch (err->code) {
	case EINVAL:
		explain_invalid(path, err);
		break;
	case ENOENT:
		error_append(err, ": that BPF file system delegates nothing: mount it with the "
				  "options " DELEGATES
				  ", which takes CAP_SYS_ADMIN in the first user namespace");
		break;
	case EOPNOTSUPP:
		error_append(err,
			": this process is in the first user namespace, where capabilities count "
			"and tokens are not needed");
		break;
	case EPERM:
		if (probe_lacking(PROBE_BPF))
			error_append(err, ": needs CAP_BPF in the user namespace of the process");
		else
			error_append(err,
				": the BPF file system belongs to another user namespace than the "
				"process: its context has to be opened, by fsopen(2), in this one");
		break;
	}
}

int token_create(const char *path, struct error *err)
{
	char found[MOUNTS_PATH_SIZE];
	struct abi_token_create attr = {0};
	int directory, fd;

	if (!path && mounts_find(&mounts_bpffs, found, err) < 0)
		return error_prefix(err, "create BPF token");
	path = path ? path : found;
	directory = sys_open_directory(path);
	if (directory < 0)
		return error_errno(err, directory, "create BPF token of %.200s: open it", path);
	attr.bpffs_fd = (uint32_t)directory;
	fd = sys_bpf_fd(BPF_TOKEN_CREATE, &attr, sizeof(attr));
	sys_close(directory);
	if (fd >= 0)
		return fd;
	error_errno(err, fd, "create BPF token of %.200s", path);
	explain_create(path, err);
	return -1;
}

int token_load_btf(struct abi_btf_load *attr, int token)
{
	if (token) {
		attr->btf_flags |= BPF_F_TOKEN_FD;
		attr->btf_token_fd = token;
	}
	return sys_bpf_fd(BPF_BTF_LOAD, attr, sizeof(*attr));
}

/* What has all bits says "any", which is no number. */
static uint64_t read_right(const char *text, const char *field)
{
	uint64_t allowed;

	return fdinfo_number(text, field, &allowed) ? allowed : TOKEN_ANY;
}

int token_rights(int token, struct token_rights *rights, struct error *err)
{
	char *text;
	int ret = fdinfo_read(0, token, &text);

	if (ret < 0)
		return error_errno(err, ret, "read /proc/self/fdinfo/%d", token);
	*rights = (struct token_rights){
		.commands = read_right(text, "allowed_cmds"),
		.maps = read_right(text, "allowed_maps"),
		.programs = read_right(text, "allowed_progs"),
		.attach_types = read_right(text, "allowed_attachs"),
	};
	free(text);
	return 0;
}

static bool is_withheld(uint64_t allowed, uint32_t id)
{
	return id < 64 && !(allowed >> id & 1);
}

/* "the token delegates no maps of type hash: mount its BPF file system with delegate_maps=hash" */
static void append_type(struct error *err, const char *what, const struct names_table *names,
	uint32_t id, const char *option)
{
	const char *name = names_of(names, id);

	if (name)
		error_append(err,
			": the token delegates no %s %s: mount its BPF file system with %s=%s",
			what, name, option, name);
	else
		error_append(err,
			": the token delegates no %s %u: mount its BPF file system with %s=any",
			what, id, option);
}

static bool explain_types(
	struct error *err, const struct token_rights *rights, const struct token_use *use)
{
	if (use->command == BPF_MAP_CREATE && is_withheld(rights->maps, use->map_type))
		append_type(err, "maps of type", &names_map_types, use->map_type, "delegate_maps");
	else if (use->command == BPF_PROG_LOAD && is_withheld(rights->programs, use->prog_type))
		append_type(err, "programs of type", &names_prog_types, use->prog_type,
			"delegate_progs");
	else if (use->command == BPF_PROG_LOAD &&
		 is_withheld(rights->attach_types, use->attach_type))
		append_type(err, "programs of attach type", &names_attach_types, use->attach_type,
			"delegate_attachs");
	else
		return false;
	return true;
}

/* What the token withholds; false: nothing. */
static bool explain_token(
	struct error *err, const struct token_rights *rights, const struct token_use *use)
{
	enum bpf_cmd command = use->command;
	const char *name;

	if (use->needs_btf && !is_withheld(rights->commands, command))
		command = BPF_BTF_LOAD;
	if (!is_withheld(rights->commands, command))
		return explain_types(err, rights, use);
	name = names_of(&token_commands, command);
	error_append(err,
		": the token does not delegate the command %s: mount its BPF file system with "
		"delegate_cmds=%s",
		name, name);
	return true;
}

int token_explain(struct error *err, int token, const struct token_use *use)
{
	struct token_rights rights;
	struct error ignored;

	if (err->code != EPERM || !token || probe_lacking(use->needs) ||
		token_rights(token, &rights, &ignored) < 0)
		return probe_explain_privilege(err, use->needs);
	if (!explain_token(err, &rights, use))
		error_append(err,
			": the token delegates it, so something else in the kernel forbids it");
	return -1;
}
