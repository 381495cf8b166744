/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Making text from outside fit for a line of a log. */
#include <stddef.h>

/* Replace in place, byte by byte, by '?': control characters (C0, DEL, C1, the Unicode line and paragraph
 * separators) and whatever is not UTF-8.  The result is well-formed UTF-8 on one line. */
void text_make_line(char *s, size_t n);
