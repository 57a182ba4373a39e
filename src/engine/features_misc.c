/* SPDX-License-Identifier: MIT */
/* Instruction sets, kinds of BTF, commands and whatever else a program may want to know of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "features_parts.h"
#include "sys.h"

enum {
	MANY = 4096, /* instructions, the most before Linux 5.2 */
};

/* A list of instructions by the words of the encoding: what uapi/linux/bpf.h calls it stands
 * beside. */
#define INSN(c, d, s, o, i)                                                                        \
	{                                                                                          \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                \
	}
#define ZERO INSN(0xb7, 0, 0, 0, 0) /* r0 = 0 */
#define EXIT INSN(BPF_JMP_EXIT, 0, 0, 0, 0)

static const struct bpf_insn isa_v1[] = {ZERO, EXIT};
static const struct bpf_insn isa_v2[] = {
	ZERO,
	INSN(0xa5, 0, 0, 0, 1), /* if r0 < 1 goto +0: BPF_JLT */
	EXIT,
};
static const struct bpf_insn isa_v3[] = {
	ZERO,
	INSN(0xa6, 0, 0, 0, 1), /* if w0 < 1 goto +0: BPF_JMP32 */
	EXIT,
};
static const struct bpf_insn isa_v4[] = {
	ZERO,
	INSN(0xd7, 0, 0, 0, 64), /* r0 = bswap64 r0 */
	INSN(0xbf, 0, 0, 8, 0), /* r0 = (s8)r0 */
	INSN(0xb7, 0, 0, 0, 0), /* r0 = 0 */
	INSN(0x06, 0, 0, 0, 0), /* gotol +0: BPF_JMP32 | BPF_JA */
	EXIT,
};
static const struct bpf_insn loop[] = {
	INSN(0xb7, 0, 0, 0, 10), /* r0 = 10 */
	INSN(0x07, 0, 0, 0, -1), /* r0 += -1 */
	INSN(0x55, 0, 0, -2, 0), /* if r0 != 0 goto -2 */
	EXIT,
};
static const struct bpf_insn fetch[] = {
	ZERO,
	INSN(0x7b, 10, 0, -8, 0), /* *(u64 *)(r10 - 8) = r0 */
	INSN(0xdb, 10, 0, -8, 0x01), /* r0 = atomic_fetch_add(...) */
	ZERO,
	EXIT,
};
static const struct bpf_insn load_acquire[] = {
	ZERO,
	INSN(0x7b, 10, 0, -8, 0), /* *(u64 *)(r10 - 8) = r0 */
	INSN(0xdb, 0, 10, -8, 0x100), /* r0 = load_acquire(...) */
	ZERO,
	EXIT,
};
static const struct bpf_insn may_goto[] = {
	ZERO,
	INSN(0xe5, 0, 0, 1, 0), /* may_goto +1: BPF_JCOND; Linux 6.12 refuses +0 */
	ZERO,
	EXIT,
};
static const struct bpf_insn subprogram[] = {
	INSN(BPF_JMP_CALL, 0, BPF_PSEUDO_CALL, 0, 1),
	EXIT,
	ZERO,
	EXIT,
};

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

static const struct listing {
	const char *name;
	const struct bpf_insn *insns;
	uint32_t count;
} isas[] = {
	{"v1", isa_v1, LENGTH(isa_v1)},
	{"v2", isa_v2, LENGTH(isa_v2)},
	{"v3", isa_v3, LENGTH(isa_v3)},
	{"v4", isa_v4, LENGTH(isa_v4)},
};

static const char *const isa_names[] = {"v1", "v2", "v3", "v4"};
const struct names_table features_isas = {"instruction set", isa_names, LENGTH(isa_names)};

/* A socket filter of those instructions loads. */
static int probe_insns(const char *what, const char *name, const struct bpf_insn *insns,
	uint32_t count, struct error *err)
{
	struct features_program program = {.type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = insns,
		.count = count,
		.silent = count > MANY};
	char log[FEATURES_LOG_SIZE];
	int ret = features_load(&program, log);

	/* The verifier's no to an instruction may be an EACCES. ENOTSUPP and the like: no JIT for it. */
	if (ret < 0 && features_complained(log))
		return 0;
	return features_conclude(err, ret, PROBE_BPF, what, name);
}

int features_isa(uint32_t version, struct error *err)
{
	const struct listing *isa = &isas[version];

	return probe_insns("instruction set", isa->name, isa->insns, isa->count, err);
}

#define INFO(kind, vlen) ((uint32_t)(kind) << 24 | (uint32_t)(vlen))
#define INT              1, INFO(BTF_KIND_INT, 0), 4, 32 /* [1] int a */

