/* SPDX-License-Identifier: MIT */
/*
 * The part of the kernel's BPF interface this library uses, as of Linux 6.18 (uapi/linux/bpf.h).
 * Kept here so that the library builds the same with the headers of any kernel; <linux/bpf.h>
 * is included nowhere. Each attribute struct mirrors one arm of union bpf_attr and may be passed
 * to bpf(2) with its own size: older kernels accept unknown fields as long as they are zero.
 */
#ifndef EBPF_ABI_H
#define EBPF_ABI_H

#include <stdint.h>

#include "abi_info.h"

enum bpf_cmd {
	BPF_MAP_CREATE,
	BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,
	BPF_PROG_LOAD,
	BPF_OBJ_PIN,
	BPF_OBJ_GET,
	BPF_PROG_ATTACH,
	BPF_PROG_DETACH,
	BPF_PROG_TEST_RUN,
	BPF_PROG_GET_NEXT_ID,
	BPF_MAP_GET_NEXT_ID,
	BPF_PROG_GET_FD_BY_ID,
	BPF_MAP_GET_FD_BY_ID,
	BPF_OBJ_GET_INFO_BY_FD,
	BPF_PROG_QUERY,
	BPF_RAW_TRACEPOINT_OPEN,
	BPF_BTF_LOAD,
	BPF_BTF_GET_FD_BY_ID,
	BPF_TASK_FD_QUERY,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_MAP_FREEZE,
	BPF_BTF_GET_NEXT_ID,
	BPF_MAP_LOOKUP_BATCH,
	BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	BPF_MAP_UPDATE_BATCH,
	BPF_MAP_DELETE_BATCH,
	BPF_LINK_CREATE,
	BPF_LINK_UPDATE,
	BPF_LINK_GET_FD_BY_ID,
	BPF_LINK_GET_NEXT_ID,
	BPF_ENABLE_STATS,
	BPF_ITER_CREATE,
	BPF_LINK_DETACH,
	BPF_PROG_BIND_MAP,
	BPF_TOKEN_CREATE,
	BPF_PROG_STREAM_READ_BY_FD,
};

enum bpf_map_type {
	BPF_MAP_TYPE_UNSPEC,
	BPF_MAP_TYPE_HASH,
	BPF_MAP_TYPE_ARRAY,
	BPF_MAP_TYPE_PROG_ARRAY,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY,
	BPF_MAP_TYPE_PERCPU_HASH,
	BPF_MAP_TYPE_PERCPU_ARRAY,
	BPF_MAP_TYPE_STACK_TRACE,
	BPF_MAP_TYPE_CGROUP_ARRAY,
	BPF_MAP_TYPE_LRU_HASH,
	BPF_MAP_TYPE_LRU_PERCPU_HASH,
	BPF_MAP_TYPE_LPM_TRIE,
	BPF_MAP_TYPE_ARRAY_OF_MAPS,
	BPF_MAP_TYPE_HASH_OF_MAPS,
	BPF_MAP_TYPE_DEVMAP,
	BPF_MAP_TYPE_SOCKMAP,
	BPF_MAP_TYPE_CPUMAP,
	BPF_MAP_TYPE_XSKMAP,
	BPF_MAP_TYPE_SOCKHASH,
	BPF_MAP_TYPE_CGROUP_STORAGE,
	BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
	BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
	BPF_MAP_TYPE_QUEUE,
	BPF_MAP_TYPE_STACK,
	BPF_MAP_TYPE_SK_STORAGE,
	BPF_MAP_TYPE_DEVMAP_HASH,
	BPF_MAP_TYPE_STRUCT_OPS,
	BPF_MAP_TYPE_RINGBUF,
	BPF_MAP_TYPE_INODE_STORAGE,
	BPF_MAP_TYPE_TASK_STORAGE,
	BPF_MAP_TYPE_BLOOM_FILTER,
	BPF_MAP_TYPE_USER_RINGBUF,
	BPF_MAP_TYPE_CGRP_STORAGE,
	BPF_MAP_TYPE_ARENA,
	BPF_MAP_TYPE_INSN_ARRAY,
};

