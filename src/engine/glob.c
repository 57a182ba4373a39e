/* SPDX-License-Identifier: MIT */
#include "glob.h"

/* Only the last star need be tried again: what an earlier one took less, this one takes more. */
bool glob_match(const char *pattern, const char *text, size_t size)
{
	const char *star = NULL;
	size_t at = 0, tried = 0;

	while (at < size) {
		if (*pattern == '*') {
			star = pattern++;
			tried = at;
		} else if (*pattern && (*pattern == '?' || *pattern == text[at])) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star + 1;
			at = ++tried;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
