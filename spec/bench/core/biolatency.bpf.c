// SPDX-License-Identifier: MIT
/* How long block devices take, by disk and by flags of the request. */
#include "core.h"

struct request_queue___later {
	struct gendisk *disk;
} __attribute__((preserve_access_index));

struct request___before_5_17 {
	struct gendisk *rq_disk;
} __attribute__((preserve_access_index));

struct where {
	u32 device, flags;
};

HASH(issued, struct request *, u64);
HASH(latencies, struct where, struct histogram);

const volatile bool per_flag, per_disk = true;

static const struct histogram zero;

static struct gendisk *disk_of(void *rq)
{
	struct request___before_5_17 *old = rq;
	struct request *request = rq;
	struct request_queue___later *queue;

	if (bpf_core_field_exists(old->rq_disk))
		return BPF_CORE_READ(old, rq_disk);
	queue = (void *)BPF_CORE_READ(request, q);
	return BPF_CORE_READ(queue, disk);
}

static u32 device_of(struct gendisk *disk)
{
	return disk ? (u32)BPF_CORE_READ(disk, major) << 20 | BPF_CORE_READ(disk, first_minor) : 0;
}

SEC("raw_tp/block_rq_issue")
int issue(struct bpf_raw_tracepoint_args *ctx)
{
	struct request *request = (struct request *)ctx->args[0];
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&issued, &request, &now, BPF_ANY);
	return 0;
}

SEC("raw_tp/block_rq_complete")
int complete(struct bpf_raw_tracepoint_args *ctx)
{
	struct request *request = (struct request *)ctx->args[0];
	u64 *since = bpf_map_lookup_elem(&issued, &request);
	struct where key = {};

	if (!since)
		return 0;
	if (per_disk)
		key.device = device_of(disk_of(request));
	if (per_flag)
		key.flags = BPF_CORE_READ(request, cmd_flags);
	bpf_map_update_elem(&latencies, &key, &zero, BPF_NOEXIST);
	count_in(bpf_map_lookup_elem(&latencies, &key), bpf_ktime_get_ns() - *since);
	bpf_map_delete_elem(&issued, &request);
	return 0;
}
