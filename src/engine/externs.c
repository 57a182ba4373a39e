/* SPDX-License-Identifier: MIT */
#include "externs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_relo_parts.h"
#include "kallsyms.h"
#include "probe.h"
#include "sys.h"

/* How far the field reaches that says which module a called function is of. */
enum { MODULES_MOST = INT16_MAX };

/* Linux 6.4: before, addresses of functions cannot be loaded, but are only asked whether they are 0. */
enum { FUNCTION_ADDRESSES = 6 << 16 | 4 << 8 };

void externs_free(struct externs *e)
{
	uint32_t i;

	for (i = 0; i < e->count; i++)
		btf_release(e->symbols[i].types);
	for (i = 1; i < e->fd_count; i++)
		sys_close(e->fds[i]);
	free(e->symbols);
	free(e->first);
	free(e->fds);
	free(e->modules);
	pool_free(&e->names);
	memset(e, 0, sizeof(*e));
}

static bool is_call(const struct insns *list, const struct insn_ref *ref)
{
	return list->code[ref->index].code == BPF_JMP_CALL;
}

/* What the reference is to, of those that are still to be given a value; NULL: none. Text has no
 * declarations: what is called there, and is in none of the functions, may be the kernel's. `room` is
 * for such. */
static const struct insn_extern *extern_of(
	const struct insns *list, const struct insn_ref *ref, struct insn_extern *room)
{
	const struct insn_extern *declared;

	if (ref->resolved || ref->kind != INSN_REF_EXTERN)
		return NULL;
	declared = insns_find_extern(list, ref->name);
	if (declared || !is_call(list, ref))
		return declared;
	*room = (struct insn_extern){.name = ref->name, .weak = true};
	return room;
}

/* By what it is declared as; without that, by how it is used. */
static enum extern_kind kind_of(const struct insn_extern *wanted, bool call)
{
	const struct btf_type *type;
	uint32_t id;

	if (!wanted->types)
		return call ? EXTERN_FUNCTION : EXTERN_ADDRESS;
	type = btf_type(wanted->types, wanted->type);
	if (btf_kind(type) == BTF_KIND_FUNC)
		return EXTERN_FUNCTION;
	if (btf_kind(type) != BTF_KIND_VAR || !btf_resolve(wanted->types, type->size, &id) || !id)
		return EXTERN_ADDRESS;
	return EXTERN_VARIABLE;
}

static struct extern_symbol *find_symbol(const struct externs *e, const char *name,
	const struct insn_extern *wanted, enum extern_kind kind)
{
	struct extern_symbol *symbol;
	uint32_t number, at;

	if (!pool_find(&e->names, name, &number))
		return NULL;
	for (at = e->first[number]; at; at = symbol->next) {
		symbol = &e->symbols[at - 1];
		if (symbol->kind == kind && symbol->types == wanted->types &&
			symbol->type == wanted->type)
			return symbol;
	}
	return NULL;
}

static int add_symbol(struct externs *e, const char *name, const struct insn_extern *wanted,
	enum extern_kind kind, struct error *err)
{
	struct extern_symbol *symbols;
	uint32_t number, *first;

	if (pool_add(&e->names, name, &number, err) < 0)
		return -1;
	first = pool_grow(e->first, &e->first_room, e->first_count, 1, sizeof(*first));
	if (first)
		e->first = first;
	symbols = pool_grow(e->symbols, &e->room, e->count, 1, sizeof(*symbols));
	if (symbols)
		e->symbols = symbols;
	if (!first || !symbols)
		return error_errno(err, ENOMEM, "look for symbol \"%.80s\"", name);
	if (number == e->first_count)
		e->first[e->first_count++] = 0;
	symbols[e->count] = (struct extern_symbol){
		.name = number,
		.next = first[number],
		.kind = (uint8_t)kind,
		.weak = wanted->weak,
		.types = wanted->types ? btf_retain(wanted->types) : NULL,
		.type = wanted->type,
	};
	first[number] = ++e->count;
	return 0;
}

