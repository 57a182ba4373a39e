/* SPDX-License-Identifier: MIT */
/*
 * Drops packets by their source address, as early as can be: the addresses and prefixes that are
 * banned, each until its time, and those of a list, which is replaced as a whole. blocklist.lua
 * fills the maps.
 *
 * Single addresses are in hash maps and prefixes in LPM tries, which takes four maps for the bans and
 * four for the list. Those of the list are inside of other maps, in one of two slots, and one number
 * says which slot counts: so a list changes between two packets.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
	BANS = 65536, /* as many as fit; blocklist.lua says how many there shall be */
	VLAN_TAGS = 2,
	/* How many prefixes that have expired may lie around an address, before it passes. */
	EXPIRED_MOST = 8,
};

/* What is known of an address or a prefix. */
struct entry {
	__u64 expires; /* by bpf_ktime_get_ns(); 0: never */
	__u64 packets; /* how many it dropped, or would have */
	__u64 bytes;
	__u32 reason; /* whatever the user says */
	__u32 length; /* of the prefix */
};

struct prefix {
	__u32 length;
	__u8 address[16]; /* tries of IPv4 look at four bytes */
};

struct prefix4 {
	__u32 length;
	__u8 address[4];
};

struct address4 {
	__u8 bytes[4];
};

struct address6 {
	__u8 bytes[16];
};

#define HOSTS(key_type)                                                                            \
	__uint(type, BPF_MAP_TYPE_HASH);                                                           \
	__uint(max_entries, BANS);                                                                 \
	__uint(map_flags, BPF_F_NO_PREALLOC);                                                      \
	__type(key, key_type);                                                                     \
	__type(value, struct entry)

#define NETS(key_type)                                                                             \
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);                                                       \
	__uint(max_entries, BANS);                                                                 \
	__uint(map_flags, BPF_F_NO_PREALLOC);                                                      \
	__type(key, key_type);                                                                     \
	__type(value, struct entry)

