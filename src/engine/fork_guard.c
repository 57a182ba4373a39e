/* SPDX-License-Identifier: MIT */
#include "fork_guard.h"

#include <stddef.h>

#include "sys.h"

void fork_guard_open(struct fork_guard *guard)
{
	void *page = NULL;

	if (!guard->mark && sys_map_wiped_on_fork(&page) == 0)
		guard->mark = page;
	fork_guard_renew(guard);
}

void fork_guard_renew(struct fork_guard *guard)
{
	guard->pid = sys_process_id();
	if (guard->mark)
		*guard->mark = 1;
}

/* The page itself, unlike a perf mapping, is inherited by children: theirs to unmap too. */
void fork_guard_close(struct fork_guard *guard)
{
	sys_unmap((void *)(uintptr_t)guard->mark, sys_page_size());
	guard->mark = NULL;
	guard->pid = 0;
}

bool fork_guard_holds_pid(const struct fork_guard *guard)
{
	return guard->pid == sys_process_id();
}