int externs_add(struct externs *e, const struct insns *list, struct error *err)
{
	const struct insn_extern *wanted;
	struct extern_symbol *symbol;
	struct insn_extern room;
	enum extern_kind kind;
	const char *name;
	uint32_t i;

	for (i = 0; i < list->ref_count; i++) {
		wanted = extern_of(list, &list->refs[i], &room);
		if (!wanted)
			continue;
		name = insns_name(list, wanted->name);
		kind = kind_of(wanted, is_call(list, &list->refs[i]));
		symbol = find_symbol(e, name, wanted, kind);
		if (!symbol) {
			if (add_symbol(e, name, wanted, kind, err) < 0)
				return -1;
		} else if (symbol->weak && !wanted->weak) {
			symbol->weak = false;
			if (symbol->state == EXTERN_ABSENT)
				symbol->state = EXTERN_OPEN;
		}
	}
	return 0;
}

bool externs_are_wanted(const struct insns *list)
{
	struct insn_extern room;
	uint32_t i;

	for (i = 0; i < list->ref_count; i++) {
		if (extern_of(list, &list->refs[i], &room))
			return true;
	}
	return false;
}

bool externs_need_types(const struct externs *e, bool *strong)
{
	bool needed = false;
	uint32_t i;

	*strong = false;
	for (i = 0; i < e->count; i++) {
		if (e->symbols[i].state != EXTERN_OPEN || e->symbols[i].kind == EXTERN_ADDRESS)
			continue;
		needed = true;
		*strong = *strong || !e->symbols[i].weak;
	}
	return needed;
}

/* What a walk over the kernel's symbols is about. */
struct walk {
	struct externs *e;
	bool shows_addresses;
};

/* The name without what LLVM's link-time optimisation puts behind those of static variables. */
static const char *plain_name(const struct kallsyms_symbol *symbol, char *room, size_t size)
{
	const char *suffix;

	if (symbol->type != 'd' && symbol->type != 'D')
		return symbol->name;
	suffix = strstr(symbol->name, ".llvm.");
	if (!suffix || (size_t)(suffix - symbol->name) >= size)
		return symbol->name;
	memcpy(room, symbol->name, (size_t)(suffix - symbol->name));
	room[suffix - symbol->name] = '\0';
	return room;
}

static int visit_symbol(void *arg, const struct kallsyms_symbol *visited, struct error *err)
{
	struct walk *walk = arg;
	char room[512];
	const char *name = plain_name(visited, room, sizeof(room));
	struct extern_symbol *symbol;
	uint32_t number, at;

	(void)err;
	walk->shows_addresses = walk->shows_addresses || visited->address;
	if (!pool_find(&walk->e->names, name, &number))
		return 0;
	for (at = walk->e->first[number]; at; at = symbol->next) {
		symbol = &walk->e->symbols[at - 1];
		if (symbol->kind != EXTERN_ADDRESS)
			continue;
		if (symbol->state == EXTERN_OPEN) {
			symbol->state = EXTERN_FOUND;
			symbol->value = visited->address;
		} else if (symbol->state == EXTERN_FOUND && symbol->value != visited->address) {
			symbol->state = EXTERN_AMBIGUOUS;
		}
	}
	return 0;
}

/* Addresses that the kernel hides have been found, but are of no use. */
static int hide_addresses(struct externs *e, struct error *err)
{
	struct extern_symbol *symbol;
	uint32_t i;

	for (i = 0; i < e->count; i++) {
		symbol = &e->symbols[i];
		if (symbol->kind != EXTERN_ADDRESS || symbol->state != EXTERN_FOUND)
			continue;
		symbol->state = EXTERN_OPEN;
		if (!symbol->weak)
			return error_set(err, EPERM,
				"the address of symbol \"%.80s\" is hidden: /proc/kallsyms shows "
				"addresses with CAP_SYSLOG, unless the sysctl kernel.kptr_restrict "
				"is 2",
				pool_get(&e->names, symbol->name));
	}
	return 0;
}