struct {
	HOSTS(struct address4);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ban_hosts4 SEC(".maps");

struct {
	NETS(struct prefix4);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ban_nets4 SEC(".maps");

struct {
	HOSTS(struct address6);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ban_hosts6 SEC(".maps");

struct {
	NETS(struct prefix);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ban_nets6 SEC(".maps");

/* The list: two slots for each kind of map. */
#define SLOTS(map, inner, key_type)                                                                \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                          \
		__uint(max_entries, 2);                                                            \
		__type(key, __u32);                                                                \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                                               \
		__array(                                                                           \
			values, struct { inner(key_type); });                                      \
	} map SEC(".maps")

SLOTS(list_hosts4, HOSTS, struct address4);
SLOTS(list_nets4, NETS, struct prefix4);
SLOTS(list_hosts6, HOSTS, struct address6);
SLOTS(list_nets6, NETS, struct prefix);

enum setting {
	SLOT, /* of the list that counts */
	DRY_RUN, /* count, and let pass */
	SAMPLE_EVERY, /* tell of one in so many; 0: of none */
	SETTINGS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SETTINGS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

enum verdict { PASSED, DROPPED, SPARED, VERDICTS };

struct total {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, struct total);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} totals SEC(".maps");

struct drop {
	__u64 time; /* by bpf_ktime_get_ns() */
	__u8 address[16]; /* of IPv4: the first four bytes */
	__u32 family; /* 4 or 6 */
	__u32 length; /* of the prefix that matched */
	__u32 reason;
	__u32 bytes;
	__u32 interface;
	__u32 spared; /* dry run */
};

struct drop *unused __attribute__((unused)); /* brings the type into the object */

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} drops SEC(".maps");

static __always_inline __u32 setting(__u32 which)
{
	__u32 *value = bpf_map_lookup_elem(&settings, &which);

	return value ? *value : 0;
}

static __always_inline int counts(const struct entry *entry, __u64 now)
{
	return !entry->expires || entry->expires > now;
}

/* A prefix that has expired hides shorter ones around it that have not. */
static __always_inline struct entry *find(
	void *hosts, void *nets, struct prefix *key, __u32 bits, __u64 now)
{
	struct entry *entry = bpf_map_lookup_elem(hosts, key->address);
	int i;

	if (entry && counts(entry, now))
		return entry;
	key->length = bits;
#pragma unroll
	for (i = 0; i < EXPIRED_MOST; i++) {
		entry = bpf_map_lookup_elem(nets, key);
		if (!entry || counts(entry, now))
			return entry;
		if (!entry->length)
			return NULL;
		key->length = entry->length - 1;
	}
	return NULL;
}

static __always_inline struct entry *find_listed(
	void *hosts, void *nets, struct prefix *key, __u32 bits, __u64 now)
{
	__u32 slot = setting(SLOT);

	hosts = bpf_map_lookup_elem(hosts, &slot);
	nets = bpf_map_lookup_elem(nets, &slot);
	return hosts && nets ? find(hosts, nets, key, bits, now) : NULL;
}

/* Behind the Ethernet header and tags of VLANs. */
static __always_inline void *skip_link_layer(void *data, void *end, __be16 *protocol)
{
	struct tag {
		__be16 id, protocol;
	} * tag;
	struct ethhdr *eth = data;
	int i;

	if ((void *)(eth + 1) > end)
		return NULL;
	*protocol = eth->h_proto;
	tag = (void *)(eth + 1);
#pragma unroll
	for (i = 0; i < VLAN_TAGS; i++) {
		if (*protocol != bpf_htons(ETH_P_8021Q) && *protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return NULL;
		*protocol = tag->protocol;
		tag++;
	}
	return tag;
}

/* Who sent the packet: 4, 6, or 0 for what is neither. */
static __always_inline __u32 read_source(void *data, void *end, struct prefix *key)
{
	__be16 protocol = 0;
	void *network = skip_link_layer(data, end, &protocol);
	struct ipv6hdr *ip6 = network;
	struct iphdr *ip4 = network;

	if (network && protocol == bpf_htons(ETH_P_IP) && (void *)(ip4 + 1) <= end) {
		__builtin_memcpy(key->address, &ip4->saddr, sizeof(ip4->saddr));
		return 4;
	}
	if (network && protocol == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end) {
		__builtin_memcpy(key->address, &ip6->saddr, sizeof(ip6->saddr));
		return 6;
	}
	return 0;
}

static __always_inline void add_up(__u32 verdict, __u64 bytes)
{
	struct total *total = bpf_map_lookup_elem(&totals, &verdict);

	if (total) {
		total->packets++;
		total->bytes += bytes;
	}
}

static __always_inline void sample(struct xdp_md *ctx, const struct entry *entry,
	const struct prefix *key, __u32 family, __u32 bytes, __u32 spared)
{
	__u32 every = setting(SAMPLE_EVERY);
	struct drop drop = {
		.time = bpf_ktime_get_ns(),
		.family = family,
		.length = entry->length,
		.reason = entry->reason,
		.bytes = bytes,
		.interface = ctx->ingress_ifindex,
		.spared = spared,
	};

	if (!every || (every > 1 && bpf_get_prandom_u32() % every))
		return;
	__builtin_memcpy(drop.address, key->address, sizeof(drop.address));
	bpf_perf_event_output(ctx, &drops, BPF_F_CURRENT_CPU, &drop, sizeof(drop));
}

SEC("xdp")
int blocklist(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 now = bpf_ktime_get_ns(), bytes = end - data;
	struct prefix key = {};
	__u32 family = read_source(data, end, &key), dry_run;
	struct entry *entry = NULL;

	if (family == 4) {
		entry = find(&ban_hosts4, &ban_nets4, &key, 32, now);
		if (!entry)
			entry = find_listed(&list_hosts4, &list_nets4, &key, 32, now);
	} else if (family == 6) {
		entry = find(&ban_hosts6, &ban_nets6, &key, 128, now);
		if (!entry)
			entry = find_listed(&list_hosts6, &list_nets6, &key, 128, now);
	}
	if (!entry) {
		add_up(PASSED, bytes);
		return XDP_PASS;
	}
	__sync_fetch_and_add(&entry->packets, 1);
	__sync_fetch_and_add(&entry->bytes, bytes);
	dry_run = setting(DRY_RUN);
	add_up(dry_run ? SPARED : DROPPED, bytes);
	sample(ctx, entry, &key, family, (__u32)bytes, dry_run);
	return dry_run ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
