/* SPDX-License-Identifier: Apache-2.0 */
/* TABLE/.info: what DescribeTable says, a file each.  Content is made at open, from a description as old as cache_ttl. */
#include "fs_internal.h"

static int render_schema(const struct table_schema *s, struct buf *out) {
        return table_create_request(s, out);
}

static int render_count(const struct table_schema *s, struct buf *out) {
        buf_printf(out, "%llu\n", (unsigned long long)s->item_count);
        return buf_status(out);
}

static int render_size(const struct table_schema *s, struct buf *out) {
        buf_printf(out, "%llu\n", (unsigned long long)s->size_bytes);
        return buf_status(out);
}

static int render_line(struct str text, struct buf *out) {
        buf_str(out, text);
        buf_putc(out, '\n');
        return buf_status(out);
}

static int render_status(const struct table_schema *s, struct buf *out) {
        return render_line(s->status, out);
}

static int render_arn(const struct table_schema *s, struct buf *out) {
        return render_line(s->arn, out);
}

static int render_indexes(const struct table_schema *s, struct buf *out) {
        for (uint32_t i = 0; i < s->n_indexes; i++)
                (void)render_line(s->indexes[i].name, out);
        return buf_status(out);
}

static const struct {
        const char *name;
        int (*render)(const struct table_schema *s, struct buf *out);
} files[] = {
        { "arn", render_arn },       { "count", render_count }, { "indexes", render_indexes },
        { "schema.json", render_schema }, { "size", render_size },   { "status", render_status },
};

size_t info_count(void) {
        return ARRAY_LEN(files);
}

struct str info_name(size_t i) {
        return str_of(files[i].name);
}

static int render(struct fs *fs, struct op_ctx *ctx, struct node *n, bool fresh, struct buf *out, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = place_of(fs, ctx, n, &p, e);

        if (r == 0 && fresh && tables_refresh(fs, p.table->name)) {
                place_deinit(&p);
                r = place_of(fs, ctx, n, &p, e);
        }
        if (r)
                return r;
        r = files[p.view->which].render(p.table, out);
        return r ? error_set_errno(e, r, "table description") : 0;
}

int info_open(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_opened *ret, struct error *e) {
        struct fs_file *f = file_new(fs, n, O_RDONLY, &control_file_ops);
        int r;

        if (!f)
                return error_set(e, ERR_MEMORY, "out of memory");
        r = render(fs, ctx, n, true, &f->content, e);
        if (r) {
                file_free(fs, f);
                return r;
        }
        ret->file = f;
        ret->direct_io = ret->no_flush = true;
        return 0;
}

int info_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(CONTROL_TEXT_MAX);
        int r = render(fs, ctx, n, false, &text, e);

        if (r)
                return r;
        attr_file(fs, node_ino_now(fs, n), text.n, fs->started_wall_ns, 0, ret);
        ret->mode &= ~(mode_t)0222;
        return 0;
}
