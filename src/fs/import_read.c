/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of an import to lines: see import_internal.h.
 *
 * A line that has not ended is the tail.  Whoever wrote it may close one of several descriptors and go on (a shell does
 * after each command), so what such a close sees is tried as the line it may be and kept: more of it makes it the longer
 * line, which is read again as a whole.
 */
#include <stdio.h>
#include "import_internal.h"
#include "ddbfs/codec/csv.h"

#define BLOCK_ARENA_MAX (128 * MIB)
#define IN_TABLE "; its beginning was closed as if it were the whole, and is an item of the table"

static int read_item(struct import *x, struct str text, struct arena *arena, struct item *ret, struct error *e) {
        const struct key_schema *schema = &x->place.table->key;
        struct key key;
        int r;

        if (x->table.separator)
                r = import_table_row(&x->table, schema, text, arena, ret, e);
        else
                r = item_text_parse(text, schema, NULL, &x->fs->o.text, arena, ret, e);
        if (r)
                return r;
        if (key_of_item(schema, ret, &key))
                return error_set_at(e, 1, 1, "the item lacks its key");
        for (uint32_t i = 0; i < key.n; i++)
                if (!keyname_key_valid(&key.parts[i], i >= schema->n_hash))
                        return error_set_at(e, 1, 1, "the value of \"%.*s\" cannot be a key: it is empty or too long",
                                            (int)schema->attrs[i].name.n, schema->attrs[i].name.p);
        return 0;
}

/* An unlink of the same key that is still to be sent, or an item renamed away: both before the line. */
static int make_way(struct import *x, struct op_ctx *ctx, const struct item *item, struct error *e) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
        _cleanup_(snapshot_unrefp) struct snapshot *text = NULL;
        struct key key;
        int r = key_of_item(&x->place.table->key, item, &key);

        if (r == 0)
                r = place_item_id(x->place.table, &key, &id);
        if (r)
                return error_set_errno(e, r, "import");
        if (removals_pending(x->fs, buf_view(&id)))
                r = removals_wait(x->fs, ctx, e);
        return r ? r : away_text(x->fs, ctx, buf_view(&id), &text, e);
}

/* The line went on, and with it a cell of the key: its beginning was another item, which cannot be taken back. */
static void check_half(struct import *x, uint64_t number, const struct item *item) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
        struct error e;
        struct key key;

        if (x->half.id.n == 0 || key_of_item(&x->place.table->key, item, &key) || place_item_id(x->place.table, &key, &id) ||
            str_eq(buf_view(&id), buf_view(&x->half.id)))
                return;
        (void)error_set(&e, ERR_INPUT, "the file was closed in the middle of the line's key and then went on: an item of the "
                                       "shorter key is in the table, too");
        import_refuse(x, number, STR_NULL, &e);
}

static int add_line(struct import *x, struct op_ctx *ctx, struct import_block *block, uint64_t number, struct str text,
                    struct list *lines, struct error *e) {
        struct import_line *line = arena_alloc(&block->arena, sizeof(*line));
        int r = line ? 0 : error_set(e, ERR_MEMORY, "out of memory");

        if (r == 0) {
                *line = (struct import_line){ .block = block, .number = number, .text = text };
                r = read_item(x, text, &block->arena, &line->item, e);
        }
        if (r == 0)
                r = make_way(x, ctx, &line->item, e);
        if (r)
                return r;
        check_half(x, number, &line->item);
        line->write = (struct write){ .op = WRITE_PUT, .table = x->place.table, .item = &line->item };
        list_init(&line->link);
        list_append(lines, &line->link);
        return 0;
}

