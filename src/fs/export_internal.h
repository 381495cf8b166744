/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Items as lines of a table: csv, tsv (export_table.c); as a stream (export.c); ahead of its reader (export_pump.c). */
#include "view_internal.h"

#define EXPORT_COLUMNS_MAX 4096

struct export_table {
        char separator;
        uint32_t n;
        struct str *columns; /* in arena */
        uint64_t n_left_out;   /* values of attributes that are no column */
        struct str left_out;   /* in arena; the first of them */
        struct arena arena;
};

void export_table_init(struct export_table *t, char separator);
void export_table_deinit(struct export_table *t);
/* The columns, and the line that names them: those of the view, or the key and what these items have. */
_must_check_ int export_table_begin(struct export_table *t, const struct view *v, const struct items *items, struct buf *out);
/* One item: text of an S, digits of an N, base64 of a B, JSON of the rest; nothing where there is no such attribute.
 * Quoted as RFC 4180 has it, where it must be; a line ends in one '\n'. */
_must_check_ int export_table_row(struct export_table *t, const struct item *item, struct buf *out);

/* ---- the text of a stream (export.c) ---- */
#define EXPORT_TEXT_MAX (256 * MIB) /* of one page: a megabyte of items, escaped and tagged */

/* Counted: lent to the kernel as it is, also while the next one is served. */
struct export_text {
        atomic_uint refs;
        struct buf text;
};
_must_check_ struct export_text *export_text_new(void); /* empty; NULL: no memory */
struct export_text *export_text_unref(struct export_text *t); /* NULL is fine */
DEFINE_CLEANUP(struct export_text, export_text_unref)
/* Nobody else has it: it may become another text.  Only who gives references away may ask. */
static inline bool export_text_is_free(const struct export_text *t) {
        return atomic_load_explicit(&t->refs, memory_order_acquire) == 1;
}

struct export_writer {
        struct export_table table;
        bool begun;
        uint64_t n_items;
};
/* The text of these items, and of the end when they are the last.  0, -ENOMEM or the buffer's error. */
_must_check_ int export_put(struct fs *fs, const struct place *p, struct export_writer *w, const struct items *items,
                            bool last, struct buf *out);

/* ---- a parallel scan ahead of the reader (export_pump.c) ---- */
struct pump;
/* In how many segments to scan; 1: page after page.  *ret_unknown: nobody has counted the table yet. */
uint32_t pump_segments(struct fs *fs, const struct place *p, bool *ret_unknown);
uint32_t pump_segments_max(const struct fs *fs); /* of a table that is large */
/* place and writer are the pump's until it is freed.  -EAGAIN: no thread for it now. */
_must_check_ int pump_new(struct fs *fs, const struct place *p, struct export_writer *w, uint32_t segments,
                          struct pump **ret);
/* The next text replaces *text, which may be NULL; the end leaves it. */
_must_check_ int pump_next(struct pump *x, struct op_ctx *ctx, struct export_text **text, bool *ret_end, struct error *e);
struct pump *pump_free(struct pump *x); /* stops it; NULL is fine */
