/* SPDX-License-Identifier: MIT */
/* The functions of an executable: reading their tables, and finding one. */
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exe.h"

enum { PATH_SIZE = 4096, BUILD_ID_MAX = 64, VERSIONS_MAX = 0x8000 };

/* The names of the versions that a library defines, by index. */
struct versions {
	const char **names;
	Elf_Data *of_symbols; /* .gnu.version: an index for each dynamic symbol */
};

static int no_memory(struct error *err)
{
	return error_errno(err, ENOMEM, "read a table of symbols");
}

/* .gnu.version_d is a list of lists; each step must lead forward, inside. */
static void read_definitions(Elf *elf, Elf_Scn *scn, const GElf_Shdr *header, struct versions *v)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Verdaux name;
	GElf_Verdef def;
	size_t at = 0, i;

	for (i = 0; data && i < header->sh_info && i < VERSIONS_MAX; i++) {
		if (at > INT32_MAX || !gelf_getverdef(data, (int)at, &def))
			return;
		if (def.vd_aux <= INT32_MAX - at && def.vd_ndx < VERSIONS_MAX &&
			gelf_getverdaux(data, (int)(at + def.vd_aux), &name))
			v->names[def.vd_ndx] = elf_strptr(elf, header->sh_link, name.vda_name);
		if (!def.vd_next)
			return;
		at += def.vd_next;
	}
}

static int read_versions(const struct exe *exe, struct versions *v, struct error *err)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;

	memset(v, 0, sizeof(*v));
	while ((scn = elf_nextscn(exe->handle, scn))) {
		if (!gelf_getshdr(scn, &header))
			continue;
		if (header.sh_type == SHT_GNU_versym)
			v->of_symbols = elf_getdata(scn, NULL);
		if (header.sh_type != SHT_GNU_verdef || v->names)
			continue;
		v->names = calloc(VERSIONS_MAX, sizeof(*v->names));
		if (!v->names)
			return no_memory(err);
		read_definitions(exe->handle, scn, &header, v);
	}
	return 0;
}

/* Index 0 is local, 1 the global one without a name; the high bit marks an old version. */
static void set_version(struct exe_symbol *symbol, const struct versions *v, int index)
{
	GElf_Versym version;

	symbol->is_default = true;
	if (!v->names || !v->of_symbols || !gelf_getversym(v->of_symbols, index, &version))
		return;
	if ((version & (VERSIONS_MAX - 1)) > 1)
		symbol->version = v->names[version & (VERSIONS_MAX - 1)];
	symbol->is_default = !(version & VERSIONS_MAX);
}

static int add(struct exe *exe, const struct exe_symbol *symbol, struct error *err)
{
	struct exe_symbol *grown;
	uint32_t room;

	if (exe->symbol_count == exe->symbol_room) {
		room = exe->symbol_room ? exe->symbol_room * 2 : 256;
		if (room > UINT32_MAX / 4)
			return no_memory(err);
		grown = realloc(exe->symbols, room * sizeof(*grown));
		if (!grown)
			return no_memory(err);
		exe->symbols = grown;
		exe->symbol_room = room;
	}
	exe->symbols[exe->symbol_count++] = *symbol;
	return 0;
}

/* Adds the functions of one table; those that are only used here have no section. */
static int read_table(struct exe *to, const struct exe *from, Elf_Scn *scn, const GElf_Shdr *header,
	const struct versions *v, struct error *err)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t each = gelf_fsize(from->handle, ELF_T_SYM, 1, EV_CURRENT);
	size_t count = data && each ? data->d_size / each : 0;
	struct exe_symbol symbol;
	GElf_Sym raw;
	size_t i;

	for (i = 0; i < count && i < INT32_MAX; i++) {
		if (!gelf_getsym(data, (int)i, &raw))
			break;
		if (raw.st_shndx == SHN_UNDEF || !raw.st_value ||
			(GELF_ST_TYPE(raw.st_info) != STT_FUNC &&
				GELF_ST_TYPE(raw.st_info) != STT_GNU_IFUNC))
			continue;
		memset(&symbol, 0, sizeof(symbol));
		symbol.name = elf_strptr(from->handle, header->sh_link, raw.st_name);
		if (!symbol.name || !*symbol.name)
			continue;
		symbol.address = raw.st_value;
		/* What cannot be is taken for unknown. */
		symbol.size = raw.st_size < UINT64_C(1) << 52 ? raw.st_size : 0;
		symbol.bind = GELF_ST_BIND(raw.st_info);
		symbol.is_default = true;
		symbol.is_ifunc = GELF_ST_TYPE(raw.st_info) == STT_GNU_IFUNC;
		if (header->sh_type == SHT_DYNSYM)
			set_version(&symbol, v, (int)i);
		if (add(to, &symbol, err) < 0)
			return -1;
	}
	return 0;
}

