/* SPDX-License-Identifier: MIT */
/* The types of keys and values that the kernel asks of maps it does not need them for. */
#ifndef EBPF_MAP_BTF_H
#define EBPF_MAP_BTF_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Ids in what map_btf_load() loads. */
enum { MAP_BTF_KEY = 1, MAP_BTF_VALUE = 3 };

/* Loads BTF with an int for the key and plain bytes, `value_size` of them, for the value. Storages
 * (of sockets, inodes, tasks, control groups) are not made without. Returns an fd, needed until
 * the map is there, or a negative errno. `token`: see token.h. */
int map_btf_load(uint32_t value_size, int token);

/* Whether maps of that type take BTF of keys and values at all. */
bool map_btf_fits(uint32_t type);

#pragma GCC visibility pop

#endif