enum bpf_prog_type {
	BPF_PROG_TYPE_UNSPEC,
	BPF_PROG_TYPE_SOCKET_FILTER,
	BPF_PROG_TYPE_KPROBE,
	BPF_PROG_TYPE_SCHED_CLS,
	BPF_PROG_TYPE_SCHED_ACT,
	BPF_PROG_TYPE_TRACEPOINT,
	BPF_PROG_TYPE_XDP,
	BPF_PROG_TYPE_PERF_EVENT,
	BPF_PROG_TYPE_CGROUP_SKB,
	BPF_PROG_TYPE_CGROUP_SOCK,
	BPF_PROG_TYPE_LWT_IN,
	BPF_PROG_TYPE_LWT_OUT,
	BPF_PROG_TYPE_LWT_XMIT,
	BPF_PROG_TYPE_SOCK_OPS,
	BPF_PROG_TYPE_SK_SKB,
	BPF_PROG_TYPE_CGROUP_DEVICE,
	BPF_PROG_TYPE_SK_MSG,
	BPF_PROG_TYPE_RAW_TRACEPOINT,
	BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	BPF_PROG_TYPE_LWT_SEG6LOCAL,
	BPF_PROG_TYPE_LIRC_MODE2,
	BPF_PROG_TYPE_SK_REUSEPORT,
	BPF_PROG_TYPE_FLOW_DISSECTOR,
	BPF_PROG_TYPE_CGROUP_SYSCTL,
	BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
	BPF_PROG_TYPE_CGROUP_SOCKOPT,
	BPF_PROG_TYPE_TRACING,
	BPF_PROG_TYPE_STRUCT_OPS,
	BPF_PROG_TYPE_EXT,
	BPF_PROG_TYPE_LSM,
	BPF_PROG_TYPE_SK_LOOKUP,
	BPF_PROG_TYPE_SYSCALL,
	BPF_PROG_TYPE_NETFILTER,
};

enum bpf_attach_type {
	BPF_CGROUP_INET_INGRESS,
	BPF_CGROUP_INET_EGRESS,
	BPF_CGROUP_INET_SOCK_CREATE,
	BPF_CGROUP_SOCK_OPS,
	BPF_SK_SKB_STREAM_PARSER,
	BPF_SK_SKB_STREAM_VERDICT,
	BPF_CGROUP_DEVICE,
	BPF_SK_MSG_VERDICT,
	BPF_CGROUP_INET4_BIND,
	BPF_CGROUP_INET6_BIND,
	BPF_CGROUP_INET4_CONNECT,
	BPF_CGROUP_INET6_CONNECT,
	BPF_CGROUP_INET4_POST_BIND,
	BPF_CGROUP_INET6_POST_BIND,
	BPF_CGROUP_UDP4_SENDMSG,
	BPF_CGROUP_UDP6_SENDMSG,
	BPF_LIRC_MODE2,
	BPF_FLOW_DISSECTOR,
	BPF_CGROUP_SYSCTL,
	BPF_CGROUP_UDP4_RECVMSG,
	BPF_CGROUP_UDP6_RECVMSG,
	BPF_CGROUP_GETSOCKOPT,
	BPF_CGROUP_SETSOCKOPT,
	BPF_TRACE_RAW_TP,
	BPF_TRACE_FENTRY,
	BPF_TRACE_FEXIT,
	BPF_MODIFY_RETURN,
	BPF_LSM_MAC,
	BPF_TRACE_ITER,
	BPF_CGROUP_INET4_GETPEERNAME,
	BPF_CGROUP_INET6_GETPEERNAME,
	BPF_CGROUP_INET4_GETSOCKNAME,
	BPF_CGROUP_INET6_GETSOCKNAME,
	BPF_XDP_DEVMAP,
	BPF_CGROUP_INET_SOCK_RELEASE,
	BPF_XDP_CPUMAP,
	BPF_SK_LOOKUP,
	BPF_XDP,
	BPF_SK_SKB_VERDICT,
	BPF_SK_REUSEPORT_SELECT,
	BPF_SK_REUSEPORT_SELECT_OR_MIGRATE,
	BPF_PERF_EVENT,
	BPF_TRACE_KPROBE_MULTI,
	BPF_LSM_CGROUP,
	BPF_STRUCT_OPS,
	BPF_NETFILTER,
	BPF_TCX_INGRESS,
	BPF_TCX_EGRESS,
	BPF_TRACE_UPROBE_MULTI,
	BPF_CGROUP_UNIX_CONNECT,
	BPF_CGROUP_UNIX_SENDMSG,
	BPF_CGROUP_UNIX_RECVMSG,
	BPF_CGROUP_UNIX_GETPEERNAME,
	BPF_CGROUP_UNIX_GETSOCKNAME,
	BPF_NETKIT_PRIMARY,
	BPF_NETKIT_PEER,
	BPF_TRACE_KPROBE_SESSION,
	BPF_TRACE_UPROBE_SESSION,
	BPF_TRACE_FSESSION,
	BPF_TRACE_FENTRY_MULTI,
	BPF_TRACE_FEXIT_MULTI,
	BPF_TRACE_FSESSION_MULTI,
};

