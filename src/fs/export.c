/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .export/FORMAT: the items of a view as one stream.  It has no size and is read to its end.  The kernel goes by the size
 * in sendfile(2) and splice(2): they say that there is nothing, and all this file hears of it is that nobody has read it.
 * (Not to be seekable would make sendfile() fail, but `head`, too.  With any other size, tar, rsync and Python fail.)
 *
 * One page of the service and its text are held, and the text served last (a read may be repeated); nothing more,
 * whatever the length.  A large table is scanned in parallel, ahead of the reader, in no order (export_pump.c).  A reader
 * that goes back further makes the stream begin anew.  The columns of csv and tsv are those asked for, or the key and
 * every attribute of the first page that has items; the key alone (and an index's) where there are none.
 */
#include "fs_internal.h"
#include "export_internal.h"

struct export {
        bool busy;                /* fs.gate: everything below belongs to the one that set it */
        struct place place;       /* with the view */
        struct view_cursor cursor;
        struct export_writer writer;
        struct pump *pump;        /* instead of the cursor */
        struct export_text *text; /* NULL: none yet */
        uint64_t text_at;         /* offset of text in the stream */
        bool begun, ended;
        bool pending;             /* the cursor's page is not in any text yet */
        int failed;               /* -errno: half of its text was made */
        atomic_bool was_read;
        bool told;                /* of what csv leaves out */
};

struct export_text *export_text_new(void) {
        struct export_text *t = mem_zalloc(sizeof(*t));

        if (t) {
                atomic_init(&t->refs, 1);
                buf_init(&t->text, EXPORT_TEXT_MAX);
        }
        return t;
}

struct export_text *export_text_unref(struct export_text *t) {
        if (t && atomic_fetch_sub(&t->refs, 1) == 1) {
                buf_deinit(&t->text);
                mem_free(t);
        }
        return NULL;
}

static void text_done(void *of) {
        export_text_unref(of);
}

struct export *export_free(struct export *x) {
        if (!x)
                return NULL;
        pump_free(x->pump);
        view_cursor_deinit(&x->cursor);
        export_table_deinit(&x->writer.table);
        export_text_unref(x->text);
        place_deinit(&x->place);
        return mem_free(x);
}

static void rewind_writer(struct export *x) {
        export_table_deinit(&x->writer.table);
        x->writer = (struct export_writer){ .begun = false };
        export_table_init(&x->writer.table, x->place.view->which == EXPORT_TSV ? '\t' : ',');
}

static void rewind_stream(struct export *x) {
        x->pump = pump_free(x->pump);
        view_cursor_deinit(&x->cursor);
        view_cursor_init(&x->cursor, x->place.view);
        rewind_writer(x);
        x->text = export_text_unref(x->text);
        x->text_at = 0;
        x->begun = x->ended = x->pending = false;
        x->failed = 0;
}

static int put_json(struct fs *fs, const struct place *p, struct export_writer *w, const struct item *item, struct buf *out) {
        struct item_text_options o = fs->o.text;
        bool array = p->view->which == EXPORT_JSON;
        int r;

        o.compact = true;
        if (array)
                buf_puts(out, w->n_items ? ",\n" : "\n");
        r = item_text_render(item, &p->table->key, &o, out);
        if (r == 0 && array)
                buf_truncate(out, out->n - 1); /* the newline comes with what follows */
        return r;
}

int export_put(struct fs *fs, const struct place *p, struct export_writer *w, const struct items *items, bool last,
               struct buf *out) {
        bool table = p->view->which == EXPORT_CSV || p->view->which == EXPORT_TSV;
        bool array = p->view->which == EXPORT_JSON;
        int r = 0;

        if (array && !w->begun)
                buf_putc(out, '[');
        if (table && w->n_items == 0 && (items->n > 0 || last))
                r = export_table_begin(&w->table, p->view, items, out);
        w->begun = true;
        for (uint32_t i = 0; r == 0 && i < items->n; i++, w->n_items++)
                r = table ? export_table_row(&w->table, &items->v[i], out) : put_json(fs, p, w, &items->v[i], out);
        if (array && last)
                buf_puts(out, w->n_items ? "\n]\n" : "]\n");
        return r ? r : buf_status(out);
}

/* A large table is scanned in parallel.  How large one is that nobody has counted yet shows when its first page is not
 * its last: then that page is asked for once more. */
static void choose_pump(struct fs *fs, struct export *x) {
        bool unknown;
        uint32_t segments = pump_segments(fs, &x->place, &unknown);

        if (x->begun && (!unknown || x->cursor.done))
                return;
        if (x->begun)
                segments = pump_segments_max(fs);
        if (segments > 1 && pump_new(fs, &x->place, &x->writer, segments, &x->pump))
                x->pump = NULL; /* no thread for it: page after page, then */
}

/* What was served.  Its memory is used again, unless the kernel still reads from it. */
static void leave_text(struct export *x) {
        if (!x->text)
                return;
        x->text_at += x->text->text.n;
        if (export_text_is_free(x->text))
                buf_reset(&x->text->text);
        else
                x->text = export_text_unref(x->text);
}

/* The text of the cursor's page. */
static int put_page(struct fs *fs, struct export *x, struct error *e) {
        if (!x->text)
                x->text = export_text_new();
        x->failed = x->text ? export_put(fs, &x->place, &x->writer, &x->cursor.items, x->cursor.done, &x->text->text) : -ENOMEM;
        x->pending = x->failed != 0;
        if (x->failed)
                x->text = export_text_unref(x->text);
        return x->failed ? error_set_errno(e, x->failed, "export") : 0;
}

/* The text of the next page replaces this one's. */
static int next_text(struct fs *fs, struct op_ctx *ctx, struct export *x, struct error *e) {
        bool first = !x->begun;
        int r = 0;

        if (x->failed)
                return error_set_errno(e, x->failed, "export");
        leave_text(x);
        if (first && !x->pending) {
                r = removals_wait(fs, ctx, e); /* what this mount has deleted is not in it */
                if (r)
                        return r;
                choose_pump(fs, x);
        }
        if (!x->pump && x->begun && x->cursor.done && !x->pending) {
                x->ended = true;
                return 0;
        }
        if (!x->pump && !x->pending)
                r = view_next(fs, ctx, &x->place, true, &x->cursor, e);
        if (r == 0 && !x->pump) {
                x->pending = true; /* when this is interrupted, the next read goes on with the page */
                r = items_fill(fs, ctx, &x->cursor.items, e);
        }
        if (r)
                return r;
        x->begun = true;
        if (first && !x->pump)
                choose_pump(fs, x);
        if (x->pump)
                return pump_next(x->pump, ctx, &x->text, &x->ended, e);
        return put_page(fs, x, e);
}

/* Only the order of a plain scan is the same again. */
static int go_back(struct export *x, uint64_t offset, struct error *e) {
        if (x->pump && offset > 0)
                return error_set_errno(e, -ESPIPE, "an export that is scanned in parallel can only be read on, or anew");
        rewind_stream(x);
        return 0;
}

/* At the end of csv and tsv: what is in the items, and in no column. */
static void tell_left_out(struct fs *fs, struct op_ctx *ctx, struct node *n, struct export *x) {
        const struct export_table *t = &x->writer.table;
        struct error e;

        if (!x->ended || x->told || x->place.view->n_columns > 0 || t->n_left_out == 0)
                return;
        x->told = true;
        (void)error_set(&e, ERR_INPUT,
                        "%llu values are left out, the first of attribute \"%.*s\": the first page has %s, so that it is no column; "
                        ".columns/A,B,.../.export/csv names them, and jsonl has all",
                        (unsigned long long)t->n_left_out, (int)MIN(t->left_out.n, (size_t)100), t->left_out.p,
                        t->n == EXPORT_COLUMNS_MAX ? "more attributes than there can be columns" : "no item with it");
        fs_warn(fs, ctx, n, ENODATA, &e);
}

/* *ret_hold: a reference to the text that *ret is in. */
static int read_at(struct fs *fs, struct op_ctx *ctx, struct export *x, uint64_t offset, size_t n, struct str *ret,
                   struct export_text **ret_hold, struct error *e) {
        int r = 0;

        if (offset < x->text_at)
                r = go_back(x, offset, e);
        while (r == 0 && !x->ended && (!x->text || offset >= x->text_at + x->text->text.n))
                r = next_text(fs, ctx, x, e);
        *ret = STR_NULL;
        if (r || x->ended || offset < x->text_at)
                return r;
        *ret = str_skip(buf_view(&x->text->text), offset - x->text_at);
        ret->n = MIN(ret->n, n);
        atomic_fetch_add(&x->text->refs, 1);
        *ret_hold = x->text;
        return 0;
}

static int export_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                       struct fs_hold *ret_hold, struct error *e) {
        struct export_text *hold = NULL;
        int r = fs_busy_begin(fs, ctx, &f->export->busy, e);

        f->export->was_read = true;
        if (r)
                return r;
        r = read_at(fs, ctx, f->export, offset, n, ret, &hold, e);
        if (r == 0)
                tell_left_out(fs, ctx, f->node, f->export);
        fs_busy_end(fs, &f->export->busy);
        *ret_hold = (struct fs_hold){ .of = hold, .done = text_done };
        return r;
}

