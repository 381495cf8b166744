/* SPDX-License-Identifier: Apache-2.0 */
/* Names to nodes. */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

/* A complete listing of the directory, made a moment ago, answers too. */
static uint64_t listing_lacks_child(struct fs *fs, struct node *dir, struct str name, const struct place *child) {
        struct place p = { .kind = dir->kind, .table = child->table };

        if (child->kind == NODE_ITEM && table_has_range(child->table)) {
                p.key.n = 1;
                p.key.parts[0] = child->key.parts[0];
        }
        return listing_lacks(fs, node_ino_now(fs, dir), &p, name);
}

/* Is it known not to exist, or found out for many names at once?  *ret_since: as of when; 0: the item is asked for. */
static int known_absent(struct fs *fs, struct op_ctx *ctx, const struct place *p, uint64_t *ret_since, struct error *e) {
        struct cache_view view;
        int r;

        if (absent_knows(fs, p, ret_since))
                return 0;
        cache_get(fs->cache, buf_view(&p->id), fs->o.cache_ttl_ns, false, &view);
        cache_view_deinit(&view);
        if (view.state != CACHE_UNKNOWN || item_hidden(fs, buf_view(&p->id)))
                return 0;
        r = absent_ask(fs, ctx, p, e);
        if (r == 0)
                (void)absent_knows(fs, p, ret_since);
        return r;
}

/* Does what the name spells exist?  Tables were asked for by place_child; a chain directory always resolves. */
int child_exists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct child *c, struct error *e) {
        uint64_t since = 0;
        int r = 0;

        if (c->kind == NODE_PARTITION || c->kind == NODE_ITEM)
                since = listing_lacks_child(fs, dir, name, &c->place);
        if (since == 0 && c->kind == NODE_ITEM)
                r = known_absent(fs, ctx, &c->place, &since, e);
        if (r)
                return r;
        if (since && !local_dir_has(fs, node_ino_now(fs, dir), name) &&
            !(c->kind == NODE_PARTITION && local_folder_used(fs, node_ino_now(fs, dir), name))) {
                cache_put_absent(fs->cache, buf_view(&c->place.id), since);
                return fs_no_item(e);
        }
        if (c->kind == NODE_PARTITION)
                return partition_exists(fs, ctx, dir, name, &c->place, e);
        if (c->kind == NODE_LOCAL) {
                struct stat st;

                r = local_stat(fs, dir, name, &st);
                return r == -ENOENT ? fs_no_item(e) : r ? error_set_errno(e, r, "local file") : 0;
        }
        return 0; /* items: node_attr asks */
}

static uint64_t entry_valid(struct fs *fs, enum node_kind kind, const struct fs_attr *attr) {
        switch (kind) {
        case NODE_ITEM:
        case NODE_VIEW_ITEM:
                return attr->valid_ns;
        case NODE_TABLE:
                return fs->o.schema_ttl_ns;
        case NODE_PARTITION:
        case NODE_VIEW:
        case NODE_EXPORT:
        case NODE_INFO:
        case NODE_IMPORT:
                return fs->o.cache_ttl_ns;
        case NODE_LOCAL:
        case NODE_ITEM_DIR:
        case NODE_ATTR:
                return attr->valid_ns;
        case NODE_ROOT:
        case NODE_CHAIN:
        case NODE_CONTROL:
        case NODE_CONTROL_FILE:
        case _NODE_KIND_N:
                break;
        }
        return FS_FOREVER;
}

int entry_of(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_entry *ret, struct error *e) {
        int r = node_attr(fs, ctx, n, &ret->attr, e);

        if (r)
                return r;
        ret->node = n->id;
        ret->valid_ns = entry_valid(fs, n->kind, &ret->attr);
        node_add_lookup(fs, n);
        return 0;
}

/* Where items are: what is neither one nor a scratch file may be the directory of one. */
static bool may_be_item_dir(const struct node *dir) {
        enum node_kind kind = dir->kind;

        return kind == NODE_TABLE || kind == NODE_PARTITION || (kind == NODE_CHAIN && dir->level != LEVEL_ATTR);
}

int node_lookup(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(child_deinit) struct child c = { 0 };
        int r;

        if (view_leads(fs, dir, name))
                return view_lookup(fs, ctx, dir, name, ret, e);
        h.n = node_find(fs, dir, name);
        if (h.n && draft_is_new(fs, h.n))
                return entry_of(fs, ctx, h.n, ret, e);
        r = place_child(fs, ctx, dir, name, &c, e);
        if (r == 0)
                r = child_exists(fs, ctx, dir, name, &c, e);
        if (r == -ENOENT && e->kind == ERR_NO_ITEM && (c.kind == NODE_LOCAL || c.kind == NODE_ROOT) && may_be_item_dir(dir)) {
                *e = (struct error){ .kind = ERR_NONE };
                return item_dir_lookup(fs, ctx, dir, dir, name, ret, e);
        }
        if (r)
                return r;
        h.n = node_put(fs, h.n);
        r = node_child(fs, dir, name, c.kind, c.level, &h.n);
        if (r)
                return error_set_errno(e, r, "lookup");
        mutex_lock(&fs->nodes.lock);
        if (h.n->control != c.control) /* once: it is read without the lock */
                h.n->control = c.control;
        mutex_unlock(&fs->nodes.lock);
        return entry_of(fs, ctx, h.n, ret, e);
}

int fs_lookup(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct fs_entry *ret) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        struct error e = { 0 };
        int r;

        *ret = (struct fs_entry){ .node = 0 };
        if (!dir.n)
                return -ESTALE;
        r = node_lookup(fs, ctx, dir.n, name, ret, &e);
        if (r == -ENOENT) { /* the kernel may remember that for a while */
                *ret = (struct fs_entry){ .node = 0, .valid_ns = item_dir_may(dir.n, name) ? 0 : fs->o.cache_ttl_ns };
                return fs_done(fs, ctx, dir.n, name, 0, &e);
        }
        return fs_done(fs, ctx, dir.n, name, r, &e);
}

void fs_forget(struct fs *fs, uint64_t node, uint64_t n_lookups) {
        node_forget(fs, node, n_lookups);
}

/* What the handle reads is this long, whatever the table holds by now: a program that appends asks. */
static void own_size(struct fs_file *f, struct fs_attr *ret) {
        uint64_t size = f->large ? f->large_size : f->snapshot ? f->snapshot->n : ret->size;

        if (f->draft) {
                mutex_lock(&f->draft->lock);
                size = f->draft->text.n + f->draft->streamed;
                mutex_unlock(&f->draft->lock);
        }
        if (size != ret->size)
                ret->valid_ns = 0;
        ret->size = size;
}

int fs_getattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct fs_file *file, struct fs_attr *ret) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };
        struct error e = { 0 };
        int r;

        if (!h.n)
                return -ESTALE;
        r = node_attr(fs, ctx, h.n, ret, &e);
        if (r == -ENOENT && file) { /* open, but deleted: what the handle has */
                attr_file(fs, node_ino_now(fs, h.n), file->snapshot ? file->snapshot->n : 0, fs->started_wall_ns, 0, ret);
                r = 0;
        }
        if (r == 0 && file)
                own_size(file, ret);
        return fs_done(fs, ctx, h.n, STR_NULL, r, &e);
}
