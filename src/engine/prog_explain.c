/* SPDX-License-Identifier: MIT */
#include "prog_explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_relo.h"
#include "disasm.h"
#include "externs.h"
#include "features.h"
#include "helpers.h"
#include "map_poison.h"
#include "names.h"
#include "probe.h"
#include "since.h"
#include "token.h"
#include "verifier_log.h"

/* A failure being told. */
struct telling {
	const struct prog_load *spec;
	struct verifier_log log;
	uint32_t told; /* lines of the log that the message has */
	struct error *err;
};

/* What to do where the verifier says certain words. */
static const struct advice {
	const char *says, *advice;
} advices[] = {
	{"_or_null'", "compare the pointer with NULL before using it"},
	{"Possibly NULL pointer", "compare the pointer with NULL before passing it on"},
	{"unbounded memory access", "compare the offset with the size of the memory before"},
	{"outside of the allowed memory range",
		"compare the offset with the size of the memory before"},
	{"outside of the packet", "compare the end of what is accessed with data_end before"},
	{"invalid access to packet", "compare the end of what is accessed with data_end before"},
	{"invalid bpf_context access",
		"programs of this type cannot access this field of the context in this way"},
	{"variable ctx access", "fields of the context are accessed at constant offsets only"},
	{"dereference of modified ctx ptr",
		"fields of the context are accessed at constant offsets only"},
	{"invalid mem access 'scalar'",
		"a number is no pointer: read the kernel's memory with "
		"bpf_probe_read_kernel(), a process' with bpf_probe_read_user()"},
	{"invalid mem access 'inv'",
		"a number is no pointer: read the kernel's memory with "
		"bpf_probe_read_kernel(), a process' with bpf_probe_read_user()"},
	{"!read_ok", "the register has no value on this path"},
	{"write to stack", "the stack of a function has 512 bytes"},
	{"read from stack", "give each byte of the variable a value before, padding too"},
	{"combined stack size", "put what is large into a map, such as a percpu_array"},
	{"infinite loop detected",
		"give the loop a bound that the verifier can see, or use bpf_loop()"},
	{"back-edge", "Linux before 5.3 takes no loops: unroll it with #pragma unroll"},
	{"program is too large",
		"give loops smaller bounds, or use bpf_loop(), global functions or "
		"tail calls, which are verified on their own"},
	{"jumps is too complex", "split the program into global functions or tail calls"},
	{"write into map forbidden", "the map is read-only for programs, as constants are"},
	{"Unreleased reference", "release it on every path"},
	{"spin_lock-ed region", "unlock it on every path"},
	{"spin_unlock is missing", "unlock it on every path"},
	{"while holding a lock", "call it before locking, or after unlocking"},
	{"pointer arithmetic",
		"numbers of restricted range may be added to some pointers, and no more"},
	{"At program exit the register R0", "programs of this type return one of these numbers"},
	{"Caller passes invalid args",
		"a global function is verified for all arguments that its type "
		"allows: make it static for it to be verified with its caller"},
	{" expected=", "R1 to R5 are the arguments of the call, in order"},
	{"failed to find the address for kernel symbol",
		"the kernel was built without CONFIG_KALLSYMS_ALL, which it needs for variables"},
	{"without CONFIG_DEBUG_INFO_BTF", "the kernel was built without its types (BTF)"},
	{"kernel BTF is missing", "the kernel was built without its types (BTF)"},
	{"missing btf func_info", "compile with -g"},
	{"unreachable insn", "remove the instructions, or jump to them"},
	{"jump out of range", "the jump leads out of its function"},
	{"last insn is not an exit", "a function ends with exit or a jump"},
	{"frame pointer is read only", "copy r10 to another register to change it"},
	{"unknown opcode", "this kernel does not know the instruction: compile for a lower -mcpu"},
	{"invalid atomic opcode",
		"this kernel does not know the instruction: compile for a lower -mcpu"},
	{"JIT is required", "set the sysctl net.core.bpf_jit_enable to 1"},
	{"expected prog array map", "tail calls go through maps of type prog_array"},
};