/* Looks up all addresses in one walk. */
static int resolve_addresses(struct externs *e, struct error *err)
{
	struct walk walk = {.e = e};
	bool needed = false, strong = false;
	uint32_t i;

	for (i = 0; i < e->count; i++) {
		if (e->symbols[i].kind != EXTERN_ADDRESS || e->symbols[i].state != EXTERN_OPEN)
			continue;
		needed = true;
		strong = strong || !e->symbols[i].weak;
	}
	if (!needed)
		return 0;
	if (kallsyms_each(visit_symbol, &walk, err) < 0)
		return strong || err->code != ENOENT ? -1 : 0;
	return walk.shows_addresses ? 0 : hide_addresses(e, err);
}

/* The place of a module among the fds, which it gets when it is the first to be found there. */
static int add_module(struct externs *e, const struct core_target *kernel, uint32_t module,
	uint32_t *place, struct error *err)
{
	uint32_t *modules, i;
	int *fds, fd;

	for (i = 1; i < e->fd_count; i++) {
		if (e->modules[i] == module) {
			*place = i;
			return 0;
		}
	}
	if (e->fd_count > MODULES_MOST)
		return error_set(err, E2BIG, "functions of too many modules are called");
	fds = pool_grow(e->fds, &e->fd_room, e->fd_count, 2, sizeof(*fds));
	if (fds)
		e->fds = fds;
	modules = pool_grow(e->modules, &e->module_room, e->fd_count, 2, sizeof(*modules));
	if (modules)
		e->modules = modules;
	if (!fds || !modules)
		return error_errno(err, ENOMEM, "open the BTF of a module");
	fd = btf_open_module(kernel->modules[module].name, err);
	if (fd < 0)
		return -1;
	if (!e->fd_count) {
		fds[0] = 0;
		modules[0] = UINT32_MAX;
		e->fd_count = 1;
	}
	fds[e->fd_count] = fd;
	modules[e->fd_count] = module;
	*place = e->fd_count++;
	return 0;
}

/* Where a typed symbol was found. */
struct place {
	struct btf *btf;
	uint32_t id;
	uint32_t module; /* in the target; UINT32_MAX: the kernel itself */
};

static int find_typed(const struct externs *e, const struct extern_symbol *symbol,
	struct core_target *kernel, struct place *place, struct error *err)
{
	uint32_t kind = symbol->kind == EXTERN_FUNCTION ? BTF_KIND_FUNC : BTF_KIND_VAR, i;
	const char *name = pool_get(&e->names, symbol->name);
	char essential[BTF_NAME_LIMIT];
	size_t length = btf_essential_length(name);

	if (length >= sizeof(essential))
		return 0;
	memcpy(essential, name, length);
	essential[length] = '\0';
	*place = (struct place){kernel->kernel, 0, UINT32_MAX};
	place->id = btf_find(kernel->kernel, essential, BTF_MASK(kind), 0);
	if (place->id)
		return 1;
	if (core_target_read_modules(kernel, err) < 0)
		return -1;
	for (i = 0; i < kernel->module_count; i++) {
		place->btf = kernel->modules[i].btf;
		place->module = i;
		place->id =
			btf_find(place->btf, essential, BTF_MASK(kind), place->btf->first_id - 1);
		if (place->id)
			return 1;
	}
	return 0;
}

/* Whether the symbol that was found is what the program takes it for: 1, 0, or -1. */
static int is_alike(
	const struct extern_symbol *symbol, const struct place *place, struct error *err)
{
	struct core_fuel fuel = {CORE_FUEL};
	uint32_t local, target;

	if (!symbol->types)
		return 1;
	local = btf_type(symbol->types, symbol->type)->size;
	target = btf_type(place->btf, place->id)->size;
	if (symbol->kind == EXTERN_VARIABLE && (!btf_resolve(symbol->types, local, &local) ||
						       !btf_resolve(place->btf, target, &target)))
		return 0;
	return core_types_compatible(&fuel, symbol->types, local, place->btf, target, err);
}

