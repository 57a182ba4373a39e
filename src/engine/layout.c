/* SPDX-License-Identifier: MIT */
#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

enum { INT_SIGNED = 1, INT_CHAR = 2, INT_BOOL = 4 }; /* encodings of a BTF integer */

/* What is known of a type that has been compiled: structs are compiled once each, as few types may
 * otherwise unfold into very many nodes. */
struct known {
	uint32_t first; /* BEGUN: being compiled */
	uint32_t count;
	uint32_t values;
	uint32_t depth;
};

enum { BEGUN = 0xffffffff };

struct build {
	const struct btf *btf;
	struct error *err;
	struct layout_node *nodes;
	uint32_t count, room;
	struct pool names;
	uint32_t *users; /* by name: 1 + the struct that has a field of it */
	uint32_t users_room;
	struct known *known; /* by type id; no values: unknown */
};

/* What compiling a type tells who uses it. */
struct outcome {
	uint32_t values; /* Lua values that decoding makes */
	uint32_t depth;
};

static int build_type(struct build *b, uint32_t node, uint32_t id, int level, struct outcome *out);

static const char *tag_of(const struct build *b, const struct layout_node *node)
{
	return node->tag ? pool_get(&b->names, node->tag - 1) : "";
}

static int build_error(const struct build *b, const char *text)
{
	return error_set(b->err, ENOEXEC, "%s", text);
}

/* Appends `count` zeroed nodes; the first one's index is left in *first. */
static int add_nodes(struct build *b, uint32_t count, uint32_t *first)
{
	struct layout_node *nodes;

	nodes = pool_grow(b->nodes, &b->room, b->count, count, sizeof(*nodes));
	if (!nodes)
		return error_errno(b->err, ENOMEM, "compile a type");
	b->nodes = nodes;
	if (count)
		memset(nodes + b->count, 0, count * sizeof(*nodes));
	*first = b->count;
	b->count += count;
	return 0;
}

/* The number of a name, 0 for none. */
static int add_name(struct build *b, const char *name, uint32_t *number)
{
	*number = 0;
	if (!name[0])
		return 0;
	if (pool_add(&b->names, name, number, b->err) < 0)
		return -1;
	++*number;
	return 0;
}

