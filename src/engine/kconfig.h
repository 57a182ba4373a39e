/* SPDX-License-Identifier: MIT */
/*
 * What programs ask about the kernel's configuration, by variables in the section ".kconfig":
 *
 *   extern bool CONFIG_BPF_JIT __kconfig;                  what has its name among the options
 *   extern int LINUX_KERNEL_VERSION __kconfig __weak;      what this library finds out itself
 *
 * The object says how they lie in a map of constants; here they get their values, for which the
 * rules are libbpf's, save that a string too long for its array is an error and not cut.
 */
#ifndef EBPF_KCONFIG_H
#define EBPF_KCONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* What types the variables may have, and so which values. */
enum kconfig_kind {
	KCONFIG_NONE, /* no such type */
	KCONFIG_BOOL, /* y, n, or a number that is 0 or 1 */
	KCONFIG_TRISTATE, /* y, n or m: enum libbpf_tristate */
	KCONFIG_CHAR, /* y, n or m as characters, or a number of one byte */
	KCONFIG_INT, /* a number */
	KCONFIG_STRING, /* "...", in an array of char */
};

/* "bool", "tristate", "char", "int", "string"; NULL for what is none. */
const char *kconfig_kind_name(uint32_t kind);

struct kconfig_variable {
	const char *name;
	uint32_t offset; /* bytes into the data */
	uint32_t size;
	uint8_t kind; /* enum kconfig_kind */
	bool is_signed; /* KCONFIG_INT, KCONFIG_CHAR */
	bool weak; /* it is 0 where the kernel has no such option */
	bool found; /* it has its value */
};

/* Of which kind a type of an object's BTF is, and whether it is signed. */
enum kconfig_kind kconfig_kind_of(const struct btf *btf, uint32_t type, bool *is_signed);

/*
 * Gives the variables that are not found yet their values, in `data` of `size` bytes in which they
 * all lie. First by `text`, lines as of a configuration file, which may be NULL; what it does not
 * have, by the running kernel's: /proc/config.gz, or /boot/config-<release>. What is nowhere stays
 * as it is and is not `found`. Returns -1 with EINVAL when a value is none of the variable's type,
 * ERANGE when it does not fit, ENOENT when there is no configuration for a variable that is not
 * weak.
 */
int kconfig_fill(struct kconfig_variable *variables, uint32_t count, const char *text,
	unsigned char *data, size_t size, struct error *err);

#pragma GCC visibility pop

#endif
