/* SPDX-License-Identifier: MIT */
/*
 * What BPF_OBJ_GET_INFO_BY_FD tells of maps, programs, BTF and links, as of Linux 6.18. Kernels fill
 * what they know of it and say how much that is; see abi.h.
 */
#ifndef EBPF_ABI_INFO_H
#define EBPF_ABI_INFO_H

#include <stddef.h>
#include <stdint.h>

enum { BPF_OBJ_NAME_LEN = 16, BPF_TAG_SIZE = 8 };

struct abi_map_info {
	uint32_t type;
	uint32_t id;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t map_flags;
	char name[BPF_OBJ_NAME_LEN];
	uint32_t ifindex;
	uint32_t btf_vmlinux_value_type_id;
	uint64_t netns_dev;
	uint64_t netns_ino;
	uint32_t btf_id;
	uint32_t btf_key_type_id;
	uint32_t btf_value_type_id;
	uint32_t btf_vmlinux_id;
	uint64_t map_extra;
	uint64_t hash;
	uint32_t hash_size;
	uint32_t pad;
};

struct abi_btf_info {
	uint64_t btf;
	uint32_t btf_size;
	uint32_t id;
	uint64_t name;
	uint32_t name_len;
	uint32_t kernel_btf;
};

struct abi_prog_info {
	uint32_t type;
	uint32_t id;
	uint8_t tag[BPF_TAG_SIZE];
	uint32_t jited_prog_len;
	uint32_t xlated_prog_len;
	uint64_t jited_prog_insns;
	uint64_t xlated_prog_insns;
	uint64_t load_time;
	uint32_t created_by_uid;
	uint32_t nr_map_ids;
	uint64_t map_ids;
	char name[BPF_OBJ_NAME_LEN];
	uint32_t ifindex;
	uint32_t gpl_compatible : 1;
	uint32_t pad : 31;
	uint64_t netns_dev;
	uint64_t netns_ino;
	uint32_t nr_jited_ksyms;
	uint32_t nr_jited_func_lens;
	uint64_t jited_ksyms;
	uint64_t jited_func_lens;
	uint32_t btf_id;
	uint32_t func_info_rec_size;
	uint64_t func_info;
	uint32_t nr_func_info;
	uint32_t nr_line_info;
	uint64_t line_info;
	uint64_t jited_line_info;
	uint32_t nr_jited_line_info;
	uint32_t line_info_rec_size;
	uint32_t jited_line_info_rec_size;
	uint32_t nr_prog_tags;
	uint64_t prog_tags;
	uint64_t run_time_ns;
	uint64_t run_cnt;
	uint64_t recursion_misses;
	uint32_t verified_insns;
	uint32_t attach_btf_obj_id;
	uint32_t attach_btf_id;
	uint32_t pad2;
};

/* What a perf event link is attached to (perf_event.type). */
enum {
	BPF_PERF_EVENT_UNSPEC,
	BPF_PERF_EVENT_UPROBE,
	BPF_PERF_EVENT_URETPROBE,
	BPF_PERF_EVENT_KPROBE,
	BPF_PERF_EVENT_KRETPROBE,
	BPF_PERF_EVENT_TRACEPOINT,
	BPF_PERF_EVENT_EVENT,
};

/* Pointers and sizes of buffers go in, sizes come out. */
struct abi_link_info {
	uint32_t type;
	uint32_t id;
	uint32_t prog_id;
	uint32_t pad;
	union {
		struct {
			uint64_t tp_name;
			uint32_t tp_name_len;
			uint32_t pad;
			uint64_t cookie; /* Linux 6.17 */
		} raw_tracepoint;
		struct {
			uint32_t attach_type;
			uint32_t target_obj_id;
			uint32_t target_btf_id;
			uint32_t pad;
			uint64_t cookie; /* Linux 6.17 */
		} tracing;
		struct {
			uint64_t cgroup_id;
			uint32_t attach_type;
		} cgroup;
		struct {
			uint64_t target_name;
			uint32_t target_name_len;
			uint32_t map_id; /* of an iterator over the elements of a map */
			union {
				struct {
					uint64_t cgroup_id;
					uint32_t order;
				} cgroup;
				struct {
					uint32_t tid;
					uint32_t pid;
				} task;
			};
		} iter;
		struct {
			uint32_t netns_ino;
			uint32_t attach_type;
		} netns;
		struct {
			uint32_t ifindex;
		} xdp;
		struct {
			uint32_t map_id;
		} struct_ops;
		struct {
			uint32_t pf;
			uint32_t hooknum;
			int32_t priority;
			uint32_t flags;
		} netfilter;
		struct {
			uint64_t addrs;
			uint32_t count;
			uint32_t flags;
			uint64_t missed;
			uint64_t cookies;
		} kprobe_multi;
		struct {
			uint64_t path;
			uint64_t offsets;
			uint64_t ref_ctr_offsets;
			uint64_t cookies;
			uint32_t path_size;
			uint32_t count;
			uint32_t flags;
			uint32_t pid;
		} uprobe_multi;
		struct {
			uint32_t type;
			uint32_t pad;
			union {
				struct {
					uint64_t name;
					uint32_t name_len;
				} any; /* of the next three */
				struct {
					uint64_t file_name;
					uint32_t name_len;
					uint32_t offset;
					uint64_t cookie;
					uint64_t ref_ctr_offset; /* Linux 6.16 */
				} uprobe;
				struct {
					uint64_t func_name;
					uint32_t name_len;
					uint32_t offset;
					uint64_t addr;
					uint64_t missed;
					uint64_t cookie;
				} kprobe;
				struct {
					uint64_t tp_name;
					uint32_t name_len;
					uint32_t pad;
					uint64_t cookie;
				} tracepoint;
				struct {
					uint64_t config;
					uint32_t type;
					uint32_t pad;
					uint64_t cookie;
				} event;
			};
		} perf_event;
		struct {
			uint32_t ifindex;
			uint32_t attach_type;
		} tcx; /* and netkit */
		struct {
			uint32_t map_id;
			uint32_t attach_type;
		} sockmap;
		uint64_t space[6];
	};
};

_Static_assert(sizeof(struct abi_map_info) == 104, "layout of struct bpf_map_info");
_Static_assert(sizeof(struct abi_prog_info) == 232, "layout of struct bpf_prog_info");
_Static_assert(sizeof(struct abi_link_info) == 64, "layout of struct bpf_link_info");
_Static_assert(offsetof(struct abi_link_info, iter.task) == 32, "layout of struct bpf_link_info");

#endif
