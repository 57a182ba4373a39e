/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "exe_path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc_maps.h"
#include "sys.h"
#include "sys_file.h"

enum { CACHE_LIMIT = 64 << 20 };

#if defined(__x86_64__)
#define TRIPLET "x86_64-linux-gnu"
enum { CACHE_MACHINE = 0x0300 };
#elif defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
enum { CACHE_MACHINE = 0x0a00 };
#else
#define TRIPLET "."
enum { CACHE_MACHINE = -1 }; /* whichever comes first */
#endif

static const char library_dirs[] =
	"/lib/" TRIPLET ":/usr/lib/" TRIPLET ":/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib";
static const char program_dirs[] = "/usr/bin:/usr/sbin:/bin:/sbin:/usr/local/bin:/usr/local/sbin";

/* Whether a file name is that of the library: itself, or "NAME.so..." and "libNAME.so...". */
static bool is_library(const char *file, size_t size, const char *name, bool is_stem)
{
	size_t n = strlen(name);

	if (size == n && memcmp(file, name, n) == 0)
		return true;
	if (!is_stem)
		return false;
	if (size > n + 3 && memcmp(file, "lib", 3) == 0 && memcmp(file + 3, name, n) == 0) {
		file += 3;
		size -= 3;
	}
	return size >= n + 3 && memcmp(file, name, n) == 0 && memcmp(file + n, ".so", 3) == 0;
}

/* Scripts stand in for programs here and there, and there is nothing in them to attach to. */
static bool is_elf(const char *path)
{
	int fd = sys_open_regular(path);
	char magic[4];
	bool is = fd >= 0 && sys_read(fd, magic, sizeof(magic)) == (int)sizeof(magic) &&
		  memcmp(magic, "\177ELF", sizeof(magic)) == 0;

	sys_close(fd);
	return is;
}

/* The first of the directories, separated by colons, that has the file. */
static bool find_in(const char *dirs, const char *name, bool executable, char *out)
{
	size_t size;

	for (; dirs && *dirs; dirs += size + (dirs[size] == ':')) {
		size = strcspn(dirs, ":");
		if (size &&
			snprintf(out, EXE_PATH_SIZE, "%.*s/%s", (int)size, dirs, name) <
				EXE_PATH_SIZE &&
			sys_is_readable(out, executable) && is_elf(out))
			return true;
	}
	return false;
}

static uint32_t word_at(const char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static const char *string_at(const char *table, size_t size, uint32_t offset)
{
	return offset < size && memchr(table + offset, '\0', size - offset) ? table + offset : NULL;
}

/*
 * The header of glibc 2.2 and later: 20 bytes of magic, the number of entries, the size of the
 * strings, and 20 bytes more; an entry: flags, offsets of name and path from the header, 12 bytes
 * of what hardware it needs. In old files it comes behind a table of another format.
 */
const char *exe_path_in_cache(const char *cache, size_t size, const char *name, int is_stem)
{
	static const char magic[] = "glibc-ld.so.cache1.1", old[] = "ld.so-1.7.0";
	enum { HEADER = 48, ENTRY = 24, OLD_HEADER = 16, OLD_ENTRY = 12 };
	const char *entry, *key, *value;
	uint64_t skip;
	uint32_t count, i;

	if (size >= OLD_HEADER && memcmp(cache, old, sizeof(old)) == 0) {
		skip = OLD_HEADER + (uint64_t)word_at(cache + 12) * OLD_ENTRY;
		skip = (skip + 7) & ~UINT64_C(7);
		if (skip >= size)
			return NULL;
		cache += skip;
		size -= skip;
	}
	if (size < HEADER || memcmp(cache, magic, sizeof(magic) - 1) != 0)
		return NULL;
	count = word_at(cache + 20);
	if (count > (size - HEADER) / ENTRY)
		return NULL;
	for (i = 0; i < count; i++) {
		entry = cache + HEADER + (size_t)i * ENTRY;
		key = string_at(cache, size, word_at(entry + 4));
		value = string_at(cache, size, word_at(entry + 8));
		if (key && value && is_library(key, strlen(key), name, is_stem) &&
			(CACHE_MACHINE < 0 || (word_at(entry) & 0xff00) == CACHE_MACHINE))
			return value;
	}
	return NULL;
}

static bool find_in_cache(const char *name, bool is_stem, char *out)
{
	const char *path;
	char *cache;
	size_t size;
	bool found;

	if (sys_read_file("/etc/ld.so.cache", CACHE_LIMIT, &cache, &size) < 0)
		return false;
	path = exe_path_in_cache(cache, size, name, is_stem);
	found = path && snprintf(out, EXE_PATH_SIZE, "%s", path) < EXE_PATH_SIZE &&
		sys_is_readable(out, false);
	free(cache);
	return found;
}

/* Among the files of a process. One that is in a container has another root. */
static bool find_mapped(const char *name, int pid, bool is_stem, char *out)
{
	struct error ignored;
	char *text = proc_maps_read(pid, &ignored);
	const char *at = text, *slash;
	struct proc_map map;
	bool found = false;

	while (text && !found && proc_maps_next(&at, &map)) {
		slash = map.path_size ? memrchr(map.path, '/', map.path_size) : NULL;
		if (!slash || map.path[0] != '/' ||
			!is_library(slash + 1, (size_t)(map.path + map.path_size - slash - 1), name,
				is_stem))
			continue;
		found = snprintf(out, EXE_PATH_SIZE, "/proc/%d/root%.*s", pid, (int)map.path_size,
				map.path) < EXE_PATH_SIZE &&
			sys_is_readable(out, false);
	}
	free(text);
	return found;
}

static bool find_library(const char *name, int pid, bool is_stem, char *out)
{
	if (pid > 0 && find_mapped(name, pid, is_stem, out))
		return true;
	if (!is_stem && find_in(getenv("LD_LIBRARY_PATH"), name, false, out))
		return true;
	if (find_in_cache(name, is_stem, out))
		return true;
	return !is_stem && find_in(library_dirs, name, false, out);
}

/* A path that only a process in a container has. */
static bool find_below_root(const char *path, int pid, char *out)
{
	return pid > 0 && path[0] == '/' && !sys_is_readable(path, false) &&
	       snprintf(out, EXE_PATH_SIZE, "/proc/%d/root%s", pid, path) < EXE_PATH_SIZE &&
	       sys_is_readable(out, false);
}

/* "libm.so" and "libm.so.6", not "soup". */
static bool names_library(const char *name)
{
	const char *at = strstr(name, ".so");

	return at && (!at[3] || at[3] == '.');
}

int exe_path_find(const char *name, int pid, char *out, struct error *err)
{
	if (!*name)
		return error_set(err, ENOENT, "an empty name names no file");
	if (strchr(name, '/')) {
		if (find_below_root(name, pid, out))
			return 0;
		if (snprintf(out, EXE_PATH_SIZE, "%s", name) < EXE_PATH_SIZE)
			return 0;
		return error_errno(err, ENAMETOOLONG, "\"%.100s...\"", name);
	}
	if (names_library(name)) {
		if (find_library(name, pid, false, out))
			return 0;
		return error_set(err, ENOENT,
			"no library \"%.200s\" in LD_LIBRARY_PATH, /etc/ld.so.cache and the usual "
			"directories: give its path",
			name);
	}
	if (find_in(getenv("PATH"), name, true, out) || find_in(program_dirs, name, true, out) ||
		find_library(name, pid, true, out))
		return 0;
	return error_set(err, ENOENT,
		"no executable \"%.200s\" in PATH, and no library of that name: give its path",
		name);
}