/* Types to load, the first of which is an int; words as in the section. */
static const uint32_t btf_int[] = {INT};
static const uint32_t btf_ptr[] = {INT, 0, INFO(BTF_KIND_PTR, 0), 1};
static const uint32_t btf_array[] = {INT, 0, INFO(BTF_KIND_ARRAY, 0), 0, 1, 1, 2};
static const uint32_t btf_struct[] = {INT, 1, INFO(BTF_KIND_STRUCT, 1), 4, 1, 1, 0};
static const uint32_t btf_union[] = {INT, 1, INFO(BTF_KIND_UNION, 1), 4, 1, 1, 0};
static const uint32_t btf_enum[] = {INT, 1, INFO(BTF_KIND_ENUM, 1), 4, 1, 1};
static const uint32_t btf_fwd[] = {INT, 1, INFO(BTF_KIND_FWD, 0), 0};
static const uint32_t btf_typedef[] = {INT, 1, INFO(BTF_KIND_TYPEDEF, 0), 1};
static const uint32_t btf_volatile[] = {INT, 0, INFO(BTF_KIND_VOLATILE, 0), 1};
static const uint32_t btf_const[] = {INT, 0, INFO(BTF_KIND_CONST, 0), 1};
static const uint32_t btf_restrict[] = {
	INT, 0, INFO(BTF_KIND_PTR, 0), 1, 0, INFO(BTF_KIND_RESTRICT, 0), 2};
static const uint32_t btf_func[] = {
	INT, 0, INFO(BTF_KIND_FUNC_PROTO, 0), 1, 1, INFO(BTF_KIND_FUNC, BTF_LINKAGE_STATIC), 2};
static const uint32_t btf_func_proto[] = {INT, 0, INFO(BTF_KIND_FUNC_PROTO, 1), 1, 1, 1};
static const uint32_t btf_var[] = {INT, 1, INFO(BTF_KIND_VAR, 0), 1, BTF_LINKAGE_STATIC};
static const uint32_t btf_datasec[] = {INT, 1, INFO(BTF_KIND_VAR, 0), 1, BTF_LINKAGE_STATIC,
	3 /* .a */, INFO(BTF_KIND_DATASEC, 1), 4, 2, 0, 4};
static const uint32_t btf_float[] = {INT, 1, INFO(BTF_KIND_FLOAT, 0), 4};
static const uint32_t btf_decl_tag[] = {INT, 1, INFO(BTF_KIND_VAR, 0), 1, BTF_LINKAGE_STATIC, 1,
	INFO(BTF_KIND_DECL_TAG, 0), 2, UINT32_MAX};
static const uint32_t btf_type_tag[] = {
	INT, 1, INFO(BTF_KIND_TYPE_TAG, 0), 1, 0, INFO(BTF_KIND_PTR, 0), 2};
static const uint32_t btf_enum64[] = {INT, 1, INFO(BTF_KIND_ENUM64, 1), 8, 1, 1, 0};
static const uint32_t btf_func_global[] = {
	INT, 0, INFO(BTF_KIND_FUNC_PROTO, 0), 1, 1, INFO(BTF_KIND_FUNC, BTF_LINKAGE_GLOBAL), 2};

static const struct blob {
	const uint32_t *words;
	size_t size;
} blobs[] = {
	{btf_int, sizeof(btf_int)},
	{btf_ptr, sizeof(btf_ptr)},
	{btf_array, sizeof(btf_array)},
	{btf_struct, sizeof(btf_struct)},
	{btf_union, sizeof(btf_union)},
	{btf_enum, sizeof(btf_enum)},
	{btf_fwd, sizeof(btf_fwd)},
	{btf_typedef, sizeof(btf_typedef)},
	{btf_volatile, sizeof(btf_volatile)},
	{btf_const, sizeof(btf_const)},
	{btf_restrict, sizeof(btf_restrict)},
	{btf_func, sizeof(btf_func)},
	{btf_func_proto, sizeof(btf_func_proto)},
	{btf_var, sizeof(btf_var)},
	{btf_datasec, sizeof(btf_datasec)},
	{btf_float, sizeof(btf_float)},
	{btf_decl_tag, sizeof(btf_decl_tag)},
	{btf_type_tag, sizeof(btf_type_tag)},
	{btf_enum64, sizeof(btf_enum64)},
	{btf_func_global, sizeof(btf_func_global)},
};

static const char *const btf_names[] = {
	"int",
	"ptr",
	"array",
	"struct",
	"union",
	"enum",
	"fwd",
	"typedef",
	"volatile",
	"const",
	"restrict",
	"func",
	"func_proto",
	"var",
	"datasec",
	"float",
	"decl_tag",
	"type_tag",
	"enum64",
	"func_global",
};

const struct names_table features_btf_kinds = {"kind of BTF", btf_names, LENGTH(btf_names)};

_Static_assert(LENGTH(blobs) == LENGTH(btf_names), "types for each kind");

