// SPDX-License-Identifier: MIT
/* Which files of a process are opened, on which device, by name. */
#include "core.h"

struct where {
	u64 inode;
	u32 device, mount, pid, tid;
};

struct sums {
	u64 opens, size;
	u32 mode, links;
	char comm[NAME_ROOM];
	char name[32];
	char directory[32];
};

HASH(files, struct where, struct sums);

static const struct sums zero;

SEC("raw_tp/do_sys_open")
int opened(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(table, fd), *file = NULL;
	struct dentry *dentry;
	struct inode *inode;
	struct where key = {};
	struct sums *value;

	bpf_core_read(&file, sizeof(file), &fds[0]);
	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	dentry = BPF_CORE_READ(file, f_path.dentry);
	key.inode = BPF_CORE_READ(inode, i_ino);
	key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	key.mount = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	key.pid = BPF_CORE_READ(task, tgid);
	key.tid = BPF_CORE_READ(task, pid);
	value = bpf_map_lookup_elem(&files, &key);
	if (!value) {
		bpf_map_update_elem(&files, &key, &zero, BPF_ANY);
		value = bpf_map_lookup_elem(&files, &key);
		if (!value)
			return 0;
		value->mode = BPF_CORE_READ(inode, i_mode);
		value->links = BPF_CORE_READ(inode, i_nlink);
		bpf_get_current_comm(value->comm, sizeof(value->comm));
		bpf_probe_read_kernel_str(
			value->name, sizeof(value->name), BPF_CORE_READ(dentry, d_name.name));
		bpf_probe_read_kernel_str(value->directory, sizeof(value->directory),
			BPF_CORE_READ(dentry, d_parent, d_name.name));
	}
	value->opens++;
	value->size = BPF_CORE_READ(inode, i_size);
	return 0;
}