/* The program's license, where that is what is wrong. */
static bool advise_license(struct telling *t)
{
	if (!verifier_log_says(&t->log, "GPL"))
		return false;
	error_append(t->err,
		": its license is \"%.60s\": what it calls is for programs whose license is "
		"compatible with the GPL, such as \"GPL\" or \"Dual MIT/GPL\"",
		t->spec->license);
	return true;
}

/* The number of the helper in "cannot use helper bpf_loop#181"; or false. */
static bool find_helper(const struct verifier_log *log, uint32_t *helper)
{
	static const char *const words[] = {
		"invalid func ", "unknown func ", "program of this type cannot use helper "};
	const struct verifier_span *line;
	const char *hash;
	uint32_t i, j;

	for (i = 0; i < log->word_count; i++) {
		line = &log->words[i];
		for (j = 0; j < sizeof(words) / sizeof(words[0]); j++) {
			if (line->length < strlen(words[j]) ||
				memcmp(line->text, words[j], strlen(words[j])) != 0)
				continue;
			hash = memchr(line->text, '#', line->length);
			if (hash)
				*helper = (uint32_t)strtoul(hash + 1, NULL, 10);
			return hash != NULL;
		}
	}
	return false;
}

/* "programs of type xdp" */
static void append_type(const struct telling *t)
{
	const char *type = names_of(&names_prog_types, t->spec->type);

	if (type)
		error_append(t->err, "programs of type %s", type);
	else
		error_append(t->err, "programs of type %u", t->spec->type);
}

static bool advise_helper(struct telling *t)
{
	uint32_t helper, running = probe_kernel_version(), version, lacking;
	char since[SINCE_TEXT], now[SINCE_TEXT];

	if (!find_helper(&t->log, &helper))
		return false;
	version = since_helper(helper);
	if (!version) {
		error_append(t->err, ": no helper of Linux has the number %u", helper);
		return true;
	}
	if (running && (running >> 8) < (version >> 8)) {
		since_print(version, since);
		since_print(running, now);
		error_append(t->err, ": %s came with Linux %s, and this is %s",
			names_of(&helpers, helper), since, now);
		return true;
	}
	error_append(t->err, ": ");
	append_type(t);
	error_append(t->err, " cannot call %s", names_of(&helpers, helper));
	lacking = probe_lacking(PROBE_BPF | PROBE_PERFMON);
	if (lacking) {
		error_append(t->err, ", or only from a process with ");
		probe_append_needs(t->err, lacking);
	}
	return true;
}

/* The version that brought an instruction of the program which `running` lacks; 0: there is none. */
static uint32_t newer_insn(const struct prog_load *spec, uint32_t running, const char **what)
{
	uint32_t i, version;

	for (i = 0; i < spec->count; i++) {
		version = since_insn(&spec->code[i], what);
		if ((running >> 8) < (version >> 8))
			return version;
		i += spec->code[i].code == BPF_LD_IMM64; /* which takes two slots */
	}
	return 0;
}

static bool advise_insn(struct telling *t)
{
	uint32_t running = probe_kernel_version(), version;
	char since[SINCE_TEXT], now[SINCE_TEXT];
	const char *what = "";

	version = running ? newer_insn(t->spec, running, &what) : 0;
	if (!version)
		return false;
	since_print(version, since);
	since_print(running, now);
	error_append(t->err, ": %s came with Linux %s, and this is %s", what, since, now);
	return true;
}

/* What a privileged process may load. */
static bool advise_privilege(struct telling *t)
{
	static const char *const words[] = {"prohibited", "leaks addr", "attempt to corrupt",
		"allowed for CAP_BPF", "for root only", "pointer comparison"};
	uint32_t lacking;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (verifier_log_says(&t->log, words[i]))
			break;
	}
	if (i == sizeof(words) / sizeof(words[0]))
		return false;
	lacking = probe_lacking(PROBE_BPF | PROBE_PERFMON);
	if (!lacking)
		return false;
	error_append(t->err, ": it may be allowed to a process with ");
	probe_append_needs(t->err, lacking);
	return true;
}

