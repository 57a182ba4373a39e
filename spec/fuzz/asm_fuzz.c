/* SPDX-License-Identifier: MIT */
/*
 * Instructions to text and back, and text that nobody wrote. Run under AddressSanitizer.
 *
 *   asm_fuzz valid [instructions [seed]]	random valid instructions give the same bytes, references and
 *						functions again, in both byte orders
 *   asm_fuzz bytes [slots [seed]]		so do random bytes
 *   asm_fuzz text [mutations [seed]]		damaged text gives an error with line and column, or
 *						instructions that come back the same
 */
#include <errno.h>
#include <unistd.h>

#include "../../src/engine/asm.h"
#include "../../src/engine/disasm.h"
#include "fuzz.h"

enum { SLOTS = 48, SECONDS = 600, TEXT_ROOM = 1 << 16 };

static int32_t any_number(void)
{
	static const int32_t odd[] = {0, 1, -1, 2, 8, 16, 32, 64, 255, 0x7fff, -0x8000, 0x10000,
		INT32_MAX, INT32_MIN, 0x100, 0x110, 211, 212};

	return below(2) ? odd[below(sizeof(odd) / sizeof(odd[0]))] : (int32_t)random_number();
}

/* The instruction set as the kernel's documentation has it, not as the table of forms has. */
static const uint8_t alu_ops[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12};
static const uint8_t jump_ops[] = {1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13};
static const int32_t atomics[] = {0, 0x40, 0x50, 0xa0, 1, 0x41, 0x51, 0xa1, 0xe1, 0xf1};

enum kind {
	ALU,
	NEGATE,
	DIVIDE_SIGNED,
	MOVE_SIGNED,
	SWAP,
	ADDRESS_SPACE,
	LOAD,
	LOAD_SIGNED,
	STORE,
	STORE_REGISTER,
	PACKET,
	ATOMIC,
	ACQUIRE,
	RELEASE,
	JUMP,
	GOTO,
	GOTO_LONG,
	MAY_GOTO,
	HELPER,
	KFUNC,
	SUBPROGRAM,
	EXIT,
	LOAD64,
	KINDS,
};

static uint8_t size_bits(uint32_t sizes)
{
	static const uint8_t bits[] = {0x10, 0x08, 0x00, 0x18};

	return bits[below(sizes)];
}

static struct bpf_insn random_alu(enum kind kind)
{
	uint8_t class = below(2) ? 7 : 4;
	uint8_t reg = below(2) ? 8 : 0;
	struct bpf_insn insn = {.dst_reg = below(11)};

	switch (kind) {
	case NEGATE:
		insn.code = 0x80 | class;
		return insn;
	case MOVE_SIGNED:
		insn.code = 0xb8 | class;
		insn.off = (int16_t)(8 << below(class == 7 ? 3 : 2));
		insn.src_reg = below(11);
		return insn;
	case SWAP:
		insn.code = 0xd0 | class | (class == 4 ? reg : 0);
		insn.imm = 16 << below(3);
		return insn;
	case ADDRESS_SPACE:
		insn.code = 0xbf;
		insn.off = 1;
		insn.src_reg = below(11);
		insn.imm = below(2) ? 1 : 1 << 16;
		return insn;
	case DIVIDE_SIGNED:
		insn.code = (below(2) ? 0x30 : 0x90) | class | reg;
		insn.off = 1;
		break;
	default:
		insn.code = (uint8_t)(alu_ops[below(sizeof(alu_ops))] << 4) | class | reg;
	}
	if (reg)
		insn.src_reg = below(11);
	else
		insn.imm = any_number();
	return insn;
}

static struct bpf_insn random_access(enum kind kind)
{
	struct bpf_insn insn = {.dst_reg = below(11), .off = (int16_t)any_number()};