static int resolve_typed(struct externs *e, struct extern_symbol *symbol,
	struct core_target *kernel, struct error *err)
{
	struct place place;
	int ret = find_typed(e, symbol, kernel, &place, err);

	if (ret <= 0)
		return ret;
	ret = is_alike(symbol, &place, err);
	if (ret < 0)
		return -1;
	if (!ret) {
		/* What calls a function that may be missing does not mean one of another type. */
		if (!symbol->weak || symbol->kind == EXTERN_VARIABLE)
			symbol->state = EXTERN_OTHER_TYPE;
		return 0;
	}
	if (place.module != UINT32_MAX &&
		add_module(e, kernel, place.module, &symbol->module, err) < 0)
		return -1;
	symbol->value = place.id;
	symbol->state = EXTERN_FOUND;
	return 0;
}

int externs_resolve(struct externs *e, struct core_target *kernel, struct error *err)
{
	struct extern_symbol *symbol;
	uint32_t i;

	if (resolve_addresses(e, err) < 0)
		return -1;
	for (i = 0; i < e->count; i++) {
		symbol = &e->symbols[i];
		if (symbol->state != EXTERN_OPEN)
			continue;
		if (kernel && symbol->kind != EXTERN_ADDRESS &&
			resolve_typed(e, symbol, kernel, err) < 0)
			return error_prefix(
				err, "symbol \"%.80s\"", pool_get(&e->names, symbol->name));
		if (symbol->state == EXTERN_OPEN && symbol->weak)
			symbol->state = EXTERN_ABSENT;
	}
	return 0;
}

static bool is_missing(const struct extern_symbol *symbol)
{
	return symbol->state != EXTERN_FOUND && symbol->state != EXTERN_ABSENT;
}

static void append_symbol(
	struct error *err, const struct externs *e, const struct extern_symbol *symbol)
{
	static const char *const kinds[] = {
		[EXTERN_ADDRESS] = "symbol",
		[EXTERN_VARIABLE] = "variable",
		[EXTERN_FUNCTION] = "kfunc",
	};
	const char *why = "";

	if (symbol->state == EXTERN_OTHER_TYPE)
		why = symbol->kind == EXTERN_FUNCTION ? " (its own has another prototype)"
						      : " (its own has another type)";
	else if (symbol->state == EXTERN_AMBIGUOUS)
		why = " (it has several of that name)";
	error_append(err, "%s \"%.160s\"%s", kinds[symbol->kind], pool_get(&e->names, symbol->name),
		why);
}

/* One more name in a list, as long as the error has room for it; the rest is counted. */
static bool begin_item(struct error *err, uint32_t item)
{
	if (strlen(err->text) > ERROR_TEXT_SIZE - 384)
		return false;
	if (item)
		error_append(err, ", ");
	return true;
}

bool externs_missing(const struct externs *e, const char *const *also, uint32_t also_count,
	const char *what, struct error *err)
{
	uint32_t i, count = 0, told = 0, absent = also_count;

	for (i = 0; i < e->count; i++) {
		count += is_missing(&e->symbols[i]);
		absent += e->symbols[i].state == EXTERN_OPEN;
	}
	count += also_count;
	if (!count)
		return false;
	error_set(err, absent ? ESRCH : EINVAL, "this kernel lacks ");
	for (i = 0; i < also_count && begin_item(err, told); i++, told++)
		error_append(err, "%s \"%.160s\"", what, also[i]);
	for (i = 0; i < e->count; i++) {
		if (!is_missing(&e->symbols[i]) || !begin_item(err, told))
			continue;
		append_symbol(err, e, &e->symbols[i]);
		told++;
	}
	if (told < count)
		error_append(err, " and %u more", count - told);
	if (absent)
		error_append(err, ": declare what the program can do without as __weak");
	return true;
}