/* A paragraph of the verifier's report. */
static void append_part(struct telling *t, const struct verifier_span *part)
{
	if (!part->length)
		return;
	error_append(t->err, ": ");
	t->told += verifier_log_append(part, t->err) + 1;
}

static void advise(struct telling *t)
{
	size_t i;

	if (advise_license(t) || advise_helper(t) || advise_insn(t) || advise_privilege(t))
		return;
	if (t->log.suggestion.length) {
		append_part(t, &t->log.reason);
		append_part(t, &t->log.suggestion);
		return;
	}
	for (i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		if (verifier_log_says(&t->log, advices[i].says)) {
			error_append(t->err, ": %s", advices[i].advice);
			return;
		}
	}
	if (verifier_log_says(&t->log, "calling kernel function")) {
		error_append(t->err, ": ");
		append_type(t);
		error_append(t->err, " cannot call it");
	}
}

/* The name of the function that an instruction is of, or NULL. */
static const char *function_at(const struct insns *list, uint32_t index)
{
	const char *name = NULL;
	uint32_t i;

	for (i = 0; i < list->symbol_count && list->symbols[i].index <= index; i++)
		name = insns_name(list, list->symbols[i].name);
	return name;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "count.bpf.c:41 (return *value;)", by what the object says; else by what the verifier does. */
static void append_source(struct telling *t, const struct insns *list)
{
	const struct abi_line_info *line = list ? disasm_line(list, t->log.index) : NULL;
	struct verifier_span source;
	const char *text;

	if (!line) {
		if (t->log.source.length) {
			error_append(t->err, ", ");
			verifier_log_append(&t->log.source, t->err);
		}
		return;
	}
	text = btf_string(list->types, line->line_off);
	source = (struct verifier_span){text, strnlen(text, 1024)};
	error_append(t->err, ", %.80s:%u", last_part(btf_string(list->types, line->file_name_off)),
		line->line_col >> 10);
	if (!source.length)
		return;
	error_append(t->err, " (");
	verifier_log_append(&source, t->err);
	error_append(t->err, ")");
}

/* ", at instruction 7 (r0 = *(u32 *)(r0 +0)) of count(), count.bpf.c:41 (return *value;)" */
static void append_place(struct telling *t)
{
	const struct insns *list = t->spec->relocated;
	struct text insn = {0};
	const char *function;

	if (!t->log.has_index)
		return;
	if (list && t->log.index >= list->count)
		list = NULL;
	error_append(t->err, ", at instruction %u", t->log.index);
	if (t->log.instruction.length) {
		error_append(t->err, " (");
		verifier_log_append(&t->log.instruction, t->err);
		error_append(t->err, ")");
		t->told++;
	} else if (list) {
		disasm_insn(list, t->log.index, &insn);
		if (insn.bytes)
			error_append(t->err, " (%.120s)", insn.bytes);
		text_free(&insn);
	}
	function = list ? function_at(list, t->log.index) : NULL;
	if (function)
		error_append(t->err, " of %.120s()", function);
	append_source(t, list);
	t->told += t->log.source.length != 0;
}

/* The reason of what this library has put into the program because something is not there. */
static bool explain_poison(struct telling *t, const char *log)
{
	return core_relo_explain(t->spec->relocated, log, t->err) ||
	       externs_explain(t->spec->relocated, log, t->err) ||
	       map_poison_explain(t->spec->relocated, &t->log, t->err);
}

/* Programs that are attached in a way which the running kernel is too old for. */
static bool advise_attach_type(const struct telling *t)
{
	uint32_t version = since_attach_type(t->spec->attach_type);
	uint32_t running = probe_kernel_version();
	const char *type = names_of(&names_attach_types, t->spec->attach_type);
	char since[SINCE_TEXT], now[SINCE_TEXT];

	if (!type || !running || (running >> 8) >= (version >> 8))
		return false;
	since_print(version, since);
	since_print(running, now);
	error_append(
		t->err, "the attach type %s came with Linux %s, and this is %s", type, since, now);
	return true;
}

static void explain_log(struct telling *t, const char *log)
{
	bool poisoned;

	verifier_log_read(&t->log, log);
	poisoned = explain_poison(t, log);
	if (poisoned) {
		t->told++;
	} else {
		error_append(t->err, ": ");
		t->told = verifier_log_append_reason(&t->log, t->err);
		if (!t->told && !advise_attach_type(t))
			error_append(
				t->err, "the log does not say why: see it whole, at log_level 1");
	}
	append_place(t);
	if (!poisoned)
		advise(t);
	if (t->log.lines > t->told)
		error_append(t->err, " (%u more line%s in the log)", t->log.lines - t->told,
			t->log.lines - t->told == 1 ? "" : "s");
}

/* An EINVAL before verification: does the kernel know programs of that type? */
static void explain_invalid(const struct telling *t)
{
	uint32_t version = since_prog_type(t->spec->type), running = probe_kernel_version();
	char since[SINCE_TEXT];
	struct error ignored;

	if (version)
		since_print(version, since);
	if (version && features_prog_type(t->spec->type, &ignored) == 0) {
		error_append(t->err, ": this kernel has no ");
		append_type(t);
		if (running && (running >> 8) < (version >> 8))
			error_append(t->err, ", which came with Linux %s", since);
		else
			error_append(t->err, ", which Linux has since %s where it is configured to",
				since);
		return;
	}
	if (!version) {
		error_append(t->err, ": refused before verification: this kernel may not know ");
		append_type(t);
		return;
	}
	error_append(t->err, ": refused before verification: ");
	if (advise_attach_type(t))
		return;
	error_append(t->err, "the attach type, the attach target or the flags are unknown to this "
			     "kernel, or do not fit ");
	append_type(t);
}

/* The kernel refused before it verified anything, and gave no words. */
static void explain_silence(const struct telling *t)
{
	if (t->spec->ifindex && t->err->code != EPERM) {
		error_append(t->err, ": ");
		append_type(t);
		error_append(t->err, " cannot be offloaded to the network interface %u",
			t->spec->ifindex);
		return;
	}
	switch (t->err->code) {
	case EINVAL:
		explain_invalid(t);
		break;
	case E2BIG:
		error_append(t->err,
			": %u instructions are too many: Linux takes 1000000, without CAP_BPF or "
			"before 5.2 only 4096",
			t->spec->count);
		break;
	case EFAULT:
		error_append(t->err,
			": the verifier met with a bug of its own: the kernel's log, as of "
			"dmesg, may say more");
		break;
	case EAGAIN:
		error_append(t->err, ": signals keep interrupting the verifier");
		break;
	case ENOTSUP:
	case 524: /* the kernel's ENOTSUPP */
		error_append(t->err,
			": the kernel cannot do it without its just-in-time compiler, or "
			"with it: see the sysctl net.core.bpf_jit_enable");
		break;
	default:
		token_explain(t->err, t->spec->token,
			&(struct token_use){
				.command = BPF_PROG_LOAD,
				.prog_type = t->spec->type,
				.attach_type = t->spec->attach_type,
				.needs = probe_program_needs(t->spec->type),
			});
	}
}

int prog_explain(const struct prog_load *spec, int code, const char *log, struct error *err)
{
	struct telling t = {.spec = spec, .err = err};
	char what[PROG_LOAD_TEXT];

	prog_load_describe(spec, what, sizeof(what));
	error_errno(err, code, "%s", what);
	if (log && *log)
		explain_log(&t, log);
	else
		explain_silence(&t);
	return -1;
}