static int export_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                        struct error *e) {
        (void)fs;
        (void)ctx;
        (void)f;
        (void)offset;
        (void)data;
        return error_set(e, ERR_READ_ONLY, "exports are for reading");
}

/* A program that goes by the size, or copies by sendfile(), believes it to be empty, and has no way to learn better. */
static void export_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        struct error e;

        if (!f->export->was_read) {
                (void)error_set(&e, ERR_INPUT, "opened and closed without being read: a program that goes by its size, or copies it "
                                               "by sendfile or splice, takes it to be empty; use cat or cp");
                fs_warn(fs, ctx, f->node, ENODATA, &e);
        }
        file_free(fs, f);
}

static const struct file_ops export_file_ops = { export_read, export_write, NULL, NULL, export_release, false };

int export_open(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_opened *ret, struct error *e) {
        struct fs_file *f = file_new(fs, n, O_RDONLY, &export_file_ops);
        int r = -ENOMEM;

        if (f)
                f->export = mem_zalloc(sizeof(*f->export));
        if (!f || !f->export) {
                if (f)
                        file_free(fs, f);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        items_init(&f->export->cursor.items);
        r = place_of(fs, ctx, n, &f->export->place, e);
        if (r) {
                file_free(fs, f);
                return r;
        }
        rewind_stream(f->export);
        ret->file = f;
        ret->direct_io = ret->no_flush = true;
        return 0;
}
