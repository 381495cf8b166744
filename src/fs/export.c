/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .export/FORMAT: the items of a view as one stream.  Like the files of /proc it has no size and is read to its end.
 *
 * One page of the service and its text are held, and the text served last (a read may be repeated); nothing more,
 * whatever the length.  A reader that goes back further makes the stream begin anew.  The columns of csv and tsv are
 * those asked for, or the key and every attribute of the first page that has items.
 */
#include "fs_internal.h"
#include "export_internal.h"

#define EXPORT_TEXT_MAX (256 * MIB) /* of one page: a megabyte of items, escaped and tagged */

struct export {
        bool busy;                /* fs.gate: everything below belongs to the one that set it */
        struct place place;       /* with the view */
        struct view_cursor cursor;
        struct export_table table;
        struct buf text;
        uint64_t text_at;         /* offset of text in the stream */
        uint64_t n_items;
        bool begun, ended;
};

struct export *export_free(struct export *x) {
        if (!x)
                return NULL;
        view_cursor_deinit(&x->cursor);
        export_table_deinit(&x->table);
        buf_deinit(&x->text);
        place_deinit(&x->place);
        return mem_free(x);
}

static void rewind_stream(struct export *x) {
        view_cursor_deinit(&x->cursor);
        view_cursor_init(&x->cursor, x->place.view);
        export_table_deinit(&x->table);
        export_table_init(&x->table, x->place.view->which == EXPORT_TSV ? '\t' : ',');
        buf_reset(&x->text);
        x->text_at = x->n_items = 0;
        x->begun = x->ended = false;
}

static int put_json(struct fs *fs, struct export *x, const struct item *item) {
        struct item_text_options o = fs->o.text;

        o.compact = true;
        if (x->place.view->which == EXPORT_JSON)
                buf_puts(&x->text, x->n_items ? ",\n" : "\n");
        int r = item_text_render(item, &x->place.table->key, &o, &x->text);

        if (r == 0 && x->place.view->which == EXPORT_JSON)
                buf_truncate(&x->text, x->text.n - 1); /* the newline comes with what follows */
        return r;
}

static int put_items(struct fs *fs, struct export *x) {
        const struct items *items = &x->cursor.items;
        bool table = x->place.view->which == EXPORT_CSV || x->place.view->which == EXPORT_TSV;
        int r = 0;

        if (table && x->n_items == 0 && (items->n > 0 || (x->cursor.done && x->place.view->n_columns)))
                r = export_table_begin(&x->table, x->place.view, items, &x->text);
        for (uint32_t i = 0; r == 0 && i < items->n; i++, x->n_items++)
                r = table ? export_table_row(&x->table, &items->v[i], &x->text) : put_json(fs, x, &items->v[i]);
        return r ? r : buf_status(&x->text);
}

/* The text of the next page replaces this one's. */
static int next_text(struct fs *fs, struct op_ctx *ctx, struct export *x, struct error *e) {
        bool json = x->place.view->which == EXPORT_JSON;
        int r;

        x->text_at += x->text.n;
        buf_reset(&x->text);
        if (x->begun && x->cursor.done) {
                x->ended = true;
                return 0;
        }
        r = view_next(fs, ctx, &x->place, true, &x->cursor, e);
        if (r)
                return r;
        if (json && !x->begun)
                buf_putc(&x->text, '[');
        x->begun = true;
        r = put_items(fs, x);
        if (json && x->cursor.done)
                buf_puts(&x->text, x->n_items ? "\n]\n" : "]\n");
        if (r == 0)
                r = buf_status(&x->text);
        return r ? error_set_errno(e, r, "export") : 0;
}

static int read_at(struct fs *fs, struct op_ctx *ctx, struct export *x, uint64_t offset, size_t n, struct str *ret,
                   struct snapshot **ret_hold, struct error *e) {
        int r = 0;

        if (offset < x->text_at)
                rewind_stream(x);
        while (r == 0 && !x->ended && offset >= x->text_at + x->text.n)
                r = next_text(fs, ctx, x, e);
        *ret = STR_NULL;
        if (r || x->ended || offset < x->text_at)
                return r;
        offset -= x->text_at;
        r = snapshot_new(str_make(x->text.p + offset, MIN(n, x->text.n - offset)), ret_hold);
        if (r)
                return error_set_errno(e, r, "export");
        *ret = str_make((*ret_hold)->text, (*ret_hold)->n);
        return 0;
}

static int export_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                       void **ret_hold, struct error *e) {
        struct snapshot *hold = NULL;
        int r = fs_busy_begin(fs, ctx, &f->export->busy, e);

        if (r)
                return r;
        r = read_at(fs, ctx, f->export, offset, n, ret, &hold, e);
        fs_busy_end(fs, &f->export->busy);
        *ret_hold = hold;
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

static void export_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        (void)ctx;
        file_free(fs, f);
}

static const struct file_ops export_file_ops = { export_read, export_write, NULL, NULL, export_release };

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
        f->export->text = BUF_INIT(EXPORT_TEXT_MAX);
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
