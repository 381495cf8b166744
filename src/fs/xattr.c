/* SPDX-License-Identifier: Apache-2.0 */
/* The extended attributes user.ddbfs.*: one table, an entry each.  Everybody else's names cost nothing. */
#include "fs_internal.h"
#include "ddbfs/base/json.h"
#include "ddbfs/codec/wire.h"

struct xattr {
        const char *name;
        int (*get)(struct fs *, struct op_ctx *, struct node *, const struct place *, struct buf *out); /* -ENODATA: not here */
        bool listed;
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
        if (p->kind == NODE_ROOT) {
                buf_puts(out, "ListTables {}");
        } else if (p->kind == NODE_ITEM) {
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

static const struct xattr xattrs[] = {
        { "user.ddbfs.key", get_key, true },
        { "user.ddbfs.request", get_request, true },
        { "user.ddbfs.consumed", get_consumed, true },
        { "user.ddbfs.error", get_error, false },
};

int fs_getxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name, struct buf *out) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(place_deinit) struct place p = { 0 };
        struct error e = { 0 };
        int r;

        if (!fs->o.xattrs)
                return -EOPNOTSUPP;
        if (!str_starts(str_of(name), STR("user.ddbfs.")))
                return -ENODATA;
        h.n = node_get(fs, node);
        if (!h.n)
                return -ESTALE;
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
        if (!h.n)
                return -ESTALE;
        if (h.n->kind == NODE_CONTROL || h.n->kind == NODE_CONTROL_FILE)
                return 0;
        for (size_t i = 0; i < ARRAY_LEN(xattrs); i++) {
                if (!xattrs[i].listed || (i == 0 && h.n->kind != NODE_ITEM && h.n->kind != NODE_PARTITION))
                        continue;
                buf_append(out, xattrs[i].name, strlen(xattrs[i].name) + 1);
        }
        return buf_status(out);
}

int fs_setxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name, struct str value) {
        (void)fs;
        (void)ctx;
        (void)node;
        (void)name;
        (void)value;
        return -EOPNOTSUPP;
}
