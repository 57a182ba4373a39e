/* SPDX-License-Identifier: MIT */
#include "attachment.h"

#include <string.h>

#include "sys.h"
#include "sys_net.h"

void attachment_init(struct attachment *a)
{
	memset(a, 0, sizeof(*a));
	a->target = -1;
}

bool attachment_is_own(const struct attachment *a)
{
	return a->owner == sys_process_id();
}

void attachment_forget(struct attachment *a)
{
	int target = a->target;

	attachment_init(a);
	sys_close(target);
}

uint64_t attachment_netns(void)
{
	uint64_t inode;

	return sys_inode_at("/proc/thread-self/ns/net", &inode) < 0 ? 0 : inode;
}

uint32_t attachment_program_id(int prog_fd)
{
	struct abi_prog_info info = {0};

	return sys_obj_info(prog_fd, &info, sizeof(info)) < 0 ? 0 : info.id;
}