static bool is_blank(const struct import *x, struct str s) {
        for (size_t i = 0; i < s.n; i++)
                if (x->table.separator == '\t' || (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r'))
                        return false;
        return true;
}

static uint64_t count(struct str s, char c) {
        uint64_t n = 0;

        for (size_t i = 0; i < s.n; i++)
                n += s.p[i] == c;
        return n;
}

/* Where no line ends in '\n', '\r' ends them, in quoted cells, too. */
static uint64_t newlines(const struct import *x, struct str s) {
        uint64_t n = count(s, '\n');

        if (n > 0 || !x->table.separator)
                return n + (x->table.separator && str_ends(s, STR("\r")));
        return count(s, '\r');
}

static struct str without_newline(struct str text) {
        text.n -= str_ends(text, STR("\n"));
        text.n -= str_ends(text, STR("\r"));
        return text;
}

static bool ends_line(const struct import *x, struct str text) {
        return str_ends(text, STR("\n")) || (x->table.separator && str_ends(text, STR("\r")));
}

/* One line, its newline included where it has one. */
static void take_line(struct import *x, struct op_ctx *ctx, struct import_block *block, struct str text, struct list *lines) {
        bool is_header = x->table.separator && x->table.n == 0;
        uint64_t number = x->line + 1;
        struct error e = { .kind = ERR_NONE };
        int r;

        x->line += newlines(x, text) + !ends_line(x, text);
        text = without_newline(text);
        if (is_blank(x, text))
                return;
        if (x->table.refused)
                r = error_set(&e, ERR_INPUT, "the header was refused");
        else if (is_header)
                r = import_table_begin(&x->table, x->place.table, text, &e);
        else
                r = add_line(x, ctx, block, number, text, lines, &e);
        if (r && x->half.id.n > 0)
                (void)snprintf(e.message + strlen(e.message), sizeof(e.message) - strlen(e.message), "%s", IN_TABLE);
        if (r)
                import_refuse(x, number, text, &e);
        x->table.refused = x->table.refused || (r && is_header); /* its line has been told and kept as any other */
}

/* Where the first line of text ends; 0: not yet. */
static size_t line_end(const struct import *x, struct str text) {
        const char *end;

        if (x->table.separator)
                return csv_record(text, x->table.separator);
        end = text.n ? memchr(text.p, '\n', text.n) : NULL;
        return end ? (size_t)(end - text.p) + 1 : 0;
}

/* The rest of a line whose beginning was refused for its length. */
static struct str skip_rest(struct import *x, struct str data) {
        const char *end = x->skipping && data.n ? memchr(data.p, '\n', data.n) : NULL, *cr = NULL;
        size_t n = end ? (size_t)(end - data.p) : data.n;

        if (x->skipped_cr) {
                x->skipping = x->skipped_cr = false;
                return str_skip(data, str_starts(data, STR("\n")));
        }
        if (x->skipping && x->table.separator && n > 0)
                cr = memchr(data.p, '\r', n);
        if (cr && cr + 1 < data.p + data.n && cr[1] != '\n')
                end = cr;
        if (x->skipping && !end) {
                x->skipped_cr = x->table.separator && str_ends(data, STR("\r"));
                return STR_NULL;
        }
        if (end)
                data = str_skip(data, (size_t)(end - data.p) + 1);
        x->skipping = false;
        return data;
}

/* Perhaps for a quote too many: all lines to the next one are then in that cell. */
static void refuse_long(struct import *x, struct str rest) {
        size_t quote = x->table.separator ? csv_open_quote(rest, x->table.separator) : SIZE_MAX;
        uint64_t lines = newlines(x, rest) + 1; /* and the one that ends what is skipped */
        struct error e;

        (void)error_set(&e, ERR_TOO_LARGE, "the line is longer than %zu MB: only its beginning is kept", IMPORT_LINE_MAX / MIB);
        if (quote < rest.n && lines > 1)
                (void)error_set(&e, ERR_TOO_LARGE,
                                "the row is longer than %zu MB, and %llu lines of the file are in it: only its beginning is kept; "
                                "the quote that opens a cell on line %llu may be one too many",
                                IMPORT_LINE_MAX / MIB, (unsigned long long)lines,
                                (unsigned long long)(x->line + 1 + newlines(x, str_make(rest.p, quote))));
        import_refuse(x, x->line + 1, rest, &e);
        x->line += lines;
}

static void keep_tail(struct import *x, struct str rest) {
        if (rest.n <= IMPORT_LINE_MAX) {
                buf_reset(&x->tail);
                buf_str(&x->tail, rest);
                return;
        }
        refuse_long(x, rest);
        buf_reset(&x->tail);
        buf_reset(&x->half.id);
        x->skipping = true;
}

static struct import_block *block_new(struct str a, struct str b) {
        struct import_block *block = mem_alloc(sizeof(*block) + a.n + b.n + 1);

        if (!block)
                return NULL;
        *block = (struct import_block){ .arena = ARENA_INIT(BLOCK_ARENA_MAX), .n = a.n + b.n };
        if (a.n)
                memcpy(block->text, a.p, a.n);
        if (b.n)
                memcpy(block->text + a.n, b.p, b.n);
        return block;
}

/* All lines that end in tail and data, or (last) everything. */
static int take(struct import *x, struct op_ctx *ctx, struct str data, bool last, struct error *e) {
        struct import_block *block;
        struct list lines;
        struct str rest;
        size_t n;
        int r = 0;

        list_init(&lines);
        data = skip_rest(x, data);
        if (!last && !x->table.separator && (data.n == 0 || !memchr(data.p, '\n', data.n)) &&
            x->tail.n + data.n <= IMPORT_LINE_MAX) {
                buf_str(&x->tail, data);
                return buf_status(&x->tail) ? error_set(e, ERR_MEMORY, "out of memory") : 0;
        }
        block = block_new(buf_view(&x->tail), data);
        if (!block)
                return error_set(e, ERR_MEMORY, "out of memory");
        rest = str_make(block->text, block->n);
        while (rest.n > 0 && ((n = line_end(x, rest)) > 0 || last)) {
                n = n ? n : rest.n;
                take_line(x, ctx, block, str_make(rest.p, n), &lines);
                buf_reset(&x->half.id);
                rest = str_skip(rest, n);
        }
        keep_tail(x, rest);
        if (buf_status(&x->tail))
                r = error_set(e, ERR_MEMORY, "out of memory");
        if (list_is_empty(&lines))
                import_block_free(block);
        else if (import_queue(x, block, &lines, e)) {
                while (!list_is_empty(&lines)) {
                        struct import_line *line = CONTAINER_OF(lines.next, struct import_line, link);

                        list_remove(&line->link);
                        import_refuse(x, line->number, line->text, e);
                }
                import_block_free(block);
        }
        return r;
}

int import_read_lines(struct import *x, struct op_ctx *ctx, struct str data, struct error *e) {
        if (data.n == 0)
                return 0;
        mutex_lock(&x->lock);
        x->half.tried = x->half.bad = false;
        x->half.line = NULL;
        mutex_unlock(&x->lock);
        return take(x, ctx, data, false, e);
}

/* ---- the tail ---- */

static int try_header(const struct import *x, struct str text, struct error *why) {
        struct import_table table = { .separator = x->table.separator };
        int r = import_table_begin(&table, x->place.table, text, why);

        import_table_deinit(&table);
        return r;
}

static int try_line(struct import *x, struct op_ctx *ctx, struct str text, struct error *why) {
        struct import_block *block = block_new(text, STR_NULL);
        struct import_line *line;
        struct list lines;
        struct key key;
        int r;

        list_init(&lines);
        if (!block)
                return error_set(why, ERR_MEMORY, "out of memory");
        r = add_line(x, ctx, block, x->line + 1, str_make(block->text, block->n), &lines, why);
        if (r) {
                import_block_free(block);
                return r;
        }
        line = CONTAINER_OF(lines.next, struct import_line, link);
        buf_reset(&x->half.id);
        r = key_of_item(&x->place.table->key, &line->item, &key);
        if (r == 0)
                r = place_item_id(x->place.table, &key, &x->half.id);
        if (r) {
                import_block_free(block);
                return error_set_errno(why, r, "import");
        }
        mutex_lock(&x->lock);
        line->half = true;
        x->half.line = line;
        mutex_unlock(&x->lock);
        r = import_queue(x, block, &lines, why);
        if (r) {
                x->half.line = NULL; /* there is no thread */
                import_block_free(block);
        }
        return r;
}

int import_try_tail(struct import *x, struct op_ctx *ctx, struct error *e) {
        struct str text = without_newline(buf_view(&x->tail));
        struct error why = { .kind = ERR_NONE };
        int r = 0;

        x->half.tried = true;
        if (is_blank(x, text))
                return 0;
        if (x->table.refused)
                r = error_set(&why, ERR_INPUT, "the header was refused");
        else if (x->table.separator && x->table.n == 0)
                r = try_header(x, text, &why);
        else
                r = try_line(x, ctx, text, &why);
        if (r == -ENOMEM || r == -EINTR || r == -ETIMEDOUT) { /* that says nothing of the line */
                x->half.tried = false;
                *e = why;
                return r;
        }
        if (r) {
                mutex_lock(&x->lock);
                x->half.bad = true;
                x->half.why = why;
                mutex_unlock(&x->lock);
        }
        return 0;
}

/* What its close has sent and waited for in vain is a line as any other. */
static void forget_half(struct import *x) {
        mutex_lock(&x->lock);
        if (x->half.line)
                x->half.line->half = false;
        x->half.line = NULL;
        x->half.bad = false;
        mutex_unlock(&x->lock);
}

static void drop_tail(struct import *x) {
        x->line += newlines(x, buf_view(&x->tail)) + !ends_line(x, buf_view(&x->tail));
        buf_reset(&x->tail);
        buf_reset(&x->half.id);
}

int import_end_tail(struct import *x, struct op_ctx *ctx, struct error *e) {
        struct error why;
        bool bad;

        if (x->tail.n == 0)
                return 0;
        if (!x->half.tried && was_killed(ctx->pid)) {
                import_refuse_tail(x, "the program was killed");
                return 0;
        }
        if (!x->half.tried)
                return take(x, ctx, STR_NULL, true, e);
        mutex_lock(&x->lock);
        bad = x->half.bad;
        why = x->half.why;
        mutex_unlock(&x->lock);
        forget_half(x);
        if (bad)
                import_refuse(x, x->line + 1, without_newline(buf_view(&x->tail)), &why);
        drop_tail(x);
        return 0;
}

void import_refuse_tail(struct import *x, const char *why) {
        struct error e;

        forget_half(x);
        (void)error_set(&e, ERR_INPUT, "%s before the end of the line was written%s", why, x->half.id.n > 0 ? IN_TABLE : "");
        import_refuse(x, x->line + 1, buf_view(&x->tail), &e);
        drop_tail(x);
}