/* The tables of one type; whether there was one. */
static int read_tables(struct exe *to, const struct exe *from, uint32_t type,
	const struct versions *v, struct error *err)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	int found = 0;

	while ((scn = elf_nextscn(from->handle, scn))) {
		if (!gelf_getshdr(scn, &header) || header.sh_type != type)
			continue;
		if (read_table(to, from, scn, &header, v, err) < 0)
			return -1;
		found = 1;
	}
	return found;
}

static size_t build_id(const struct exe *exe, unsigned char *id)
{
	const void *data;
	size_t size, name_at, desc_at, next;
	uint64_t address;
	GElf_Nhdr note;
	Elf_Data whole = {.d_type = ELF_T_NHDR, .d_version = EV_CURRENT};

	if (!exe_section(exe, ".note.gnu.build-id", &address, &data, &size) || size < 12)
		return 0;
	whole.d_buf = (void *)(uintptr_t)data;
	whole.d_size = size;
	next = gelf_getnote(&whole, 0, &note, &name_at, &desc_at);
	if (!next || note.n_type != NT_GNU_BUILD_ID || note.n_descsz < 2 ||
		note.n_descsz > BUILD_ID_MAX || desc_at > size || note.n_descsz > size - desc_at)
		return 0;
	memcpy(id, (const char *)data + desc_at, note.n_descsz);
	return note.n_descsz;
}

/* Opens the file if it was made together with `exe`. */
static bool open_debug(struct exe *exe, const char *path, const unsigned char *id, size_t id_size)
{
	unsigned char other[BUILD_ID_MAX];
	struct error ignored;

	exe->debug = malloc(sizeof(*exe->debug));
	if (!exe->debug)
		return false;
	if (exe_open(exe->debug, path, &ignored) == 0 && build_id(exe->debug, other) == id_size &&
		memcmp(id, other, id_size) == 0)
		return true;
	exe_close(exe->debug);
	free(exe->debug);
	exe->debug = NULL;
	return false;
}

/* Where the separate debug information of the file at `path` may be, as gdb looks for it. */
static void find_debug(struct exe *exe, const char *path)
{
	static const char *const places[] = {"%.*s%s", "%.*s.debug/%s", "/usr/lib/debug%.*s%s"};
	unsigned char id[BUILD_ID_MAX];
	size_t id_size = build_id(exe, id), size, i, used;
	const char *slash = strrchr(path, '/');
	const void *link;
	uint64_t address;
	char at[PATH_SIZE];

	if (!id_size)
		return;
	used = (size_t)snprintf(at, sizeof(at), "/usr/lib/debug/.build-id/%02x/", id[0]);
	for (i = 1; i < id_size; i++)
		used += (size_t)snprintf(at + used, sizeof(at) - used, "%02x", id[i]);
	snprintf(at + used, sizeof(at) - used, ".debug");
	if (open_debug(exe, at, id, id_size) || !slash)
		return;
	if (!exe_section(exe, ".gnu_debuglink", &address, &link, &size) || !memchr(link, 0, size))
		return;
	if (strchr(link, '/'))
		return;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(at, sizeof(at), places[i], (int)(slash + 1 - path), path,
			    (const char *)link) < (int)sizeof(at) &&
			open_debug(exe, at, id, id_size))
			return;
	}
}