enum bpf_link_type {
	BPF_LINK_TYPE_UNSPEC,
	BPF_LINK_TYPE_RAW_TRACEPOINT,
	BPF_LINK_TYPE_TRACING,
	BPF_LINK_TYPE_CGROUP,
	BPF_LINK_TYPE_ITER,
	BPF_LINK_TYPE_NETNS,
	BPF_LINK_TYPE_XDP,
	BPF_LINK_TYPE_PERF_EVENT,
	BPF_LINK_TYPE_KPROBE_MULTI,
	BPF_LINK_TYPE_STRUCT_OPS,
	BPF_LINK_TYPE_NETFILTER,
	BPF_LINK_TYPE_TCX,
	BPF_LINK_TYPE_UPROBE_MULTI,
	BPF_LINK_TYPE_NETKIT,
	BPF_LINK_TYPE_SOCKMAP,
};

/* Flags of BPF_MAP_UPDATE_ELEM, BPF_F_LOCK and BPF_F_CPU also of BPF_MAP_LOOKUP_ELEM. The number of the CPU is in
 * the upper half. */
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
	BPF_F_LOCK = 4,
	BPF_F_CPU = 8,
	BPF_F_ALL_CPUS = 16,
	BPF_F_CPU_SHIFT = 32,
};

/* What BPF_PROG_STREAM_READ_BY_FD reads. */
enum { BPF_STDOUT = 1, BPF_STDERR = 2 };

/* Flags of BPF_MAP_CREATE. */
enum {
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_NO_COMMON_LRU = 1U << 1,
	BPF_F_NUMA_NODE = 1U << 2,
	BPF_F_RDONLY = 1U << 3,
	BPF_F_WRONLY = 1U << 4,
	BPF_F_STACK_BUILD_ID = 1U << 5,
	BPF_F_ZERO_SEED = 1U << 6,
	BPF_F_RDONLY_PROG = 1U << 7,
	BPF_F_WRONLY_PROG = 1U << 8,
	BPF_F_CLONE = 1U << 9,
	BPF_F_MMAPABLE = 1U << 10,
	BPF_F_PRESERVE_ELEMS = 1U << 11,
	BPF_F_INNER_MAP = 1U << 12,
	BPF_F_LINK = 1U << 13,
	BPF_F_PATH_FD = 1U << 14,
	BPF_F_VTYPE_BTF_OBJ_FD = 1U << 15,
	BPF_F_TOKEN_FD = 1U << 16,
	BPF_F_SEGV_ON_FAULT = 1U << 17,
	BPF_F_NO_USER_CONV = 1U << 18,
	BPF_F_RB_OVERWRITE = 1U << 19,
};

/* Flags of BPF_PROG_LOAD. */
enum {
	BPF_F_STRICT_ALIGNMENT = 1U << 0,
	BPF_F_ANY_ALIGNMENT = 1U << 1,
	BPF_F_TEST_RND_HI32 = 1U << 2,
	BPF_F_TEST_STATE_FREQ = 1U << 3,
	BPF_F_SLEEPABLE = 1U << 4,
	BPF_F_XDP_HAS_FRAGS = 1U << 5,
	BPF_F_XDP_DEV_BOUND_ONLY = 1U << 6,
	BPF_F_TEST_REG_INVARIANTS = 1U << 7,
};

/* One instruction as the kernel and an ELF object in native byte order hold it. */
struct bpf_insn {
	uint8_t code;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint8_t dst_reg : 4;
	uint8_t src_reg : 4;
#else
	uint8_t src_reg : 4;
	uint8_t dst_reg : 4;
#endif
	int16_t off;
	int32_t imm;
};

enum {
	BPF_LD_IMM64 = 0x18, /* BPF_LD | BPF_IMM | BPF_DW: takes two slots */
	BPF_JMP_CALL = 0x85, /* BPF_JMP | BPF_CALL */
	BPF_JMP_EXIT = 0x95, /* BPF_JMP | BPF_EXIT */
	BPF_INSN_SIZE = 8,
};

/* src_reg of a 64-bit immediate load. */
enum {
	BPF_PSEUDO_MAP_FD = 1,
	BPF_PSEUDO_MAP_VALUE = 2,
	BPF_PSEUDO_BTF_ID = 3,
	BPF_PSEUDO_FUNC = 4,
	BPF_PSEUDO_MAP_IDX = 5,
	BPF_PSEUDO_MAP_IDX_VALUE = 6,
};

/* src_reg of a call. */
enum { BPF_PSEUDO_CALL = 1, BPF_PSEUDO_KFUNC_CALL = 2 };

