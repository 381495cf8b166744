/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes whose content is in S3 (store/large.h), read as files: pieces of the object as they are asked for, ahead of
 * who reads on.  Nothing of it is cached here; the kernel's pages are, by the version of the reference.
 */
#include "fs_internal.h"
#include "ddbfs/store/large.h"

static int not_in_s3(struct error *e) {
        return error_set(e, ERR_PROTOCOL, "the object that the attribute refers to is not in S3 (any more)");
}

int attr_large_size(struct fs *fs, struct op_ctx *ctx, const struct value *v, bool *ret, uint64_t *ret_size, struct error *e) {
        struct store *s = fs->store;
        struct error local = { 0 };
        int r;

        *ret = false;
        if (!s->ops->large || (v->type != VALUE_LARGE && v->type != VALUE_S))
                return 0;
        r = s->ops->large->size(s, ctx, v, ret, ret_size, &local);
        if (r && local.kind == ERR_NO_ITEM)
                return not_in_s3(e);
        if (r && e)
                *e = local;
        return r;
}

/* The reference itself: the item's text says only what it stands for. */
int attr_large_reference(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct items *now, const struct value **ret,
                          struct error *e) {
        struct str attr = buf_view(&p->attr);
        struct get_request get = { .table = p->table, .key = p->key, .consistent = true, .projection = &attr,
                                   .n_projection = 1 };
        int r = fs->store->ops->get(fs->store, ctx, &get, now, e);

        if (r)
                return r;
        *ret = now->n > 0 ? item_get(&now->v[0], attr) : NULL;
        return *ret ? 0 : error_set(e, ERR_NO_ITEM, "the item has no such attribute");
}

int attr_large_open(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, const struct place *p, const struct value *v,
                    struct error *e) {
        _cleanup_(items_deinit) struct items now;
        struct store *s = fs->store;
        struct error local = { 0 };
        bool is = false;
        int r = attr_large_size(fs, ctx, v, &is, &f->large_size, e);

        items_init(&now);
        if (r || !is)
                return r;
        if (v->type == VALUE_LARGE) {
                r = attr_large_reference(fs, ctx, p, &now, &v, e);
                if (r)
                        return r;
                if (v->type != VALUE_LARGE) /* it was replaced by something small this very moment */
                        return error_set(e, ERR_BUSY, "the attribute is just being replaced");
                f->large_size = v->large->size;
        }
        r = s->ops->large->open(s, ctx, v, &f->large, &local);
        if (r && local.kind == ERR_NO_ITEM)
                return not_in_s3(e);
        if (r && e)
                *e = local;
        return r;
}

int attr_large_content(struct fs *fs, struct op_ctx *ctx, const struct value *v, struct buf *ret, struct error *e) {
        const struct large_ops *ops = fs->store->ops->large;
        struct large_reader *in = NULL;
        struct error local = { 0 };
        size_t n = (size_t)v->large->size;
        char *to = buf_reserve(ret, n);
        int r = to ? ops->open(fs->store, ctx, v, &in, &local) : error_set_errno(&local, buf_status(ret), "reading");

        if (r == 0)
                r = ops->read(in, ctx, 0, n, to, &n, &local);
        ops->close(in);
        if (r == 0)
                buf_commit(ret, n);
        if (r && local.kind == ERR_NO_ITEM)
                return not_in_s3(e);
        if (r && e)
                *e = local;
        return r;
}

void attr_large_close(struct fs *fs, struct fs_file *f) {
        if (f->large)
                fs->store->ops->large->close(f->large);
        f->large = NULL;
}

/* The object is gone: the item says why. */
static int explain_gone(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        _cleanup_(items_deinit) struct items now;
        const struct value *v = NULL;
        int r = place_of(fs, ctx, f->node, &p, e);

        items_init(&now);
        if (r == 0)
                r = attr_large_reference(fs, ctx, &p, &now, &v, e);
        if (r)
                return r == -ENOENT ? not_in_s3(e) : r;
        return error_set(e, ERR_PROTOCOL, v->type == VALUE_LARGE && v->large->size == f->large_size
                                                  ? "the object that the attribute refers to is not in S3 (any more)"
                                                  : "the attribute was replaced while it was being read");
}

/* A copy: of what is not in one piece. */
static int read_piece(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                      struct fs_hold *ret_hold, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *piece = NULL;
        int r = snapshot_room(n, &piece);

        if (r)
                return error_set_errno(e, r, "reading");
        r = fs->store->ops->large->read(f->large, ctx, offset, n, piece->text, &piece->n, e);
        if (r)
                return r;
        *ret = str_make(piece->text, piece->n);
        *ret_hold = hold_snapshot(TAKE(piece));
        return 0;
}

int attr_large_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                    struct fs_hold *ret_hold, struct error *e) {
        const struct large_ops *ops = fs->store->ops->large;
        struct error local = { 0 };
        void *hold = NULL;
        int r = ops->lend(f->large, ctx, offset, n, ret, &hold, &local);

        if (r == 0 && hold)
                *ret_hold = (struct fs_hold){ hold, ops->give_back };
        else if (r == 0)
                r = read_piece(fs, ctx, f, offset, n, ret, ret_hold, &local);
        if (r && local.kind == ERR_NO_ITEM)
                return explain_gone(fs, ctx, f, e);
        if (r)
                *e = local;
        return r;
}
