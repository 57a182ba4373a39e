/* SPDX-License-Identifier: MIT */
/*
 * Reads executables, arguments of tracepoints, lists of mappings and caches of libraries that
 * somebody has damaged. Run under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 *   exe_fuzz FILE SCRATCH [rounds [seed]]
 *
 * FILE is an executable or a library; SCRATCH is where damaged copies of it are put.
 */
#include "../../src/engine/exe.h"
#include "../../src/engine/exe_path.h"
#include "../../src/engine/glob.h"
#include "../../src/engine/ksym_filter.h"
#include "../../src/engine/proc_maps.h"
#include "../../src/engine/usdt.h"
#include "fuzz.h"

/* In memory of exactly its size, so that a step beyond it is seen; with a NUL behind for texts. */
static char *damage(const char *bytes, size_t size, size_t *out, int is_text)
{
	size_t kept = below(4) ? size : below(size + 1), i, n = below(8);
	char *copy = malloc(kept + (is_text ? 1 : 0) + 1);

	memcpy(copy, bytes, kept);
	for (i = 0; kept && i < n; i++) {
		if (below(2))
			copy[below(kept)] = (char)random_number();
		else
			copy[below(kept)] = "\0\377\177\200\1 \n:@%,()$-"[below(16)];
	}
	copy = realloc(copy, kept + (is_text ? 1 : 0) + (kept || is_text ? 0 : 1));
	if (is_text)
		copy[kept] = '\0';
	*out = kept;
	return copy;
}

/* Everything that is asked of a file. */
static void read_exe(const char *path)
{
	struct usdt_notes notes;
	struct usdt_note note;
	struct usdt_spec spec;
	struct error err;
	struct exe exe;
	uint64_t at;
	int i, ret;

	if (exe_open(&exe, path, &err) == 0 && exe_read_symbols(&exe, path, &err) == 0) {
		exe_find(&exe, "traced_versioned@@TRACED_2", &err);
		exe_find(&exe, "traced_add", &err);
		for (i = 0; i < 20; i++) {
			exe_symbol_at(&exe, below(0x5000));
			exe_offset_of(&exe, random_number() >> below(64), &at);
			exe_address_of(&exe, random_number() >> below(64), &at);
		}
		ret = usdt_open(&exe, &notes, &err);
		while (ret >= 0 && (ret = usdt_next(&notes, &note, &err)) > 0)
			usdt_parse_args(below(2) ? 62 : 183, note.args, &spec, &err);
	}
	exe_close(&exe);
}

static void fuzz_exe(const char *bytes, size_t size, const char *path)
{
	size_t n;
	char *copy = damage(bytes, size, &n, 0);
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(copy, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(2);
	}
	free(copy);
	read_exe(path);
}

static void fuzz_args(void)
{
	static const char text[] = "-4@$-9 8@%rax -2@%si 4@-1204(%rbp) -8@16(%rax,%rbx,8) 8@x0 "
				   "-4@[sp, 60] 8@[x29,-8]";
	size_t n, start = below(sizeof(text) - 1);
	char *copy = damage(text + start, sizeof(text) - 1 - start, &n, 1);
	struct usdt_spec spec;
	struct error err;

	usdt_parse_args(below(2) ? 62 : 183, copy, &spec, &err);
	free(copy);
}

static void fuzz_maps(void)
{
	static const char text[] =
		"55d0c0e00000-55d0c0e01000 r-xp 00001000 fe:01 1234    /usr/b/x\n"
		"7ffc8ab00000-7ffc8ab21000 rw-p 00000000 00:00 0          [stack]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [x]\n";
	size_t n;
	char *copy = damage(text, sizeof(text) - 1, &n, 1);
	const char *at = copy;
	struct proc_map map;

	while (proc_maps_next(&at, &map)) {
		if (map.path < copy || map.path + map.path_size > copy + n)
			abort();
	}
	free(copy);
}

static void put(char *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

static void fuzz_cache(void)
{
	char cache[200] = "ld.so-1.7.0";
	size_t n;
	char *copy;

	/* One old entry, then the new table with two. */
	put(cache + 12, 1);
	memcpy(cache + 32, "glibc-ld.so.cache1.1", 20);
	put(cache + 32 + 20, 2);
	put(cache + 32 + 48, 0x0303);
	put(cache + 32 + 48 + 4, 100);
	put(cache + 32 + 48 + 8, 110);
	put(cache + 32 + 72, 0x0a03);
	put(cache + 32 + 72 + 4, 120);
	put(cache + 32 + 72 + 8, 130);
	strcpy(cache + 132, "libx.so.1");
	strcpy(cache + 142, "/l/libx.s");
	strcpy(cache + 152, "liby.so.2");
	strcpy(cache + 162, "/l/liby.s");
	copy = damage(cache, sizeof(cache), &n, 0);
	exe_path_in_cache(copy, n, "libx.so.1", 0);
	exe_path_in_cache(copy, n, "y", 1);
	free(copy);
}

static void fuzz_functions(void)
{
	static const char addresses[] =
		"ffffffff81000000 vfs_read\nffffffff81000010 vfs_write [m]\n"
		"ffffffff81000020 __ftrace_invalid_address___9\n";
	static const char names[] =
		"vfs_read\nvfs_write [m]\nvfs_read\n__ftrace_invalid_address___9\n";
	struct ksym_filter found;
	char *text;
	size_t n;

	memset(&found, 0, sizeof(found));
	text = damage(addresses, sizeof(addresses) - 1, &n, 1);
	ksym_filter_addresses(text, "v*s_?*", &found);
	ksym_filter_free(&found);
	free(text);
	text = damage(names, sizeof(names) - 1, &n, 1);
	ksym_filter_names(text, "v*", &found);
	ksym_filter_free(&found);
}

static void fuzz_glob(void)
{
	static const char text[] = "tcp_*?*_send*msg";
	size_t n, m;
	char *pattern = damage(text, sizeof(text) - 1, &n, 1);
	char *name = damage("tcp_v4_sendmsg_sendmsg", 22, &m, 0);

	glob_match(pattern, name, m);
	free(pattern);
	free(name);
}

int main(int argc, char **argv)
{
	static char bytes[1 << 20];
	unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 0) : 10000, i;
	size_t size;
	FILE *f;

	if (argc < 3)
		return 2;
	if (argc > 4)
		random_state ^= strtoull(argv[4], NULL, 0) * 0x9e3779b97f4a7c15u;
	f = fopen(argv[1], "rb");
	if (!f) {
		perror(argv[1]);
		return 2;
	}
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	for (i = 0; i < rounds; i++) {
		fuzz_exe(bytes, size, argv[2]);
		fuzz_args();
		fuzz_maps();
		fuzz_cache();
		fuzz_functions();
		fuzz_glob();
	}
	return 0;
}
