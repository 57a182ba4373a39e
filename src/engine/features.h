/* SPDX-License-Identifier: MIT */
/*
 * What the running kernel can do. Each question is put to the kernel by asking for the thing
 * itself, or for one that only a kernel which has the thing refuses in a certain way; nothing stays.
 *
 * The functions return 1, 0, or -1 with an error where the kernel does not say, as to who lacks
 * capabilities.
 */
#ifndef EBPF_FEATURES_H
#define EBPF_FEATURES_H

#include <stdbool.h>

#include "abi.h"
#include "btf.h"
#include "error.h"
#include "names.h"

#pragma GCC visibility push(hidden)

int features_map_type(uint32_t type, struct error *err);

/* Whether maps of the type that has the flag may have it. */
extern const struct names_table features_map_flags;
int features_map_flag(uint32_t flag, struct error *err);

int features_prog_type(uint32_t type, struct error *err);

/* Programs of some types are loaded for something in the kernel: tracing programs for the raw
 * tracepoint sys_enter, lsm ones for the hook file_open, struct_ops ones as a tcp_congestion_ops;
 * what ext programs may call depends on what they replace, which is an EINVAL. */
struct features_target {
	uint32_t btf_id, attach_type;
};

bool features_needs_target(uint32_t prog_type);
int features_find_target(
	uint32_t prog_type, struct btf *kernel, struct features_target *out, struct error *err);

/* Whether programs of that type may call the helper, in the first of the ways they may be attached:
 * others may call more or fewer. `target` is NULL for types that need none. */
int features_helper(uint32_t prog_type, const struct features_target *target, uint32_t helper,
	struct error *err);

/* Whether asking leaves traces: a warning in the kernel's log, or a tracepoint enabled. */
bool features_helper_is_loud(uint32_t helper);

/* Types of links, and ways of attaching. */
extern const struct names_table features_link_kinds;
int features_link_kind(uint32_t kind, struct error *err);

/* Versions of the instruction set: "v1" to "v4". */
extern const struct names_table features_isas;
int features_isa(uint32_t version, struct error *err);

/* By enum btf_kind, "func_global" being one more. */
extern const struct names_table features_btf_kinds;
int features_btf_kind(uint32_t kind, struct error *err);

extern const struct names_table features_misc;
int features_misc_feature(uint32_t feature, struct error *err);

#pragma GCC visibility pop

#endif
