/* SPDX-License-Identifier: MIT */
#include "layout_path.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool is_struct(const struct layout_node *node)
{
	return node->kind == LAYOUT_STRUCT || node->kind == LAYOUT_UNION;
}

/* The field of that name, of the struct or of a nameless one in it; *offset grows by where it is. */
static const struct layout_node *find_field(const struct layout *layout,
	const struct layout_node *node, const char *name, size_t length, uint32_t *offset)
{
	const struct layout_node *field = &layout->nodes[node->first];
	const struct layout_node *end = field + node->count, *found;
	const char *has;
	uint32_t inside;

	for (; field < end; field++) {
		if (field->kind == LAYOUT_HIDDEN)
			continue;
		inside = *offset + field->offset;
		if (!field->name) {
			found = find_field(layout, field, name, length, &inside);
		} else {
			has = layout_name(layout, field->name);
			found = strncmp(has, name, length) == 0 && !has[length] ? field : NULL;
		}
		if (found) {
			*offset = inside;
			return found;
		}
	}
	return NULL;
}

/* Reads "[n]" at *path, and goes past it; 0 when it is nothing of the kind. */
static uint32_t read_index(const char **path)
{
	const char *p = *path + 1;
	uint64_t n = 0;

	for (; isdigit((unsigned char)*p) && n <= UINT32_MAX; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (*p != ']' || n > UINT32_MAX)
		return 0;
	*path = p + 1;
	return (uint32_t)n;
}

/* Goes from an array to its element number `index`, from 1 on. */
static int enter_array(const struct layout *layout, struct layout_node *node, uint32_t index)
{
	bool is_bytes = node->kind == LAYOUT_CHARS || node->kind == LAYOUT_BYTES;
	uint32_t offset = node->offset;
	uint32_t count = is_bytes ? node->size : node->count;

	if ((!is_bytes && node->kind != LAYOUT_ARRAY) || node->role == LAYOUT_INT128)
		return -1;
	if (index < 1 || index > count)
		return -1;
	if (is_bytes) {
		*node = (struct layout_node){.kind = LAYOUT_UINT, .size = 1};
		node->offset = offset + index - 1;
	} else {
		*node = layout->nodes[node->first];
		node->offset = offset + (index - 1) * node->size;
	}
	return 0;
}

int layout_find(
	const struct layout *layout, const char *path, struct layout_node *node, struct error *err)
{
	const struct layout_node *field;
	const char *p = path;
	uint32_t offset = 0;
	size_t length;

	*node = layout->nodes[0];
	while (*p || p == path) {
		if (*p == '[') {
			if (enter_array(layout, node, read_index(&p)) < 0)
				return error_set(err, ENOENT,
					"no field '%.80s': there is no such element", path);
			continue;
		}
		p += p != path; /* what ended the name before is a dot */
		length = strcspn(p, ".[");
		offset = node->offset;
		field = NULL;
		if (length && is_struct(node) && (p == path || p[-1] == '.'))
			field = find_field(layout, node, p, length, &offset);
		if (!field)
			return error_set(err, ENOENT, "no field '%.80s'", path);
		*node = *field;
		node->offset = offset;
		p += length;
	}
	return 0;
}