int exe_read_symbols(struct exe *exe, const char *path, struct error *err)
{
	static const struct versions none;
	struct versions v;
	int ret;

	if (exe->has_symbols)
		return 0;
	ret = read_versions(exe, &v, err);
	if (ret == 0)
		ret = read_tables(exe, exe, SHT_DYNSYM, &v, err);
	if (ret >= 0)
		ret = read_tables(exe, exe, SHT_SYMTAB, &none, err);
	free(v.names);
	if (ret == 0)
		find_debug(exe, path);
	if (ret == 0 && exe->debug)
		ret = read_tables(exe, exe->debug, SHT_SYMTAB, &none, err);
	exe->has_symbols = ret >= 0;
	return ret < 0 ? error_prefix(err, "\"%.400s\"", path) : 0;
}

/* A name as it is asked for. */
struct wanted {
	const char *whole;
	size_t name_size;
	const char *version; /* NULL: any, preferably the default one */
	bool is_default;
};

static struct wanted parse_name(const char *name)
{
	const char *at = strchr(name, '@');
	struct wanted w = {.whole = name, .name_size = strlen(name)};

	if (!at || at == name)
		return w;
	w.name_size = (size_t)(at - name);
	w.is_default = at[1] == '@';
	w.version = at + 1 + w.is_default;
	return w;
}

static bool is_wanted(const struct exe_symbol *symbol, const struct wanted *w)
{
	/* Linkers leave names with versions in .symtab. */
	if (strcmp(symbol->name, w->whole) == 0)
		return true;
	if (strncmp(symbol->name, w->whole, w->name_size) != 0 || symbol->name[w->name_size])
		return false;
	if (!w->version)
		return true;
	return symbol->version && strcmp(symbol->version, w->version) == 0 &&
	       (symbol->is_default || !w->is_default);
}

/* Of several functions of one name the higher is meant. */
static int rank(const struct exe_symbol *symbol)
{
	int by_bind = symbol->bind == STB_LOCAL ? 0 : symbol->bind == STB_WEAK ? 1 : 2;

	return (symbol->is_ifunc ? 0 : 10) + (symbol->is_default ? 5 : 0) + by_bind;
}

const struct exe_symbol *exe_find(const struct exe *exe, const char *name, struct error *err)
{
	const struct exe_symbol *symbol, *best = NULL;
	struct wanted w = parse_name(name);
	bool unique = true;
	uint32_t i;

	for (i = 0; i < exe->symbol_count; i++) {
		symbol = &exe->symbols[i];
		if (!is_wanted(symbol, &w))
			continue;
		if (!best || rank(symbol) > rank(best)) {
			best = symbol;
			unique = true;
		} else if (rank(symbol) == rank(best) && symbol->address != best->address) {
			unique = false;
		}
	}
	if (!best) {
		error_set(err, ENOENT, "it has no function \"%.200s\"%s", name,
			exe->symbol_count ? "" : ", as it has no symbols: give the offset");
		return NULL;
	}
	if (best->is_ifunc) {
		error_set(err, EOPNOTSUPP,
			"\"%.200s\" only chooses one of several functions when the program "
			"starts (ifunc): give the name of that",
			name);
		return NULL;
	}
	if (unique)
		return best;
	error_set(err, ENOTUNIQ, "it has several functions \"%.200s\": give the address of one",
		name);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct exe_symbol *x = *(struct exe_symbol *const *)a;
	const struct exe_symbol *y = *(struct exe_symbol *const *)b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return rank(x) - rank(y);
}

static bool sort(struct exe *exe)
{
	uint32_t i;

	if (exe->by_address || !exe->symbol_count)
		return exe->by_address;
	exe->by_address = calloc(exe->symbol_count, sizeof(struct exe_symbol *));
	if (!exe->by_address)
		return false;
	for (i = 0; i < exe->symbol_count; i++)
		exe->by_address[i] = &exe->symbols[i];
	qsort(exe->by_address, exe->symbol_count, sizeof(struct exe_symbol *), compare);
	return true;
}

const struct exe_symbol *exe_symbol_at(struct exe *exe, uint64_t address)
{
	uint32_t low = 0, high = exe->symbol_count, middle;
	const struct exe_symbol *symbol;

	if (!sort(exe))
		return NULL;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (exe->by_address[middle]->address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	symbol = exe->by_address[low - 1];
	/* Functions written in assembly may have no size: they reach to the next. */
	return !symbol->size || address - symbol->address < symbol->size ? symbol : NULL;
}
