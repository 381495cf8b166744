/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tables as text: csv and tsv, quoted as RFC 4180 has it.  Pure. */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/error.h"

struct csv_cell {
        struct str text; /* without its quotes */
        bool quoted;
};

/* The length of the first record of text, its newline ('\n', "\r\n" or '\r') included; 0: it does not end in this text, or
 * in its last byte, a '\r' that may be half a newline. */
size_t csv_record(struct str text, char separator);
/* Of a text that is one record without its end: where the quote is whose cell has not ended; SIZE_MAX: there is none. */
size_t csv_open_quote(struct str text, char separator);
/* The cells of one record, without its newline; at least one.  They point into record, those with
 * quotes in them into the arena.  -EINVAL (a quoted cell goes on behind its quote, or does not end), -EFBIG (more than
 * max cells), -ENOMEM; column counts bytes from 1. */
_must_check_ int csv_cells(struct str record, char separator, struct arena *arena, struct csv_cell *cells, uint32_t max,
                           uint32_t *ret_n, struct error *reterr);
/* Quoted where it has to be, or where the caller wants it. */
void csv_put_cell(struct buf *out, struct str text, char separator, bool quote);
