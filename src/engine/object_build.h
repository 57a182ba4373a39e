/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the object parser share while one object is being understood. Each room
 * adds its part in the order object_parse() calls them; a failure leaves everything to be freed
 * by object_parse() and object_free().
 */
#ifndef EBPF_OBJECT_BUILD_H
#define EBPF_OBJECT_BUILD_H

#include "btf_ext.h"
#include "elf.h"
#include "object.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

/* What a section is for. */
enum object_role {
	ROLE_OTHER,
	ROLE_CODE,
	ROLE_LICENSE,
	ROLE_VERSION,
	ROLE_LEGACY_MAPS,
	ROLE_BTF_MAPS,
	ROLE_DATA,
	ROLE_ARENA, /* global variables in an arena */
	ROLE_STRUCT_OPS,
	ROLE_BTF,
	ROLE_BTF_EXT,
};

struct object_part {
	uint8_t role; /* enum object_role */
	bool wanted; /* ROLE_DATA: a symbol or a relocation leads there */
	uint32_t relocs; /* the section with its relocations; 0: none */
	uint32_t map; /* ROLE_DATA, ROLE_ARENA: its index among the maps */
};

/* A function of a code section, program or not. */
struct object_function {
	const struct elf_symbol *symbol;
	uint64_t start; /* bytes into the section */
	uint64_t end;
	uint32_t name; /* number in function_names, unique also where the symbols' names are not */
	bool is_program;
	const struct object_function *callback; /* of a program's exceptions; NULL: none */
	struct insns insns; /* its own only */
};

/* Where the definition of a map lies. */
struct object_place {
	uint32_t section;
	uint32_t map;
	uint64_t offset;
	bool has_values; /* its elements are initialised by relocations, */
	uint32_t values_offset; /* so many bytes and more behind its offset */
};

/* A symbol that the object declares, and others define: an option of the kernel's configuration,
 * or a symbol of the kernel. */
struct object_extern {
	const char *name;
	uint32_t type; /* a VAR or a FUNC; 0: it is declared as neither */
	bool weak;
	uint8_t kconfig; /* enum kconfig_kind; 0: a symbol */
	bool is_signed;
	uint32_t size; /* of options; the next, too */
	uint32_t offset; /* into the map ".kconfig" */
};

struct object_build {
	struct object *object;
	struct elf elf;
	struct btf_ext ext; /* all zero: none */
	struct object_part *parts; /* by section */
	struct pool map_names; /* numbered as the maps are */
	uint32_t map_room;
	struct object_place *places; /* by section and offset, once object_sort_places() ran */
	uint32_t place_count, place_room;
	struct object_function *functions; /* by section and start */
	uint32_t function_count;
	struct pool function_names;
	uint32_t *function_by_name; /* index of the function, by the number of its name */
	struct pool extern_names; /* numbered as the externs are */
	struct object_extern *externs;
	uint32_t kconfig_map; /* among the maps; of use when there are options */
	uint64_t memory_left; /* how many bytes code and the names in it may still take */
};

/* The section that holds a symbol, or NULL: undefined, absolute, common. */
const struct elf_section *object_symbol_section(
	const struct object_build *b, const struct elf_symbol *symbol);
enum object_role object_symbol_role(const struct object_build *b, const struct elf_symbol *symbol);

/* Appends a map; a second one of that name is an error. The pointer is good until the next. */
struct object_map *object_new_map(
	struct object_build *b, const char *name, const char *section, struct error *err);

/* Remembers where the map just added lies, and finds maps again; NULL when none begins there. */
int object_add_place(struct object_build *b, uint32_t section, uint64_t offset, struct error *err);
void object_sort_places(struct object_build *b);
struct object_map *object_find_map(const struct object_build *b, uint32_t section, uint64_t offset);

/* The map whose definition is the last to begin at or before `offset`, or NULL. */
const struct object_place *object_find_place(
	const struct object_build *b, uint32_t section, uint64_t offset);

/* Whether sections of that name have struct_ops maps. */
bool object_is_struct_ops(const char *section);

/* The section of variables in an arena, as clang calls it. They lie at the arena's beginning. */
#define OBJECT_ARENA_SECTION ".addr_space.1"

/* The map of a section of data, or the arena. */
struct object_map *object_data_map(const struct object_build *b, uint32_t section);

/* The index of the first function at or behind that place, in this section or a later one. */
uint32_t object_first_function(const struct object_build *b, uint32_t section, uint64_t offset);

/* The function that begins there, or NULL. */
const struct object_function *object_find_function(
	const struct object_build *b, uint32_t section, uint64_t offset);
static inline const char *object_function_name(
	const struct object_build *b, const struct object_function *function)
{
	return pool_get(&b->function_names, function->name);
}

/* Takes from memory_left, or fails. */
int object_charge(struct object_build *b, uint64_t bytes, struct error *err);

/* Gives the instructions of a function its type, the lines they came from, and their CO-RE
 * relocations, where there is BTF. */
int object_describe_function(
	struct object_build *b, struct object_function *function, struct error *err);

/* What the object declares under that name; NULL: nothing that is known. */
const struct object_extern *object_find_extern(const struct object_build *b, const char *name);

/* The rooms, in the order they work. */
int object_read_externs(struct object_build *b, struct error *err);
int object_read_legacy_maps(struct object_build *b, uint32_t section, struct error *err);
int object_read_btf_maps(struct object_build *b, uint32_t section, struct error *err);
int object_read_struct_ops(struct object_build *b, uint32_t section, struct error *err);
int object_read_arena(struct object_build *b, uint32_t section, struct error *err);
int object_read_data(struct object_build *b, uint32_t section, struct error *err);
void object_name_data_types(struct object_build *b);
int object_place_variables(struct object_build *b, struct error *err);
int object_list_variables(struct object_build *b, struct error *err);
int object_list_options(struct object_build *b, struct error *err);
int object_split_functions(struct object_build *b, struct error *err);
int object_read_exceptions(struct object_build *b, struct error *err);
int object_relocate(struct object_build *b, uint32_t section, struct error *err);

/* What a relocation puts into a map, of elements by their numbers: the name of a map or program. */
struct object_element {
	struct object_map *map;
	uint32_t key;
	const char *name;
};
typedef int object_element_reader(const struct object_build *b, uint32_t section,
	const struct elf_reloc *reloc, struct object_element *element, struct error *err);
object_element_reader object_read_member; /* of a struct of functions */

int object_fill_slots(struct object_build *b, uint32_t section, struct error *err);
int object_fill_struct_ops(struct object_build *b, uint32_t section, struct error *err);
int object_link_programs(struct object_build *b, struct error *err);
void object_drop_unwanted_data(struct object_build *b);

void object_free_map(struct object_map *map);

#pragma GCC visibility pop

#endif