	switch (kind) {
	case LOAD:
		insn.code = 0x61 | size_bits(4);
		insn.src_reg = below(11);
		break;
	case LOAD_SIGNED:
		insn.code = 0x81 | size_bits(3);
		insn.src_reg = below(11);
		break;
	case STORE:
		insn.code = 0x62 | size_bits(4);
		insn.imm = any_number();
		break;
	case STORE_REGISTER:
		insn.code = 0x63 | size_bits(4);
		insn.src_reg = below(11);
		break;
	case PACKET:
		insn = (struct bpf_insn){.code = (below(2) ? 0x20 : 0x40) | size_bits(3)};
		insn.imm = any_number();
		if (insn.code >= 0x40)
			insn.src_reg = below(11);
		break;
	case ATOMIC:
		insn.code = below(2) ? 0xdb : 0xc3;
		insn.src_reg = below(11);
		insn.imm = atomics[below(sizeof(atomics) / sizeof(atomics[0]))];
		break;
	default:
		insn.code = 0xc3 | size_bits(4);
		insn.src_reg = below(11);
		insn.imm = kind == ACQUIRE ? 0x100 : 0x110;
	}
	return insn;
}

static struct bpf_insn random_jump(enum kind kind)
{
	struct bpf_insn insn = {.off = (int16_t)(below(2) ? (int)below(16) - 8 : any_number())};
	uint8_t reg = below(2) ? 8 : 0;

	switch (kind) {
	case GOTO:
		insn.code = 0x05;
		break;
	case MAY_GOTO:
		insn.code = 0xe5;
		break;
	case GOTO_LONG:
		insn = (struct bpf_insn){.code = 0x06};
		insn.imm = below(2) ? (int)below(16) - 8 : any_number();
		break;
	case EXIT:
		insn = (struct bpf_insn){.code = 0x95};
		break;
	case HELPER:
		insn = (struct bpf_insn){.code = 0x85, .imm = (int32_t)below(230)};
		break;
	case SUBPROGRAM:
		insn = (struct bpf_insn){.code = 0x85, .src_reg = 1};
		insn.imm = below(2) ? (int)below(16) - 8 : any_number();
		break;
	case KFUNC:
		insn = (struct bpf_insn){.code = 0x85, .src_reg = 2, .imm = any_number()};
		insn.off = (int16_t)(below(2) ? 0 : below(4));
		break;
	default:
		insn.code = (uint8_t)(jump_ops[below(sizeof(jump_ops))] << 4) | reg |
			    (below(2) ? 5 : 6);
		insn.dst_reg = below(11);
		if (reg)
			insn.src_reg = below(11);
		else
			insn.imm = any_number();
	}
	return insn;
}

static void fail_at(const char *what, const char *text)
{
	printf("%s\n%s\n", what, text);
	exit(1);
}

static void check(int ret, const struct error *err)
{
	if (ret < 0)
		fail_at("unexpected error", err->text);
}

static void add(struct insns *list, struct bpf_insn insn)
{
	static const struct bpf_insn zero;
	struct error err;

	check(insns_append(list, &zero, 1, &err), &err);
	insns_set(list, list->count - 1, insn);
}

static const char *random_name(void)
{
	static const char *const names[] = {"events", ".data", ".rodata.str1.1", "L3", "L12",
		"a name", "\"", "\\", "\x01\x7f", "r1", "ll", "map", "func", "extern",
		"bpf_map_lookup_elem", "call", "main", "\xc3\xa4", "pc", "core", "kfunc", ".equ"};

	return names[below(sizeof(names) / sizeof(names[0]))];
}

static void random_load64(struct insns *list)
{
	struct bpf_insn first = {.code = BPF_LD_IMM64, .dst_reg = below(11), .src_reg = below(7)};
	struct bpf_insn second = {0};

	first.imm = any_number();
	if (first.src_reg != BPF_PSEUDO_MAP_FD && first.src_reg != BPF_PSEUDO_FUNC &&
		first.src_reg != BPF_PSEUDO_MAP_IDX)
		second.imm = any_number();
	add(list, first);
	add(list, second);
}

