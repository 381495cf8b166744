/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extended attributes user.ddbfs.*: one table, an entry each.  They are not listed: `rsync -X` and `cp -a` would
 * try to carry them along.  Everybody else's names cost nothing: only scratch files have some, on the real file.
 */
#include <linux/limits.h>
#include <sys/xattr.h>
#include "local_internal.h"
#include "ddbfs/base/json.h"
#include "ddbfs/codec/wire.h"

struct xattr {
        const char *name;
        int (*get)(struct fs *, struct op_ctx *, struct node *, const struct place *, struct buf *out); /* -ENODATA: not here */
};

/* The key as the API takes it. */
static int get_key(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct buf *out) {
        struct str names[2];

        (void)fs;
        (void)ctx;
        (void)n;
        if (!p->table || p->key.n == 0 || p->kind == NODE_CHAIN)
                return -ENODATA;
        for (uint32_t i = 0; i < p->key.n; i++)
                names[i] = p->table->key.attrs[i].name;
        wire_write_key(out, p->key.parts, names, p->key.n);
        return buf_status(out);
}

/* The API call behind the path. */
static int get_request(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct buf *out) {
        const struct store_ops *ops = fs->store->ops;

        (void)ctx;
        (void)n;
        if (p->view) {
                return view_explain(fs, p, out);
        } else if (p->kind == NODE_ROOT) {
                buf_puts(out, "ListTables {}");
        } else if (p->kind == NODE_ITEM || p->level == LEVEL_ATTR) {
                struct get_request get = { .table = p->table, .key = p->key, .consistent = fs->o.consistent };

                return ops->explain_get(fs->store, &get, out);
        } else if (p->kind == NODE_PARTITION) {
                struct query_request q = { .table = p->table, .hash = p->key, .consistent = fs->o.consistent };

                return ops->explain_query(fs->store, &q, out);
        } else if (p->kind == NODE_TABLE) {
                struct scan_request scan = { .table = p->table, .consistent = fs->o.consistent };

                if (table_has_range(p->table)) {
                        scan.projection = &p->table->key.attrs[0].name;
                        scan.n_projection = 1;
                }
                return ops->explain_scan(fs->store, &scan, out);
        } else {
                return -ENODATA;
        }
        return buf_status(out);
}

static int get_consumed(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct buf *out) {
        float rcu, wcu;

        (void)ctx;
        (void)p;
        mutex_lock(&fs->nodes.lock);
        rcu = n->rcu;
        wcu = n->wcu;
        mutex_unlock(&fs->nodes.lock);
        buf_printf(out, "{\"rcu\": %.1f, \"wcu\": %.1f}", (double)rcu, (double)wcu);
        return buf_status(out);
}

static int get_error(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct buf *out) {
        (void)ctx;
        (void)p;
        return errors_find(fs, node_ino_now(fs, n), out);
}

/* Where an index's item is in its table. */
static int get_base(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct buf *out) {
        (void)fs;
        (void)ctx;
        (void)n;
        return p->view && p->view->index && p->view->kind == VIEW_ITEM ? view_base_path(p, out) : -ENODATA;
}

static const struct xattr xattrs[] = {
        { "user.ddbfs.base", get_base },
        { "user.ddbfs.key", get_key },
        { "user.ddbfs.request", get_request },
        { "user.ddbfs.consumed", get_consumed },
        { "user.ddbfs.error", get_error },
};

static bool is_ours(const char *name) {
        return str_starts(str_of(name), STR("user.ddbfs."));
}

/* The real file of a scratch file; -EOPNOTSUPP: it is none. */
static int scratch_path(struct fs *fs, struct node *n, char out[LOCAL_PATH_MAX]) {
        return n->kind == NODE_LOCAL ? local_path_of(fs, n, STR_NULL, out) : -EOPNOTSUPP;
}

/* got < 0: errno; else so many bytes of room are filled. */
static int take(struct buf *out, ssize_t got) {
        if (got < 0)
                return -errno;
        buf_commit(out, (size_t)got);
        return buf_status(out);
}

static int scratch_get(struct fs *fs, struct node *n, const char *name, struct buf *out) {
        char path[LOCAL_PATH_MAX], *room;

        if (scratch_path(fs, n, path))
                return -ENODATA;
        room = buf_reserve(out, XATTR_SIZE_MAX);
        return room ? take(out, lgetxattr(path, name, room, XATTR_SIZE_MAX)) : buf_status(out);
}

/* Those a program may have set: the disk's file system has others. */
static int scratch_list(struct fs *fs, struct node *n, struct buf *out) {
        _cleanup_(buf_deinit) struct buf all = BUF_INIT(XATTR_LIST_MAX);
        char path[LOCAL_PATH_MAX], *room;
        int r;

        if (scratch_path(fs, n, path))
                return 0;
        room = buf_reserve(&all, XATTR_LIST_MAX);
        r = room ? take(&all, llistxattr(path, room, XATTR_LIST_MAX)) : buf_status(&all);
        for (size_t at = 0; r == 0 && at < all.n; at += strnlen(all.p + at, all.n - at) + 1)
                if (str_starts(str_skip(buf_view(&all), at), STR("user.")))
                        buf_append(out, all.p + at, strnlen(all.p + at, all.n - at - 1) + 1);
        return r ? r : buf_status(out);
}

int fs_getxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name, struct buf *out) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(place_deinit) struct place p = { 0 };
        struct error e = { 0 };
        int r;

        if (!fs->o.xattrs)
                return -EOPNOTSUPP;
        h.n = node_get(fs, node);
        if (!h.n)
                return -ESTALE;
        if (!is_ours(name))
                return scratch_get(fs, h.n, name, out);
        for (size_t i = 0; i < ARRAY_LEN(xattrs); i++) {
                if (strcmp(name, xattrs[i].name) != 0)
                        continue;
                r = place_of(fs, ctx, h.n, &p, &e);
                return r ? r : xattrs[i].get(fs, ctx, h.n, &p, out);
        }
        return -ENODATA;
}

int fs_listxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct buf *out) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };

        (void)ctx;
        if (!fs->o.xattrs)
                return -EOPNOTSUPP;
        return h.n ? scratch_list(fs, h.n, out) : -ESTALE;
}

static int change(struct fs *fs, uint64_t node, const char *name, const struct str *value) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };
        char path[LOCAL_PATH_MAX];
        int r;

        if (!h.n)
                return -ESTALE;
        if (!fs->o.xattrs || is_ours(name))
                return -EOPNOTSUPP;
        if (fs->o.read_only)
                return -EROFS;
        r = scratch_path(fs, h.n, path);
        if (r)
                return r;
        return (value ? lsetxattr(path, name, value->p, value->n, 0) : lremovexattr(path, name)) < 0 ? -errno : 0;
}

int fs_setxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name, struct str value) {
        (void)ctx;
        return change(fs, node, name, &value);
}

int fs_removexattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name) {
        (void)ctx;
        return change(fs, node, name, NULL);
}
