/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files of attributes.  A reader has the content of one version from open to close, as with items.  These are
 * the operations of their own: an attribute that is too large to be held in memory gets others.
 */
#include "fs_internal.h"

/* What is in S3 is read from there. */
static int open_content(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, const struct place *p, struct snapshot *item,
                        struct error *e) {
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        const struct value *v;
        int r = parsed_of(fs, p, item, &parsed, e);

        if (r)
                return r;
        v = item_get(&parsed->item, buf_view(&p->attr));
        return v ? attr_large_open(fs, ctx, f, p, v, e) : 0;
}

static int open_reader(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct fs_opened *ret, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL;
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = place_of(fs, ctx, f->node, &p, e);

        if (r == 0 && (draft_is_new(fs, f->node) || draft_emptied(fs, f->node))) { /* by another program, just now */
                ret->direct_io = true;
                r = snapshot_new(STR_NULL, &f->snapshot);
                return r ? error_set_errno(e, r, "opening") : 0;
        }
        if (r == 0 && away_find(fs, place_file_id(&p)))
                r = fs_no_item(e);
        if (r == 0)
                r = item_load(fs, ctx, &p, fs->o.cache_ttl_ns, false, &item, e);
        if (r == 0)
                r = attr_of_item(fs, &p, item, &f->snapshot, e);
        if (r == 0)
                r = open_content(fs, ctx, f, &p, item, e);
        return r ? r : file_serve(fs, ctx, f, place_file_id(&p), ret);
}

int attr_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct fs_opened *ret,
              struct error *e) {
        struct fs_file *f = file_new(fs, n, flags, &attr_file_ops);
        int r;

        if (!f)
                return error_set(e, ERR_MEMORY, "out of memory");
        if ((flags & O_ACCMODE) == O_RDONLY && !create && !(flags & O_TRUNC))
                r = open_reader(fs, ctx, f, ret, e);
        else
                r = draft_open(fs, ctx, n, flags, create, &f->draft, e);
        if (f->draft)
                ret->direct_io = true;
        if (r)
                file_free(fs, f);
        else
                ret->file = f;
        return r;
}

/* A shell's `> f` closes once while empty, before the command runs; whoever closes it empty again means it. */
static bool stays_empty(struct draft *d) {
        bool stays;

        mutex_lock(&d->lock);
        if (d->dirty || d->text.n > 0 || !(d->truncated || d->created))
                d->idle_flushes = 0;
        else
                d->idle_flushes++;
        stays = d->idle_flushes > 1;
        mutex_unlock(&d->lock);
        return stays;
}

static int attr_commit(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        int r = file_commit_text(fs, ctx, f, e);

        return r || !f->draft || !stays_empty(f->draft) ? r : draft_commit(fs, ctx, f->draft, true, e);
}

const struct file_ops attr_file_ops = { file_read_text, file_write_text, attr_commit, NULL, file_release_text, false };