/* Instructions that refer to names, as those of an object do. */
static void add_names(struct insns *list)
{
	struct error err;
	uint32_t i, n;
	bool is_call, resolved;

	for (i = 0; i < list->count; i++) {
		is_call = insns_get(list, i).code == BPF_JMP_CALL;
		n = below(8);
		if (n < INSN_REF_KINDS && (is_call || insns_is_load64(list, i))) {
			resolved = below(2);
			if (!resolved && is_call)
				insns_set(list, i,
					(struct bpf_insn){.code = BPF_JMP_CALL,
						.src_reg = BPF_PSEUDO_CALL,
						.imm = -1});
			check(insns_add_ref(list, i, n, random_name(),
				      n == INSN_REF_MAP_VALUE ? (uint32_t)any_number() : 0, &err),
				&err);
			list->refs[list->ref_count - 1].resolved = resolved;
		}
		if (below(16) == 0)
			(void)insns_add_symbol(list, i, random_name(), &err);
		if (insns_is_load64(list, i))
			i++;
	}
}

static void fill_valid(struct insns *list)
{
	uint32_t count = 1 + below(SLOTS - 2);
	enum kind kind;

	while (list->count < count) {
		kind = below(KINDS);
		if (kind == LOAD64)
			random_load64(list);
		else if (kind <= ADDRESS_SPACE)
			add(list, random_alu(kind));
		else if (kind <= RELEASE)
			add(list, random_access(kind));
		else
			add(list, random_jump(kind));
	}
	add_names(list);
}

static void fill_bytes(struct insns *list)
{
	uint32_t count = 1 + below(SLOTS - 2);
	struct bpf_insn insn;
	uint64_t bits;

	while (list->count < count) {
		bits = random_number();
		memcpy(&insn, &bits, sizeof(insn));
		if (below(8) == 0)
			insn.code = BPF_LD_IMM64;
		if (below(2))
			insn.imm = any_number();
		if (below(2))
			insn.off = 0;
		add(list, insn);
	}
}

static void print(const struct insns *list, struct text *text)
{
	struct error err;

	check(disasm(list, text, &err), &err);
}

static void compare(const struct insns *a, const struct insns *b, const char *text)
{
	uint32_t i;

	if (a->count != b->count ||
		(a->count && memcmp(a->code, b->code, (size_t)a->count * BPF_INSN_SIZE)))
		fail_at("other bytes", text);
	if (a->ref_count != b->ref_count || a->symbol_count != b->symbol_count)
		fail_at("other names", text);
	for (i = 0; i < a->ref_count; i++) {
		if (a->refs[i].index != b->refs[i].index || a->refs[i].kind != b->refs[i].kind ||
			a->refs[i].resolved != b->refs[i].resolved ||
			a->refs[i].offset != b->refs[i].offset ||
			strcmp(insns_name(a, a->refs[i].name), insns_name(b, b->refs[i].name)))
			fail_at("other references", text);
	}
	for (i = 0; i < a->symbol_count; i++) {
		if (a->symbols[i].index != b->symbols[i].index ||
			strcmp(insns_name(a, a->symbols[i].name),
				insns_name(b, b->symbols[i].name)))
			fail_at("other functions", text);
	}
}

/* Prints, reads and compares. */
static void check_again(const struct insns *list)
{
	struct asm_options options = {.foreign = list->foreign};
	struct insns again = {0};
	struct text text = {0};
	struct error err;

	print(list, &text);
	if (asm_parse(&again, text.bytes ? text.bytes : "", text.size, &options, &err) < 0) {
		printf("%s\n", err.text);
		fail_at("cannot be read", text.bytes);
	}
	compare(list, &again, text.bytes);
	text_free(&text);
	insns_free(&again);
}

static void round_trips(long count, void (*fill)(struct insns *list))
{
	struct insns list = {0};
	long done = 0, lists = 0;

	while (done < count) {
		list.foreign = lists++ % 2;
		list.ids = below(2);
		fill(&list);
		check_again(&list);
		done += list.count;
		insns_free(&list);
	}
	printf("%ld slots in %ld lists came back the same\n", done, lists);
}

