/* SPDX-License-Identifier: MIT */
/*
 * Gives the BTF of an object to the kernel (BPF_BTF_LOAD), for the maps and programs made from
 * the object. What no kernel takes is left out, and what this one does not know is put in other
 * words once it has refused; every type keeps its id and its size.
 */
#ifndef EBPF_BTF_UPLOAD_H
#define EBPF_BTF_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "btf.h"
#include "error.h"

#pragma GCC visibility push(hidden)

/* Returns the fd, with the kinds that this kernel does not know (BTF_MASK) in `lost`; or -1 with
 * an error, which has the kernel's words when it took none of what could be tried. `btf` must not
 * be split. Since Linux 4.18; needs what loading programs needs, or a `token` (see token.h). */
int btf_upload(const struct btf *btf, int token, uint32_t *lost, struct error *err);

/* Whether a function or a section of variables is in the kernel what it is in `btf`. */
bool btf_upload_keeps(const struct btf *btf, uint32_t lost, uint32_t id);

#pragma GCC visibility pop

#endif
