/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TABLE/.import/FORMAT: what is written there, line by line, becomes items of the table.  Lines are read as they come;
 * close and fsync return when every one is in the table or refused.  A line that does not end is one at close.
 */
#include "import_internal.h"
#include "ddbfs/codec/csv.h"

#define IMPORTS_MAX 16
#define BLOCK_ARENA_MAX (128 * MIB)

/* ---- lines ---- */

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
        line->write = (struct write){ .op = WRITE_PUT, .table = x->place.table, .item = &line->item };
        list_init(&line->link);
        list_append(lines, &line->link);
        return 0;
}

static bool is_blank(struct str s) {
        for (size_t i = 0; i < s.n; i++)
                if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r')
                        return false;
        return true;
}

static uint64_t newlines(struct str s) {
        uint64_t n = 0;

        for (size_t i = 0; i < s.n; i++)
                n += s.p[i] == '\n';
        return n;
}

/* One line, its newline included where it has one. */
static void take_line(struct import *x, struct op_ctx *ctx, struct import_block *block, struct str text, struct list *lines) {
        bool is_header = x->table.separator && x->table.n == 0;
        uint64_t number = x->line + 1;
        struct error e = { .kind = ERR_NONE };
        int r;

        x->line += newlines(text) + !str_ends(text, STR("\n"));
        text.n -= str_ends(text, STR("\n"));
        text.n -= str_ends(text, STR("\r"));
        if (text.n == 0 || (is_blank(text) && x->table.separator != '\t'))
                return;
        if (x->table.refused)
                r = error_set(&e, ERR_INPUT, "the header was refused");
        else if (is_header)
                r = import_table_begin(&x->table, &x->place.table->key, text, &e);
        else
                r = add_line(x, ctx, block, number, text, lines, &e);
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
        const char *end = x->skipping && data.n ? memchr(data.p, '\n', data.n) : NULL;

        if (x->skipping && !end)
                return STR_NULL;
        if (end)
                data = str_skip(data, (size_t)(end - data.p) + 1);
        x->skipping = false;
        return data;
}

static void keep_tail(struct import *x, struct str rest) {
        struct error e;

        if (rest.n <= IMPORT_LINE_MAX) {
                buf_reset(&x->tail);
                buf_str(&x->tail, rest);
                return;
        }
        (void)error_set(&e, ERR_TOO_LARGE, "the line is longer than %zu MB: only its beginning is kept", IMPORT_LINE_MAX / MIB);
        import_refuse(x, x->line + 1, rest, &e);
        x->line += newlines(rest) + 1; /* of a quoted cell, and the one that ends what is skipped */
        buf_reset(&x->tail);
        x->skipping = true;
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
        block = mem_alloc(sizeof(*block) + x->tail.n + data.n + 1);
        if (!block)
                return error_set(e, ERR_MEMORY, "out of memory");
        *block = (struct import_block){ .arena = ARENA_INIT(BLOCK_ARENA_MAX), .n = x->tail.n + data.n };
        if (x->tail.n)
                memcpy(block->text, x->tail.p, x->tail.n);
        if (data.n)
                memcpy(block->text + x->tail.n, data.p, data.n);
        rest = str_make(block->text, block->n);
        while (rest.n > 0 && ((n = line_end(x, rest)) > 0 || last)) {
                n = n ? n : rest.n;
                take_line(x, ctx, block, str_make(rest.p, n), &lines);
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

/* ---- the file ---- */

static int write_lines(struct import *x, struct op_ctx *ctx, uint64_t offset, bool append, struct str data, struct error *e) {
        bool crowded;
        int r = 0;

        if (import_stopped(x, &r, e))
                return r;
        if (!append && offset != x->offset)
                return error_set_errno(e, -ESPIPE, "an import is written from its beginning to its end");
        r = fs_wait_for(x->fs, ctx, &x->room, e);
        if (r || import_stopped(x, &r, e))
                return r;
        x->finished = false;
        x->offset += data.n;
        r = take(x, ctx, data, false, e);
        mutex_lock(&x->lock);
        crowded = x->bad.n > IMPORT_BAD_MAX;
        mutex_unlock(&x->lock);
        if (crowded)
                import_keep_bad(x, NULL);
        return r;
}

static int import_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                        struct error *e) {
        struct import *x = f->import;
        int r = fs_busy_begin(fs, ctx, &x->busy, e);

        if (r)
                return r;
        r = write_lines(x, ctx, offset, f->flags & O_APPEND, data, e);
        fs_busy_end(fs, &x->busy);
        return r;
}

/* Half a line may look like a whole one. */
static void refuse_tail(struct import *x, const char *why) {
        struct error e;

        (void)error_set(&e, ERR_INPUT, "%s before the end of the line was written", why);
        import_refuse(x, x->line + 1, buf_view(&x->tail), &e);
        x->line += newlines(buf_view(&x->tail)) + 1;
        buf_reset(&x->tail);
}

static int finish(struct import *x, struct op_ctx *ctx, struct error *e) {
        uint64_t n_bad;
        int r = 0;

        if (x->tail.n > 0 && was_killed(ctx->pid))
                refuse_tail(x, "the program was killed");
        else if (x->tail.n > 0)
                r = take(x, ctx, STR_NULL, true, e);
        x->finished = true; /* or tried to: release does not wait for it once more */
        if (r == 0)
                r = import_drain(x, ctx, e);
        if (r)
                return r;
        if (import_stopped(x, &r, e))
                return r;
        mutex_lock(&x->lock);
        n_bad = x->n_bad;
        mutex_unlock(&x->lock);
        if (n_bad == 0)
                return 0;
        import_keep_bad(x, e);
        e->kind = ERR_INPUT; /* whatever was wrong with the lines */
        e->told = x->told;
        x->told = true;
        return -error_errno(ERR_INPUT);
}

static int import_commit(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        struct import *x = f->import;
        int r = fs_busy_begin(fs, ctx, &x->busy, e);

        if (r)
                return r;
        r = finish(x, ctx, e);
        fs_busy_end(fs, &x->busy);
        return r;
}

static int import_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                       struct fs_hold *ret_hold, struct error *e) {
        (void)fs;
        (void)ctx;
        (void)f;
        (void)offset;
        (void)n;
        (void)ret;
        (void)ret_hold;
        return error_set_errno(e, -EBADF, "imports are for writing");
}