/* Pieces that statements are made of. */
static const char *const pieces[] = {"r1", "w2", "r10", " = ", " += ", "*(u32 *)(", ")", "lock ",
	"atomic_fetch_add((u64 *)(", "if ", " goto ", "call ", "exit", "ll", "map ", "func ", "[0]",
	"<", ">", "\"", "\\x", ".insn ", ".equ X, ", "X", "0x", "0xffffffffffffffff", "-", "+", "#",
	"//", "/*", "*/", ";", "\n", ":", "pc", "L1", "12: (b7) ", "skb[", "cmpxchg_64(",
	"bpf_map_lookup_elem", "<core byte_off #1 \"0:1\">", "<map x, unresolved>",
	"18446744073709551616", "b7 00 00 00 02 00 00 00 ",
	"0000000000000018 <f>:", "addr_space_cast(", "be16 ", "\0\0"};

static size_t mutate(char *text, size_t size)
{
	const char *piece;
	size_t at, length;
	uint32_t n;

	for (n = 1 + below(4); n; n--) {
		at = size ? below(size) : 0;
		switch (below(5)) {
		case 0:
			if (size)
				text[at] = (char)random_number();
			break;
		case 1:
			length = size ? 1 + below(size - at < 12 ? (uint32_t)(size - at) : 12) : 0;
			memmove(text + at, text + at + length, size - at - length);
			size -= length;
			break;
		case 2:
			length = size ? 1 + below((uint32_t)(size - at)) : 0;
			if (size + length <= TEXT_ROOM / 2) {
				memmove(text + at + length, text + at, size - at);
				size += length;
			}
			break;
		case 3:
			size = at;
			break;
		default:
			piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];
			length = *piece ? strlen(piece) : 2;
			if (size + length <= TEXT_ROOM / 2) {
				memmove(text + at + length, text + at, size - at);
				memcpy(text + at, piece, length);
				size += length;
			}
		}
	}
	return size;
}

/* An exact copy, so that reading beyond its end is seen. */
static bool parse_mutated(const char *text, size_t size)
{
	struct asm_options options = {0};
	char *exact = malloc(size + !size);
	struct insns list = {0};
	unsigned long line, column;
	struct error err = {0};
	int ret;

	if (size)
		memcpy(exact, text, size);
	ret = asm_parse(&list, exact, size, &options, &err);
	if (ret == 0)
		check_again(&list);
	else if (err.code != EINVAL || sscanf(err.text, "%lu:%lu: ", &line, &column) != 2)
		fail_at("an error without a place", err.text);
	free(exact);
	insns_free(&list);
	return ret == 0;
}

static void mutations(long count)
{
	enum { EACH = 20 };
	static char mutated[TEXT_ROOM];
	struct insns list = {0};
	struct text text = {0};
	long done, read = 0;
	size_t size;

	for (done = 0; done < count; done++) {
		if (done % EACH == 0) {
			insns_free(&list);
			text_free(&text);
			fill_valid(&list);
			if (list.count > 6)
				list.count = 6;
			list.ref_count = list.symbol_count = 0;
			print(&list, &text);
		}
		size = text.size;
		memcpy(mutated, text.bytes, size);
		size = mutate(mutated, size);
		read += parse_mutated(mutated, size);
	}
	insns_free(&list);
	text_free(&text);
	printf("%ld of %ld mutations were read\n", read, count);
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[2]) : 1000000;

	if (argc > 3)
		random_state = strtoull(argv[3], NULL, 0) | 1;
	alarm(SECONDS);
	if (argc > 1 && strcmp(argv[1], "valid") == 0)
		round_trips(count, fill_valid);
	else if (argc > 1 && strcmp(argv[1], "bytes") == 0)
		round_trips(count, fill_bytes);
	else if (argc > 1 && strcmp(argv[1], "text") == 0)
		mutations(count);
	else
		fail_at("asm_fuzz valid|bytes|text [count [seed]]", "");
	return 0;
}
