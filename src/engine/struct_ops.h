/* SPDX-License-Identifier: MIT */
/*
 * Tables of functions of the kernel's that programs take the place of, such as struct
 * tcp_congestion_ops. A map of type struct_ops holds one value, struct bpf_struct_ops_X: a header
 * of the kernel's, and struct X. An object may know X by other members, in another order; what it
 * has for a member is copied to where the kernel has the member of that name.
 */
#ifndef EBPF_STRUCT_OPS_H
#define EBPF_STRUCT_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "core_relo.h"

#pragma GCC visibility push(hidden)

/* Struct X of the running kernel. */
struct struct_ops {
	struct btf *btf; /* of the target's */
	const char *module; /* whose BTF it is; NULL: the kernel's own */
	uint32_t type_id; /* struct X */
	uint32_t size; /* bytes of it */
	uint32_t value_id; /* struct bpf_struct_ops_X */
	uint32_t value_size;
	uint32_t offset; /* bytes from the beginning of the value to struct X */
};

/* Finds struct X by its name, whose flavour ("___x") counts for nothing. ESRCH: there is none. */
int struct_ops_find(
	struct core_target *kernel, const char *name, struct struct_ops *ops, struct error *err);

/* The index of a member of struct X; false: there is none of that name. */
bool struct_ops_find_member(const struct struct_ops *ops, const char *name, uint32_t *index);

/*
 * Fills a zeroed `value` of ops->value_size bytes from `data`, which is a struct of type `id` in
 * `types` and has at least its size. Pointers have to be zero: programs are told apart. Returns -1
 * with EOPNOTSUPP when the kernel lacks a member that is not zero, or has another type for it.
 */
int struct_ops_convert(const struct struct_ops *ops, const struct btf *types, uint32_t id,
	const unsigned char *data, unsigned char *value, struct error *err);

/* Puts the fd of a program into a value, for a member that is a pointer to a function. */
int struct_ops_set_program(const struct struct_ops *ops, const char *member, int prog_fd,
	unsigned char *value, struct error *err);

#pragma GCC visibility pop

#endif
