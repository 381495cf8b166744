/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Items as lines of a table: csv, tsv (export_table.c).  Pure. */
#include "view_internal.h"

#define EXPORT_COLUMNS_MAX 4096

struct export_table {
        char separator;
        uint32_t n;
        struct str *columns; /* in arena */
        struct arena arena;
};

void export_table_init(struct export_table *t, char separator);
void export_table_deinit(struct export_table *t);
/* The columns, and the line that names them: those of the view, or the key and what these items have. */
_must_check_ int export_table_begin(struct export_table *t, const struct view *v, const struct items *items, struct buf *out);
/* One item: text of an S, digits of an N, base64 of a B, JSON of the rest; nothing where there is no such attribute.
 * Quoted as RFC 4180 has it, where it must be; a line ends in one '\n'. */
_must_check_ int export_table_row(struct export_table *t, const struct item *item, struct buf *out);
