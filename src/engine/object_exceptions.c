/* SPDX-License-Identifier: MIT */
/*
 * Exception callbacks: what runs in the place of a program that called bpf_throw() (Linux 6.7). A tag
 * of the program's function names it,
 *   __attribute__((btf_decl_tag("exception_callback:NAME")))
 * and the kernel looks for a global function so called among those of the program. No instruction
 * refers to it, so that it has to be said which function belongs to the program.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "object_build.h"

#define PREFIX "exception_callback:"

/* Behind the record of a tag: what it is on; -1: all of the type. */
static int32_t component_of(const struct btf_type *tag)
{
	return *(const int32_t *)btf_tail(tag);
}

static struct object_function *find_function(const struct object_build *b, const char *name)
{
	uint32_t number;

	if (strnlen(name, ELF_NAME_LIMIT + 1) > ELF_NAME_LIMIT ||
		!pool_find(&b->function_names, name, &number))
		return NULL;
	return &b->functions[b->function_by_name[number]];
}

static int find_callback(const struct object_build *b, struct object_function *program,
	const char *name, struct error *err)
{
	struct object_function *callback = find_function(b, name);

	if (!name[0])
		return error_set(err, ENOEXEC, "its tag \"" PREFIX "\" names none");
	if (!callback)
		return error_set(err, ENOEXEC, "the object has no function of that name");
	if (callback->is_program)
		return error_set(err, ENOEXEC,
			"it is a program of section \"%.80s\": leave out its SEC()",
			b->elf.sections[callback->symbol->section].name);
	if (callback->symbol->bind == STB_LOCAL || callback->symbol->hidden)
		return error_set(err, ENOEXEC, "it has to be a global function: leave out %s",
			callback->symbol->hidden ? "__hidden" : "static");
	program->callback = callback;
	return 0;
}

static int read_tag(struct object_build *b, const struct btf_type *tag, struct error *err)
{
	const struct btf *btf = b->object->btf;
	const struct btf_type *type = btf_type(btf, tag->size);
	const char *name = btf_name(btf, tag) + strlen(PREFIX);
	struct object_function *program = NULL;

	if (btf_kind(type) == BTF_KIND_FUNC)
		program = find_function(b, btf_name(btf, type));
	if (!program || program->symbol->bind == STB_LOCAL)
		return error_set(err, ENOEXEC,
			"the tag \"" PREFIX
			"%.80s\" is not on the function of a program: \"%.80s\"",
			name, btf_name(btf, type));
	/* Functions of programs may have one for nothing. Of two the verifier complains. */
	if (!program->is_program || program->callback)
		return 0;
	if (find_callback(b, program, name, err) < 0)
		return error_prefix(err, "program \"%.80s\": exception callback \"%.80s\"",
			program->symbol->name, name);
	return 0;
}

int object_read_exceptions(struct object_build *b, struct error *err)
{
	const struct btf *btf = b->object->btf;
	const struct btf_type *type;
	uint32_t id;

	if (!btf)
		return 0;
	for (id = 1; id < btf->type_count; id++) {
		type = btf_type(btf, id);
		if (btf_kind(type) != BTF_KIND_DECL_TAG || component_of(type) != -1 ||
			strncmp(btf_name(btf, type), PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (read_tag(b, type, err) < 0)
			return -1;
	}
	return 0;
}
