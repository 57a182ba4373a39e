/* SPDX-License-Identifier: MIT */
/*
 * delegate DIRECTORY [OPTION=VALUE]... -- COMMAND...
 *
 * Runs a command as the root of a new user namespace, with a BPF file system of that namespace
 * mounted on the directory. The options are of that mount: delegate_cmds=any. Only the first user
 * namespace may set them, and only the new one may open the context of the file system, so two
 * processes with one table of files make it together.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of <sys/mount.h>, which cannot be had together with <linux/mount.h>. */
int mount(const char *, const char *, const char *, unsigned long, const void *);

struct job {
	const char *directory;
	char **options; /* up to "--" */
	char **command;
	int ready[2], made[2]; /* pipes: the context is there, and the mount */
};

static void fail(const char *what)
{
	fprintf(stderr, "delegate: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static void send_fd(int pipe, int fd)
{
	if (write(pipe, &fd, sizeof(fd)) != sizeof(fd))
		fail("write to the other process");
}

static int receive_fd(int pipe)
{
	int fd;

	if (read(pipe, &fd, sizeof(fd)) != sizeof(fd))
		_exit(125); /* the other one said why */
	return fd;
}

/* In the new user namespace. */
static void run(const struct job *job)
{
	int context, tree;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		fail("make a user namespace");
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 0 1");
	write_text("/proc/self/gid_map", "0 0 1");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail("make mounts private");
	context = (int)syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC);
	if (context < 0)
		fail("open a BPF file system");
	send_fd(job->ready[1], context);
	tree = receive_fd(job->made[0]);
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, job->directory, MOVE_MOUNT_F_EMPTY_PATH) <
		0)
		fail("mount it");
	execvp(job->command[0], job->command);
	fail(job->command[0]);
}

/* In the first one. */
static void make_mount(const struct job *job)
{
	int context = receive_fd(job->ready[0]), tree;
	char **option, *value;

	for (option = job->options; strcmp(*option, "--") != 0; option++) {
		value = strchr(*option, '=');
		*value = '\0';
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, *option, value + 1, 0) < 0)
			fail(*option);
	}
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		fail("create the BPF file system");
	tree = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (tree < 0)
		fail("make a mount of it");
	send_fd(job->made[1], tree);
}

int main(int argc, char **argv)
{
	struct job job = {.directory = argv[1], .options = argv + 2};
	int i, status;
	pid_t pid;

	for (i = 2; i < argc && strcmp(argv[i], "--") != 0 && strchr(argv[i], '='); i++)
		;
	if (argc < 4 || i + 1 >= argc || strcmp(argv[i], "--") != 0) {
		fprintf(stderr, "usage: delegate DIRECTORY [OPTION=VALUE]... -- COMMAND...\n");
		return 125;
	}
	job.command = argv + i + 1;
	if (pipe2(job.ready, O_CLOEXEC) < 0 || pipe2(job.made, O_CLOEXEC) < 0)
		fail("pipe");
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		fail("clone");
	if (pid == 0)
		run(&job);
	make_mount(&job);
	if (waitpid(pid, &status, 0) < 0)
		fail("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