static void set_load(struct insns *list, uint32_t index, unsigned int src, uint64_t value)
{
	struct bpf_insn first = insns_get(list, index);
	struct bpf_insn second = insns_get(list, index + 1);

	first.src_reg = src & 15;
	first.imm = (int32_t)value;
	second.imm = (int32_t)(value >> 32);
	insns_set(list, index, first);
	insns_set(list, index + 1, second);
}

static int apply_call(struct insns *list, const struct insn_ref *ref,
	const struct extern_symbol *symbol, struct error *err)
{
	struct insn_extern *declared = insns_find_extern(list, ref->name);
	struct bpf_insn call = {.code = BPF_JMP_CALL};

	if (symbol->kind != EXTERN_FUNCTION)
		return error_set(err, EINVAL, "\"%.80s\" is called, but is no function",
			insns_name(list, ref->name));
	if (symbol->state == EXTERN_FOUND) {
		call.src_reg = BPF_PSEUDO_KFUNC_CALL;
		call.imm = (int32_t)symbol->value;
		call.off = (int16_t)symbol->module;
	} else if (declared) {
		declared->poisoned = true;
		call.imm = EXTERN_POISON + (int32_t)(declared - list->externs);
	} else {
		return 1; /* maybe it is somebody else's */
	}
	insns_set(list, ref->index, call);
	return 0;
}

static int apply_load(const struct externs *e, struct insns *list, const struct insn_ref *ref,
	const struct extern_symbol *symbol, struct error *err)
{
	uint64_t fd = symbol->module ? (uint64_t)(uint32_t)e->fds[symbol->module] : 0;

	if (!insns_is_load64(list, ref->index))
		return error_set(err, EINVAL,
			"instruction %u refers to \"%.80s\", but is neither a call nor a 64-bit "
			"load",
			ref->index, insns_name(list, ref->name));
	if (symbol->kind == EXTERN_ADDRESS || symbol->state != EXTERN_FOUND)
		set_load(list, ref->index, 0, symbol->value);
	else if (symbol->kind == EXTERN_FUNCTION && probe_kernel_version() < FUNCTION_ADDRESSES)
		set_load(list, ref->index, 0, 1);
	else
		set_load(list, ref->index, BPF_PSEUDO_BTF_ID, symbol->value | fd << 32);
	return 0;
}

static int apply(const struct externs *e, struct insns *list, struct insn_ref *ref,
	const struct insn_extern *wanted, struct error *err)
{
	bool call = is_call(list, ref);
	const struct extern_symbol *symbol =
		find_symbol(e, insns_name(list, wanted->name), wanted, kind_of(wanted, call));
	int ret;

	if (!symbol || is_missing(symbol))
		return error_set(err, ENOENT, "symbol \"%.80s\" has not been found",
			insns_name(list, wanted->name));
	ret = call ? apply_call(list, ref, symbol, err) : apply_load(e, list, ref, symbol, err);
	ref->resolved = ret == 0;
	return ret < 0 ? -1 : 0;
}

int externs_apply(const struct externs *e, struct insns *list, struct error *err)
{
	const struct insn_extern *wanted;
	struct insn_extern room;
	uint32_t i;

	for (i = 0; i < list->ref_count; i++) {
		wanted = extern_of(list, &list->refs[i], &room);
		if (wanted && apply(e, list, &list->refs[i], wanted, err) < 0)
			return -1;
	}
	return 0;
}

bool externs_explain(const struct insns *list, const char *log, struct error *err)
{
	static const char words[] = "invalid func unknown#";
	const char *found = NULL, *next = log;
	unsigned long number;

	if (!list || !list->extern_count)
		return false;
	while ((next = strstr(next, words)))
		found = next++;
	if (!found)
		return false;
	number = strtoul(found + strlen(words), NULL, 10) - EXTERN_POISON;
	if (number >= list->extern_count || !list->externs[number].poisoned)
		return false;
	error_append(err,
		": this kernel has no function \"%.160s\" of the type that the program declares, "
		"and it is __weak: guard the call with bpf_ksym_exists(%.160s)",
		insns_name(list, list->externs[number].name),
		insns_name(list, list->externs[number].name));
	return true;
}
