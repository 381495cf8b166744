/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: sizes are exact, inode numbers stable, directories and control files synthetic. */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

void attr_dir(struct fs *fs, uint64_t ino, struct fs_attr *ret) {
        *ret = (struct fs_attr){ .ino = ino, .mode = S_IFDIR | (0777 & ~fs->o.umask), .nlink = 2, .uid = fs->o.uid,
                                 .gid = fs->o.gid, .mtime_ns = fs->started_wall_ns, .valid_ns = FS_FOREVER };
        if (fs->o.read_only)
                ret->mode &= ~(mode_t)0222;
}

void attr_file(struct fs *fs, uint64_t ino, uint64_t size, uint64_t mtime_ns, uint64_t valid_ns, struct fs_attr *ret) {
        *ret = (struct fs_attr){ .ino = ino, .mode = S_IFREG | (0666 & ~fs->o.umask), .nlink = 1, .uid = fs->o.uid,
                                 .gid = fs->o.gid, .size = size, .mtime_ns = mtime_ns, .valid_ns = valid_ns };
        if (fs->o.read_only)
                ret->mode &= ~(mode_t)0222;
}

uint64_t ttl_left(struct fs *fs, uint64_t fetched_ns) {
        uint64_t now = clock_now_ns(), age = now - MIN(now, fetched_ns);

        if (fs->o.cache_ttl_ns == FS_FOREVER)
                return FS_FOREVER;
        return age < fs->o.cache_ttl_ns ? fs->o.cache_ttl_ns - age : 0;
}

uint64_t node_ino_now(struct fs *fs, struct node *n) {
        uint64_t ino;

        mutex_lock(&fs->nodes.lock);
        ino = n->ino;
        mutex_unlock(&fs->nodes.lock);
        return ino;
}

void attr_told(struct fs *fs, struct node *n, uint64_t hash, struct fs_attr *ret) {
        mutex_lock(&fs->nodes.lock);
        if (n->n_cached > 0 && n->page_hash != hash) {
                hash = n->page_hash;
                ret->size = n->page_size;
                ret->valid_ns = 0;
        }
        if (n->told_hash && n->told_hash != hash)
                n->told_changed_ns = clock_now_ns();
        n->told_hash = hash;
        mutex_unlock(&fs->nodes.lock);
}

int item_known(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct cache_view *ret, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        int r;

        if (item_hidden(fs, buf_view(&p->id)))
                return fs_no_item(e);
        cache_get(fs->cache, buf_view(&p->id), known_age(fs, p, fs->o.cache_ttl_ns), false, ret);
        cache_view_deinit(ret);
        if (ret->state == CACHE_PRESENT)
                crawl_hit(fs, p);
        if (ret->state != CACHE_UNKNOWN)
                return ret->state == CACHE_PRESENT ? 0 : fs_no_item(e);
        r = item_load(fs, ctx, p, fs->o.cache_ttl_ns, false, &s, e);
        if (r)
                return r;
        cache_get(fs->cache, buf_view(&p->id), UINT64_MAX, false, ret);
        cache_view_deinit(ret);
        if (ret->state != CACHE_PRESENT) /* evicted or invalidated at once */
                *ret = (struct cache_view){ .state = CACHE_PRESENT, .mtime_ns = fs->started_wall_ns };
        ret->n = s->n;
        ret->hash = s->hash;
        return 0;
}

static int item_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        struct cache_view known;
        uint64_t size, mtime;
        int r;

        if (draft_stat(fs, n, &size, &mtime)) {
                attr_file(fs, node_ino_now(fs, n), size, mtime, 0, ret);
                return 0;
        }
        r = place_of(fs, ctx, n, &p, e);
        if (r == 0)
                r = item_known(fs, ctx, &p, &known, e);
        if (r)
                return r;
        attr_file(fs, node_ino_now(fs, n), known.n, known.mtime_ns, ttl_left(fs, known.fetched_ns), ret);
        attr_told(fs, n, known.hash, ret);
        return 0;
}

static int read_only(int r, struct fs_attr *ret) {
        ret->mode &= ~(mode_t)0222;
        return r;
}

int node_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e) {
        enum node_kind kind = n->kind;

        switch (kind) {
        case NODE_ITEM:
                return item_attr(fs, ctx, n, ret, e);
        case NODE_VIEW_ITEM:
                return read_only(item_attr(fs, ctx, n, ret, e), ret);
        case NODE_VIEW:
                attr_dir(fs, node_ino_now(fs, n), ret);
                return n->control ? read_only(0, ret) : 0;
        case NODE_EXPORT:
                attr_file(fs, node_ino_now(fs, n), 0, clock_wall_ns(), 0, ret);
                return read_only(0, ret);
        case NODE_ITEM_DIR:
                return item_dir_attr(fs, ctx, n, ret, e);
        case NODE_ATTR:
                return attr_file_attr(fs, ctx, n, ret, e);
        case NODE_IMPORT:
                attr_file(fs, node_ino_now(fs, n), 0, clock_wall_ns(), 0, ret);
                ret->mode &= ~(mode_t)0444;
                return 0;
        case NODE_INFO:
                return info_attr(fs, ctx, n, ret, e);
        case NODE_LOCAL:
                return local_attr(fs, n, ret, e);
        case NODE_CONTROL_FILE:
                attr_file(fs, node_ino_now(fs, n), 0, clock_wall_ns(), 0, ret);
                ret->mode = S_IFREG | (control_writable(n->control) ? 0200 : 0400);
                return 0;
        case NODE_ROOT:
        case NODE_TABLE:
        case NODE_PARTITION:
        case NODE_CHAIN:
        case NODE_CONTROL:
        case _NODE_KIND_N:
                attr_dir(fs, node_ino_now(fs, n), ret);
                return 0;
        }
        return -EIO;
}