int features_btf_kind(uint32_t kind, struct error *err)
{
	static const char strings[] = "\0a\0.a";
	struct {
		uint16_t magic;
		uint8_t version, flags;
		uint32_t header_size, type_offset, type_size, string_offset, string_size;
		uint8_t body[64 + sizeof(strings)];
	} data = {0xeb9f, 1, 0, 24, 0, 0, 0, sizeof(strings), {0}};
	const struct blob *blob = &blobs[kind];
	struct abi_btf_load attr = {.btf = sys_ptr(&data)};

	data.type_size = data.string_offset = (uint32_t)blob->size;
	memcpy(data.body, blob->words, blob->size);
	memcpy(data.body + blob->size, strings, sizeof(strings));
	attr.btf_size = data.header_size + data.type_size + data.string_size;
	return features_conclude(err, sys_bpf_fd(BPF_BTF_LOAD, &attr, sizeof(attr)), PROBE_BPF,
		"kind of BTF", btf_names[kind]);
}

static int probe_bounded_loops(const char *name, struct error *err)
{
	return probe_insns("feature", name, loop, LENGTH(loop), err);
}

static int probe_fetch(const char *name, struct error *err)
{
	return probe_insns("feature", name, fetch, LENGTH(fetch), err);
}

static int probe_load_acquire(const char *name, struct error *err)
{
	return probe_insns("feature", name, load_acquire, LENGTH(load_acquire), err);
}

static int probe_may_goto(const char *name, struct error *err)
{
	return probe_insns("feature", name, may_goto, LENGTH(may_goto), err);
}

static int probe_subprograms(const char *name, struct error *err)
{
	return probe_insns("feature", name, subprogram, LENGTH(subprogram), err);
}

/* More instructions than the 4096 that unprivileged users may still have. */
static int probe_large_programs(const char *name, struct error *err)
{
	const struct bpf_insn zero = ZERO, end = EXIT;
	struct bpf_insn *insns = calloc(MANY + 1, sizeof(*insns));
	int i, ret;

	if (!insns)
		return features_unknown(err, ENOMEM, 0, "feature", name);
	for (i = 0; i < MANY; i++)
		insns[i] = zero;
	insns[MANY] = end;
	ret = probe_insns("feature", name, insns, MANY + 1, err);
	free(insns);
	return ret;
}

/* The kernel knows the command when it finds fault with the descriptor. */
static int probe_command(
	const char *name, int command, const void *attr, size_t size, struct error *err)
{
	uint64_t copy[16] = {0};
	int ret;

	memcpy(copy, attr, size);
	ret = sys_bpf((enum bpf_cmd)command, copy, size);
	if (ret == -EBADF)
		return 1;
	return features_conclude(err, ret < 0 ? ret : -EINVAL, PROBE_BPF, "feature", name);
}

static int probe_token(const char *name, struct error *err)
{
	const uint32_t attr[2] = {0, UINT32_MAX}; /* flags, the descriptor of a bpffs */

	return probe_command(name, BPF_TOKEN_CREATE, attr, sizeof(attr), err);
}

static int probe_streams(const char *name, struct error *err)
{
	const uint32_t attr[6] = {
		0, 0, 1, 1, UINT32_MAX, 0}; /* buffer, its size, stream, program */

	return probe_command(name, BPF_PROG_STREAM_READ_BY_FD, attr, sizeof(attr), err);
}

static int probe_batches(const char *name, struct error *err)
{
	const struct abi_map_batch attr = {.map_fd = UINT32_MAX};

	return probe_command(name, BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr), err);
}

static int probe_freezing(const char *name, struct error *err)
{
	const uint32_t attr = UINT32_MAX;

	return probe_command(name, BPF_MAP_FREEZE, &attr, sizeof(attr), err);
}

static int probe_links(const char *name, struct error *err)
{
	const uint32_t attr[4] = {UINT32_MAX, 0, 0, 0};

	return probe_command(name, BPF_LINK_CREATE, attr, sizeof(attr), err);
}

static int probe_link_detaching(const char *name, struct error *err)
{
	const uint32_t attr = UINT32_MAX;

	return probe_command(name, BPF_LINK_DETACH, &attr, sizeof(attr), err);
}

static int probe_map_binding(const char *name, struct error *err)
{
	const uint32_t attr[3] = {UINT32_MAX, UINT32_MAX, 0};

	return probe_command(name, BPF_PROG_BIND_MAP, attr, sizeof(attr), err);
}

static const char *const misc_names[] = {
	"bounded_loops",
	"large_programs",
	"subprograms",
	"atomic_fetch",
	"load_acquire",
	"may_goto",
	"batches",
	"freeze",
	"links",
	"link_detach",
	"prog_bind_map",
	"token",
	"streams",
};

static int (*const misc_probes[])(const char *name, struct error *err) = {
	probe_bounded_loops,
	probe_large_programs,
	probe_subprograms,
	probe_fetch,
	probe_load_acquire,
	probe_may_goto,
	probe_batches,
	probe_freezing,
	probe_links,
	probe_link_detaching,
	probe_map_binding,
	probe_token,
	probe_streams,
};

const struct names_table features_misc = {"feature", misc_names, LENGTH(misc_names)};

_Static_assert(LENGTH(misc_probes) == LENGTH(misc_names), "a probe for each feature");

int features_misc_feature(uint32_t feature, struct error *err)
{
	return misc_probes[feature](misc_names[feature], err);
}
