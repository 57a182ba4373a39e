// SPDX-License-Identifier: MIT
/* Packets that the kernel drops, with the device, the protocol and the place. */
#include "core.h"

struct where {
	u64 place;
	u32 device;
	u16 protocol, mark;
};

struct sums {
	u64 packets, bytes;
	char device[16];
};

HASH(drops, struct where, struct sums);

static const struct sums zero;

SEC("raw_tp/kfree_skb")
int dropped(struct bpf_raw_tracepoint_args *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx->args[0];
	struct net_device *device = BPF_CORE_READ(skb, dev);
	struct where key = {.place = ctx->args[1]};
	struct sums *value;

	key.protocol = BPF_CORE_READ(skb, protocol);
	key.mark = BPF_CORE_READ(skb, mark);
	if (device)
		key.device = BPF_CORE_READ(device, ifindex);
	if (bpf_core_field_exists(skb->cloned) && BPF_CORE_READ_BITFIELD_PROBED(skb, cloned))
		return 0;
	bpf_map_update_elem(&drops, &key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&drops, &key);
	if (!value)
		return 0;
	if (device)
		BPF_CORE_READ_STR_INTO(&value->device, device, name);
	__sync_fetch_and_add(&value->packets, 1);
	__sync_fetch_and_add(&value->bytes, BPF_CORE_READ(skb, len));
	return 0;
}
