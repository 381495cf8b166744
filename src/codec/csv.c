/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csv, see the header.  A quote means something at the beginning of a cell only; within a quoted cell "" is a quote.
 * csv_record() and csv_cells() agree on where a record ends whatever the text.
 */
#include "ddbfs/codec/csv.h"

/* *open: where the cell begins whose quote has no end, if that is why there is no record. */
static size_t record(struct str text, char separator, size_t *open) {
        bool begin = true, quoted = false;

        for (size_t i = 0; i < text.n; i++) {
                char c = text.p[i];

                if (quoted) {
                        const char *quote = memchr(text.p + i, '"', text.n - i);

                        if (!quote)
                                return 0;
                        i = (size_t)(quote - text.p);
                        if (i + 1 < text.n && text.p[i + 1] == '"') {
                                i++;
                        } else {
                                quoted = false;
                                *open = SIZE_MAX;
                        }
                        continue;
                }
                if (c == '\n')
                        return i + 1;
                if (c == '\r') { /* by itself, or the beginning of "\r\n" */
                        if (i + 1 == text.n)
                                return 0;
                        return i + 1 + (text.p[i + 1] == '\n');
                }
                quoted = begin && c == '"';
                begin = c == separator;
                if (quoted)
                        *open = i;
        }
        return 0;
}

size_t csv_record(struct str text, char separator) {
        size_t open;

        return record(text, separator, &open);
}

size_t csv_open_quote(struct str text, char separator) {
        size_t open = SIZE_MAX;

        return record(text, separator, &open) ? SIZE_MAX : open;
}

static int fail(struct error *e, struct str record, const char *at, const char *why) {
        return error_set_at(e, 1, (unsigned)(at - record.p) + 1, "%s", why);
}

/* The quoted cell that begins at *at; *at is behind its quote afterwards. */
static int quoted_cell(struct str record, const char **at, struct arena *arena, struct str *ret, struct error *e) {
        const char *begin = *at + 1, *end = record.p + record.n, *quote = begin;
        bool doubled = false;
        size_t n = 0;
        char *copy;

        for (;; quote += 2) {
                quote = quote < end ? memchr(quote, '"', (size_t)(end - quote)) : NULL;
                if (!quote)
                        return fail(e, record, *at, "a quoted cell does not end");
                if (quote + 1 == end || quote[1] != '"')
                        break;
                doubled = true;
        }
        *at = quote + 1;
        *ret = str_make(begin, (size_t)(quote - begin));
        if (!doubled)
                return 0;
        copy = arena_bytes(arena, ret->n);
        if (!copy)
                return error_set(e, ERR_MEMORY, "out of memory");
        for (const char *p = begin; p < quote; p += *p == '"' ? 2 : 1)
                copy[n++] = *p;
        *ret = str_make(copy, n);
        return 0;
}

int csv_cells(struct str record, char separator, struct arena *arena, struct csv_cell *cells, uint32_t max, uint32_t *ret_n,
              struct error *reterr) {
        const char *at = record.p, *end = record.p + record.n, *next;
        uint32_t n = 0;
        int r;

        for (;; at++) {
                struct csv_cell *cell = &cells[n];

                if (n++ == max)
                        return error_set(reterr, ERR_TOO_LARGE, "more than %u cells", max);
                cell->quoted = at < end && *at == '"';
                if (cell->quoted) {
                        r = quoted_cell(record, &at, arena, &cell->text, reterr);
                        if (r)
                                return r;
                        if (at < end && *at != separator)
                                return fail(reterr, record, at, "text behind the quote that ends a cell");
                } else {
                        next = at < end ? memchr(at, separator, (size_t)(end - at)) : NULL;
                        next = next ? next : end;
                        cell->text = str_make(at, (size_t)(next - at));
                        at = next;
                }
                if (at == end)
                        break;
        }
        *ret_n = n;
        return 0;
}

void csv_put_cell(struct buf *out, struct str text, char separator, bool quote) {
        for (size_t i = 0; i < text.n && !quote; i++)
                quote = text.p[i] == separator || text.p[i] == '"' || text.p[i] == '\n' || text.p[i] == '\r';
        if (!quote) {
                buf_str(out, text);
                return;
        }
        buf_putc(out, '"');
        while (text.n > 0) {
                const char *q = memchr(text.p, '"', text.n);
                size_t n = q ? (size_t)(q - text.p) + 1 : text.n;

                buf_append(out, text.p, n);
                if (q)
                        buf_putc(out, '"');
                text = str_skip(text, n);
        }
        buf_putc(out, '"');
}