/* Closed by a program that was killed, or never closed: there has been no flush after its last write. */
static void import_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        struct error e = { .kind = ERR_NONE };

        if (!f->import->finished)
                (void)fs_done(fs, ctx, f->node, STR_NULL, import_commit(fs, ctx, f, &e), &e);
        file_free(fs, f);
}

static const struct file_ops import_file_ops = { import_read, import_write, import_commit, NULL, import_release };

static struct import *import_new(struct fs *fs, struct node *n) {
        struct import *x = mem_zalloc(sizeof(*x));

        if (!x)
                return NULL;
        x->fs = fs;
        x->node = n;
        x->finished = x->room = x->drained = true;
        x->tail = BUF_INIT(IMPORT_LINE_MAX);
        x->bad = BUF_INIT(4 * IMPORT_BAD_MAX);
        x->ahead_max = IMPORT_AHEAD_MAX;
        if (fs->o.max_wcu > 0) /* about ten seconds of the budget, so that close does not take longer than op_timeout */
                x->ahead_max = (size_t)MAX(MIN(fs->o.max_wcu * 10 * KIB, IMPORT_AHEAD_MAX), IMPORT_AHEAD_MIN);
        mutex_init(&x->lock);
        cond_init(&x->cond);
        list_init(&x->queue);
        list_init(&x->given);
        op_ctx_init(&x->ctx, "import", 0);
        return x;
}

int import_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, struct fs_opened *ret, struct error *e) {
        struct fs_file *f;
        int r;

        if ((flags & O_ACCMODE) == O_RDONLY)
                return error_set(e, ERR_ACCESS, "imports are for writing");
        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        if (atomic_fetch_add(&fs->n_imports, 1) >= IMPORTS_MAX) {
                atomic_fetch_sub(&fs->n_imports, 1);
                return error_set(e, ERR_BUSY, "%d imports are open already", IMPORTS_MAX);
        }
        f = file_new(fs, n, flags, &import_file_ops);
        if (f)
                f->import = import_new(fs, f->node);
        if (!f || !f->import) {
                atomic_fetch_sub(&fs->n_imports, 1);
                if (f)
                        file_free(fs, f);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        r = place_of(fs, ctx, n, &f->import->place, e);
        if (r) {
                file_free(fs, f);
                return r;
        }
        if (f->import->place.view->which != EXPORT_JSONL)
                f->import->table.separator = f->import->place.view->which == EXPORT_TSV ? '\t' : ',';
        f->import->table.any_size = fs->o.text.any_size;
        ret->file = f;
        ret->direct_io = true;
        return 0;
}

void imports_finish(struct fs *fs, struct op_ctx *ctx) {
        struct fs_file *f;

        do {
                f = NULL;
                mutex_lock(&fs->open_lock);
                LIST_FOR_EACH(l, &fs->files) {
                        struct fs_file *candidate = CONTAINER_OF(l, struct fs_file, all);

                        if (!f && candidate->import && !candidate->import->finished)
                                f = candidate;
                }
                mutex_unlock(&fs->open_lock);
                if (f) { /* the requests have ended: nobody else touches it */
                        struct error e = { .kind = ERR_NONE };

                        if (f->import->tail.n > 0)
                                refuse_tail(f->import, "the mount has ended");
                        (void)fs_done(fs, ctx, f->node, STR_NULL, import_commit(fs, ctx, f, &e), &e);
                        f->import->finished = true;
                }
        } while (f);
}