struct abi_map_create {
	uint32_t map_type;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t map_flags;
	uint32_t inner_map_fd;
	uint32_t numa_node;
	char map_name[BPF_OBJ_NAME_LEN];
	uint32_t map_ifindex;
	uint32_t btf_fd;
	uint32_t btf_key_type_id;
	uint32_t btf_value_type_id;
	uint32_t btf_vmlinux_value_type_id;
	uint64_t map_extra;
	int32_t value_type_btf_obj_fd;
	int32_t map_token_fd;
};

struct abi_map_elem {
	uint32_t map_fd;
	uint32_t pad;
	uint64_t key;
	uint64_t value; /* or next_key */
	uint64_t flags;
};

struct abi_map_batch {
	uint64_t in_batch;
	uint64_t out_batch;
	uint64_t keys;
	uint64_t values;
	uint32_t count;
	uint32_t map_fd;
	uint64_t elem_flags;
	uint64_t flags;
};

struct abi_btf_load {
	uint64_t btf;
	uint64_t log_buf;
	uint32_t btf_size;
	uint32_t log_size;
	uint32_t log_level;
	uint32_t log_true_size;
	uint32_t btf_flags;
	int32_t btf_token_fd;
};

struct abi_token_create {
	uint32_t flags;
	uint32_t bpffs_fd;
};

struct abi_prog_load {
	uint32_t prog_type;
	uint32_t insn_cnt;
	uint64_t insns;
	uint64_t license;
	uint32_t log_level;
	uint32_t log_size;
	uint64_t log_buf;
	uint32_t kern_version;
	uint32_t prog_flags;
	char prog_name[BPF_OBJ_NAME_LEN];
	uint32_t prog_ifindex;
	uint32_t expected_attach_type;
	uint32_t prog_btf_fd;
	uint32_t func_info_rec_size;
	uint64_t func_info;
	uint32_t func_info_cnt;
	uint32_t line_info_rec_size;
	uint64_t line_info;
	uint32_t line_info_cnt;
	uint32_t attach_btf_id;
	uint32_t attach_prog_fd; /* or attach_btf_obj_fd */
	uint32_t core_relo_cnt;
	uint64_t fd_array;
	uint64_t core_relos;
	uint32_t core_relo_rec_size;
	uint32_t log_true_size; /* written by the kernel, since Linux 6.4 */
	int32_t prog_token_fd;
	uint32_t fd_array_cnt;
};

struct abi_func_info {
	uint32_t insn_off;
	uint32_t type_id;
};

struct abi_line_info {
	uint32_t insn_off;
	uint32_t file_name_off;
	uint32_t line_off;
	uint32_t line_col; /* line << 10 | column */
};

struct abi_obj {
	uint64_t pathname;
	uint32_t bpf_fd;
	uint32_t file_flags;
};

struct abi_test_run {
	uint32_t prog_fd;
	uint32_t retval;
	uint32_t data_size_in;
	uint32_t data_size_out;
	uint64_t data_in;
	uint64_t data_out;
	uint32_t repeat;
	uint32_t duration;
	uint32_t ctx_size_in;
	uint32_t ctx_size_out;
	uint64_t ctx_in;
	uint64_t ctx_out;
	uint32_t flags;
	uint32_t cpu;
	uint32_t batch_size;
	uint32_t pad;
};

struct abi_stream_read {
	uint64_t buf;
	uint32_t buf_len;
	uint32_t stream_id;
	uint32_t prog_fd;
	uint32_t pad;
};

struct abi_get_id {
	uint32_t id; /* or start_id */
	uint32_t next_id;
	uint32_t open_flags;
};

struct abi_info {
	uint32_t bpf_fd;
	uint32_t info_len;
	uint64_t info;
};

struct abi_raw_tracepoint {
	uint64_t name;
	uint32_t prog_fd;
	uint32_t pad;
	uint64_t cookie;
};

struct abi_link_create {
	uint32_t prog_fd;
	uint32_t target_fd; /* or target_ifindex */
	uint32_t attach_type;
	uint32_t flags;
	union {
		uint64_t perf_event_cookie;
		struct {
			uint32_t target_btf_id;
			uint32_t pad;
			uint64_t cookie;
		} tracing;
	};
};

struct abi_link_update {
	uint32_t link_fd;
	uint32_t new_prog_fd;
	uint32_t flags;
	uint32_t old_prog_fd;
};

_Static_assert(sizeof(struct bpf_insn) == BPF_INSN_SIZE, "an instruction takes 8 bytes");
_Static_assert(sizeof(struct abi_map_create) == 80, "layout of BPF_MAP_CREATE");
_Static_assert(sizeof(struct abi_map_batch) == 56, "layout of the batch commands");
_Static_assert(sizeof(struct abi_prog_load) == 152, "layout of BPF_PROG_LOAD");
_Static_assert(sizeof(struct abi_test_run) == 80, "layout of BPF_PROG_TEST_RUN");

#endif
