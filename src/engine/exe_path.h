/* SPDX-License-Identifier: MIT */
/* Finds the file of an executable or a shared library by what people call it. */
#ifndef EBPF_EXE_PATH_H
#define EBPF_EXE_PATH_H

#include <stddef.h>

#include "error.h"

#pragma GCC visibility push(hidden)

enum { EXE_PATH_SIZE = 4096 };

/*
 * Writes the path of the file into `out`, of EXE_PATH_SIZE bytes. A name with a slash is a path
 * already: the caller's, or that of the process `pid` (where pid > 0) when only that has the file.
 * Else: "libc.so.6" is a library, looked for among what the process has mapped, in
 * $LD_LIBRARY_PATH, in the cache of ldconfig(8) and in the usual directories; "bash" is an
 * executable of $PATH or of the usual directories, or else a library whose name begins so: "c" or
 * "libc" is libc.so.6. ENOENT: none of these is there.
 */
int exe_path_find(const char *name, int pid, char *out, struct error *err);

/*
 * Looks the name up in the text of an /etc/ld.so.cache; the path is inside it. `is_stem` asks for
 * any library whose name continues with ".so". NULL: it is not there, or the text is malformed.
 */
const char *exe_path_in_cache(const char *cache, size_t size, const char *name, int is_stem);

#pragma GCC visibility pop

#endif