static bool is_kernels_own(const char *name)
{
	static const char *const names[] = {"bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer",
		"bpf_wq", "bpf_task_work", "bpf_list_head", "bpf_list_node", "bpf_rb_root",
		"bpf_rb_node", "bpf_refcount"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Whether a pointer to the type `id` is one that the kernel keeps (bpf_kptr_xchg). */
static bool is_kptr(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type;
	const char *tag;
	int depth;

	for (depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		type = btf_type(btf, id);
		switch (btf_kind(type)) {
		case BTF_KIND_TYPE_TAG:
			tag = btf_string(btf, type->name_off);
			if (strcmp(tag, "kptr") == 0 || strcmp(tag, "kptr_untrusted") == 0 ||
				strcmp(tag, "percpu_kptr") == 0)
				return true;
			id = type->size;
			break;
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
			id = type->size;
			break;
		default:
			return false;
		}
	}
	return false;
}

static bool is_power_of_two(uint32_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static int build_int(struct build *b, struct layout_node *node, const struct btf_type *type)
{
	uint32_t encoding = *(const uint32_t *)btf_tail(type) >> 24 & 0xf;

	node->size = type->size;
	if (type->size == 16) {
		node->kind = LAYOUT_BYTES;
		node->role = LAYOUT_INT128;
		return 0;
	}
	if (!is_power_of_two(type->size))
		return error_set(b->err, ENOEXEC, "an integer of %u bytes", type->size);
	if (encoding & INT_BOOL && type->size == 1)
		node->kind = LAYOUT_BOOL;
	else
		node->kind = encoding & INT_SIGNED ? LAYOUT_INT : LAYOUT_UINT;
	return 0;
}

/* Compilers told whether an enum is signed only from LLVM 15 and pahole 1.24 on. */
static bool enum_is_signed(const struct btf_type *type)
{
	const struct btf_enum *value = btf_tail(type);
	uint32_t i;

	if (type->info >> 31)
		return true;
	if (btf_kind(type) == BTF_KIND_ENUM64)
		return false;
	for (i = 0; i < btf_vlen(type); i++) {
		if (value[i].value < 0)
			return true;
	}
	return false;
}

static int build_enum(struct build *b, uint32_t node, const struct btf_type *type)
{
	uint32_t tag;

	if (!is_power_of_two(type->size))
		return error_set(b->err, ENOEXEC, "an enum of %u bytes", type->size);
	if (add_name(b, btf_string(b->btf, type->name_off), &tag) < 0)
		return -1;
	b->nodes[node].kind = enum_is_signed(type) ? LAYOUT_INT : LAYOUT_UINT;
	b->nodes[node].role = LAYOUT_ENUM;
	b->nodes[node].size = type->size;
	b->nodes[node].tag = tag;
	return 0;
}

static int build_float(struct build *b, struct layout_node *node, const struct btf_type *type)
{
	if (type->size != sizeof(float) && type->size != sizeof(double))
		return error_set(b->err, ENOEXEC, "a float of %u bytes", type->size);
	node->kind = LAYOUT_FLOAT;
	node->size = type->size;
	return 0;
}

/* What a string stands for: an array of char, or one of unsigned bytes. */
static enum layout_kind string_kind(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type;
	uint32_t encoding;

	if (!btf_resolve(btf, id, &id))
		return LAYOUT_ARRAY;
	type = btf_type(btf, id);
	if (btf_kind(type) != BTF_KIND_INT || type->size != 1)
		return LAYOUT_ARRAY;
	encoding = *(const uint32_t *)btf_tail(type) >> 24 & 0xf;
	if (encoding & INT_CHAR || strcmp(btf_string(btf, type->name_off), "char") == 0)
		return LAYOUT_CHARS;
	return encoding ? LAYOUT_ARRAY : LAYOUT_BYTES;
}

static int build_array(
	struct build *b, uint32_t node, const struct btf_type *type, int level, struct outcome *out)
{
	const struct btf_array *array = btf_tail(type);
	enum layout_kind kind = string_kind(b->btf, array->type);
	struct outcome element = {0};
	uint32_t first;
	uint64_t size, values;

	if (kind != LAYOUT_ARRAY) {
		b->nodes[node].kind = (uint8_t)kind;
		b->nodes[node].size = array->nelems;
		return 0;
	}
	if (add_nodes(b, 1, &first) < 0 ||
		build_type(b, first, array->type, level + 1, &element) < 0)
		return -1;
	if (b->nodes[first].kind == LAYOUT_HIDDEN || is_kernels_own(tag_of(b, &b->nodes[first])))
		b->nodes[node].kind = LAYOUT_HIDDEN;
	else
		b->nodes[node].kind = LAYOUT_ARRAY;
	size = (uint64_t)array->nelems * b->nodes[first].size;
	values = 1 + (uint64_t)array->nelems * element.values;
	if (size > INT32_MAX || values > LAYOUT_VALUES_MAX)
		return build_error(b, "an array that is too large");
	b->nodes[node].size = (uint32_t)size;
	b->nodes[node].first = first;
	b->nodes[node].count = array->nelems;
	out->values = (uint32_t)values;
	out->depth = element.depth + 1;
	return 0;
}

/* Makes a bitfield of a node that has just been compiled, if the member is one. Before kind_flag
 * the integer's own record said so. */
static int set_bitfield(struct build *b, struct layout_node *node, const struct btf_type *parent,
	const struct btf_member *member)
{
	uint32_t at = member->offset, bits = 0, id, word;

	if (parent->info >> 31) {
		bits = at >> 24;
		at &= 0xffffff;
	} else if (btf_resolve(b->btf, member->type, &id) &&
		   btf_kind(btf_type(b->btf, id)) == BTF_KIND_INT) {
		word = *(const uint32_t *)btf_tail(btf_type(b->btf, id));
		at += word >> 16 & 0xff;
		bits = word & 0xff;
		if (bits == btf_type(b->btf, id)->size * 8)
			bits = 0;
	}
	node->offset = at / 8;
	node->bit = at % 8;
	node->bits = (uint8_t)bits;
	if (!bits && !node->bit)
		return 0;
	if (!bits || node->kind > LAYOUT_BOOL || bits > node->size * 8)
		return build_error(b, "a bitfield that its type does not allow");
	if (node->kind == LAYOUT_BOOL && bits > 1)
		node->kind = LAYOUT_UINT;
	return 0;
}

/* Where the member ends, in bits from the start of the struct. */
static uint64_t member_end(const struct layout_node *node)
{
	uint64_t start = (uint64_t)node->offset * 8 + node->bit;

	return start + (node->bits ? node->bits : (uint64_t)node->size * 8);
}

/* Room to note, for each name, the struct that has a field of it. */
static int grow_users(struct build *b)
{
	uint32_t *users, room = b->users_room;

	users = pool_grow(b->users, &b->users_room, 0, b->names.count + 1, sizeof(*users));
	if (!users)
		return error_errno(b->err, ENOMEM, "compile a type");
	memset(users + room, 0, (size_t)(b->users_room - room) * sizeof(*users));
	b->users = users;
	return 0;
}

/* The fields of the struct with children from `first` on, and of nameless structs in it, must
 * differ in name. `user` numbers the struct. */
static int check_names(struct build *b, uint32_t first, uint32_t count, uint32_t user)
{
	const struct layout_node *node;
	uint32_t i;

	for (i = first; i < first + count; i++) {
		node = &b->nodes[i];
		if (!node->name && (node->kind == LAYOUT_STRUCT || node->kind == LAYOUT_UNION) &&
			check_names(b, node->first, node->count, user) < 0)
			return -1;
		if (!node->name)
			continue;
		if (b->users[node->name - 1] == user)
			return error_set(b->err, ENOEXEC, "two fields are called '%.80s'",
				pool_get(&b->names, node->name - 1));
		b->users[node->name - 1] = user;
	}
	return 0;
}

/* Compiles one member into `node`; *end is where the one before ended, in bits. */
static int build_member(struct build *b, uint32_t node, const struct btf_type *parent,
	const struct btf_member *member, int level, uint64_t *end, struct outcome *out)
{
	bool is_union = btf_kind(parent) == BTF_KIND_UNION;
	struct layout_node *n;
	uint32_t name;

	if (build_type(b, node, member->type, level + 1, out) < 0 ||
		add_name(b, btf_string(b->btf, member->name_off), &name) < 0)
		return -1;
	n = &b->nodes[node];
	n->name = name;
	if (n->kind == LAYOUT_STRUCT && is_kernels_own(tag_of(b, n)))
		n->kind = LAYOUT_HIDDEN;
	if (set_bitfield(b, n, parent, member) < 0)
		return -1;
	/* What has no name is padding, but for structs, whose fields are the parent's. */
	if (!name && n->kind != LAYOUT_STRUCT && n->kind != LAYOUT_UNION)
		n->kind = LAYOUT_HIDDEN;
	if (member_end(n) > (uint64_t)parent->size * 8)
		return build_error(b, "it lies outside its struct");
	if (!is_union && (uint64_t)n->offset * 8 + n->bit < *end)
		return build_error(b, "it overlaps the one before");
	*end = member_end(n);
	return 0;
}

static int build_members(
	struct build *b, const struct btf_type *type, int level, struct known *known)
{
	const struct btf_member *member = btf_tail(type);
	uint32_t i, first, count = btf_vlen(type);
	struct outcome one;
	uint64_t end = 0;

	known->values = known->depth = 1;
	if (add_nodes(b, count, &first) < 0)
		return -1;
	for (i = 0; i < count; i++, member++) {
		one = (struct outcome){1, 1};
		if (build_member(b, first + i, type, member, level, &end, &one) < 0)
			return error_prefix(
				b->err, "member '%.80s'", btf_string(b->btf, member->name_off));
		known->values += one.values;
		if (known->values > LAYOUT_VALUES_MAX)
			return build_error(b, "a type that is too large");
		if (known->depth < one.depth + 1)
			known->depth = one.depth + 1;
	}
	known->first = first;
	known->count = count;
	if (grow_users(b) < 0)
		return -1;
	return check_names(b, first, count, first + 1);
}

static int build_struct(struct build *b, uint32_t node, uint32_t id, int level, struct outcome *out)
{
	const struct btf_type *type = btf_type(b->btf, id);
	const char *name = btf_string(b->btf, type->name_off);
	struct known known = b->known[id];
	uint32_t tag;

	if (known.first == BEGUN)
		return error_set(b->err, ENOEXEC, "struct '%.80s' contains itself", name);
	if (type->size > INT32_MAX)
		return build_error(b, "a struct that is too large");
	if (!known.values) {
		b->known[id].first = BEGUN;
		if (build_members(b, type, level, &known) < 0)
			return -1;
		b->known[id] = known;
	}
	/* A struct that was compiled higher up may now stand too deep. */
	if (level + known.depth > LAYOUT_DEPTH_MAX)
		return build_error(b, "types are nested too deeply");
	if (add_name(b, name, &tag) < 0)
		return -1;
	b->nodes[node].kind = btf_kind(type) == BTF_KIND_UNION ? LAYOUT_UNION : LAYOUT_STRUCT;
	b->nodes[node].tag = tag;
	b->nodes[node].size = type->size;
	b->nodes[node].first = known.first;
	b->nodes[node].count = known.count;
	*out = (struct outcome){known.values, known.depth};
	return 0;
}

static void build_pointer(struct build *b, struct layout_node *node, const struct btf_type *type)
{
	node->kind = is_kptr(b->btf, type->size) ? LAYOUT_HIDDEN : LAYOUT_UINT;
	node->role = LAYOUT_POINTER;
	node->size = sizeof(uint64_t);
}

static int build_type(struct build *b, uint32_t node, uint32_t id, int level, struct outcome *out)
{
	const struct btf_type *type;

	*out = (struct outcome){1, 1};
	if (level >= LAYOUT_DEPTH_MAX)
		return build_error(b, "types are nested too deeply");
	if (!btf_resolve(b->btf, id, &id))
		return build_error(b, "a type that is defined by itself");
	type = btf_type(b->btf, id);
	switch (btf_kind(type)) {
	case BTF_KIND_INT:
		return build_int(b, &b->nodes[node], type);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return build_enum(b, node, type);
	case BTF_KIND_FLOAT:
		return build_float(b, &b->nodes[node], type);
	case BTF_KIND_PTR:
		build_pointer(b, &b->nodes[node], type);
		return 0;
	case BTF_KIND_ARRAY:
		return build_array(b, node, type, level, out);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return build_struct(b, node, id, level, out);
	default:
		return build_error(b, "a type without a size");
	}
}

/* Puts nodes and names together in one block. */
static struct layout *pack(struct build *b, uint32_t depth)
{
	uint64_t nodes = sizeof(struct layout) + (uint64_t)b->count * sizeof(*b->nodes);
	uint64_t names = nodes + (uint64_t)b->names.count * sizeof(uint32_t);
	uint64_t bytes = names + b->names.size;
	struct layout *layout;
	uint32_t i, *offsets;

	layout = bytes <= INT32_MAX ? malloc(bytes) : NULL;
	if (!layout) {
		error_errno(b->err, ENOMEM, "compile a type");
		return NULL;
	}
	*layout = (struct layout){
		.bytes = (uint32_t)bytes,
		.node_count = b->count,
		.name_count = b->names.count,
		.name_offsets = (uint32_t)nodes,
		.depth = depth,
	};
	memcpy(layout->nodes, b->nodes, b->count * sizeof(*b->nodes));
	offsets = (uint32_t *)(void *)((char *)layout + nodes);
	for (i = 0; i < b->names.count; i++)
		offsets[i] = (uint32_t)names + b->names.offsets[i];
	if (b->names.size)
		memcpy((char *)layout + names, b->names.bytes, b->names.size);
	return layout;
}

struct layout *layout_build(const struct btf *btf, uint32_t id, struct error *err)
{
	struct build b = {.btf = btf, .err = err};
	struct layout *layout = NULL;
	struct outcome out;
	uint32_t root;

	b.known = calloc(btf->type_count, sizeof(*b.known));
	if (!b.known)
		error_errno(err, ENOMEM, "compile a type");
	else if (add_nodes(&b, 1, &root) == 0 && build_type(&b, root, id, 0, &out) == 0)
		layout = b.nodes[root].kind == LAYOUT_HIDDEN ? NULL : pack(&b, out.depth);
	if (b.count && b.nodes[0].kind == LAYOUT_HIDDEN)
		build_error(&b, "the kernel alone uses values of this type");
	pool_free(&b.names);
	free(b.nodes);
	free(b.users);
	free(b.known);
	return layout;
}

uint64_t layout_get_bits(const struct layout_node *node, const unsigned char *bytes)
{
	unsigned int count = ((unsigned int)node->bit + node->bits + 7) / 8;
	unsigned __int128 all = 0;
	unsigned int i;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (i = 0; i < count; i++)
		all |= (unsigned __int128)bytes[i] << i * 8;
	all >>= node->bit;
#else
	for (i = 0; i < count; i++)
		all = all << 8 | bytes[i];
	all >>= count * 8 - node->bit - node->bits;
#endif
	return (uint64_t)all & UINT64_MAX >> (64 - node->bits);
}

void layout_set_bits(const struct layout_node *node, unsigned char *bytes, uint64_t value)
{
	unsigned int i, at, shift;

	for (i = 0; i < node->bits; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		at = (unsigned int)node->bit + i;
		shift = at % 8;
#else
		at = (unsigned int)node->bit + node->bits - 1 - i;
		shift = 7 - at % 8;
#endif
		bytes[at / 8] = (unsigned char)((bytes[at / 8] & ~(1U << shift)) |
						(value >> i & 1) << shift);
	}
}
