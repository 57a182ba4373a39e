// SPDX-License-Identifier: MIT
/* Pages that enter and leave the page cache, by file. */
#include "core.h"

struct sums {
	u64 added, removed, pages;
	u32 device, order;
};

HASH(inodes, u64, struct sums);

static const struct sums zero;

static struct sums *find(struct folio *folio)
{
	struct inode *inode = BPF_CORE_READ(folio, mapping, host);
	u64 key = BPF_CORE_READ(inode, i_ino);
	struct sums *value;

	bpf_map_update_elem(&inodes, &key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&inodes, &key);
	if (value) {
		value->device = BPF_CORE_READ(inode, i_sb, s_dev);
		value->pages = BPF_CORE_READ(folio, mapping, nrpages);
	}
	return value;
}

SEC("raw_tp/mm_filemap_add_to_page_cache")
int add(struct bpf_raw_tracepoint_args *ctx)
{
	struct sums *value = find((struct folio *)ctx->args[0]);

	if (value)
		__sync_fetch_and_add(&value->added, 1);
	return 0;
}

SEC("raw_tp/mm_filemap_delete_from_page_cache")
int remove(struct bpf_raw_tracepoint_args *ctx)
{
	struct sums *value = find((struct folio *)ctx->args[0]);

	if (value)
		__sync_fetch_and_add(&value->removed, 1);
	return 0;
}
