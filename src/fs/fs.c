/* SPDX-License-Identifier: Apache-2.0 */
/* The file system object: making, probing, ending. */
#include "journal_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"

/* of options that are 0 */
#define GRACE_NS (10 * NS_PER_S)
#define SPOOL_MAX GIB
#define REJECTED_MAX (64 * MIB)

int fs_new(const struct fs_options *o, struct store *store, struct fs **ret) {
        struct fs *fs = mem_zalloc(sizeof(*fs));
        int r;

        if (!fs)
                return -ENOMEM;
        fs->o = *o;
        if (!fs->o.grace_ns)
                fs->o.grace_ns = GRACE_NS;
        if (!fs->o.spool_max)
                fs->o.spool_max = SPOOL_MAX;
        if (!fs->o.rejected_max)
                fs->o.rejected_max = REJECTED_MAX;
        fs->store = store;
        fs->started_wall_ns = clock_wall_ns();
        mutex_init(&fs->gate);
        cond_init(&fs->gate_cond);
        mutex_init(&fs->small_lock);
        mutex_init(&fs->open_lock);
        mutex_init(&fs->away_lock);
        cond_init(&fs->away_cond);
        list_init(&fs->aways);
        list_init(&fs->turns);
        fs->journal_fd = -1;
        spares_init(&fs->spares);
        list_init(&fs->gaps);
        list_init(&fs->local_dirs);
        list_init(&fs->drafts);
        list_init(&fs->files);
        list_init(&fs->dirs);
        r = nodes_init(fs);
        if (r == 0)
                r = cache_new(o->cache_size - o->cache_size / LISTINGS_SHARE, fs->started_wall_ns, &fs->cache);
        if (r == 0)
                r = tables_new(fs, &fs->tables);
        if (r == 0)
                r = removals_new(fs);
        if (r == 0)
                r = listings_new(fs);
        if (r == 0)
                r = readers_new(fs);
        if (r)
                fs_free(fs);
        else
                *ret = fs;
        return r;
}

static void free_small(struct fs *fs) {
        local_dirs_free(fs);
        parsed_unref(fs->parsed);
        absent_flush(fs);
        for (size_t i = 0; i < ERRORS_KEPT; i++)
                mem_free(fs->errors[i].path);
}

struct fs *fs_free(struct fs *fs) {
        if (!fs)
                return NULL;
        ahead_no_more(fs);
        tours_free(fs);
        files_free(fs);
        drafts_free(fs);
        dirs_free(fs);
        away_stop(fs);
        away_free(fs);
        saves_free(fs);
        journal_stop(fs);
        removals_free(fs);
        listings_free(fs);
        readers_free(fs);
        fs->tables = tables_free(fs->tables);
        fs->cache = cache_free(fs->cache);
        spares_free(fs);
        free_small(fs);
        nodes_deinit(fs);
        hmap_deinit(&fs->flights);
        cond_deinit(&fs->away_cond);
        mutex_deinit(&fs->away_lock);
        mutex_deinit(&fs->open_lock);
        mutex_deinit(&fs->small_lock);
        cond_deinit(&fs->gate_cond);
        mutex_deinit(&fs->gate);
        return mem_free(fs);
}

void fs_set_notify(struct fs *fs, const struct fs_notify *notify) {
        fs->notify = *notify;
}

int fs_probe(struct fs *fs, struct op_ctx *ctx, struct error *reterr) {
        int r = tables_probe(fs, ctx, reterr);

        if (r == 0)
                journal_start(fs, ctx);
        if (r == 0)
                local_folders_tidy(fs);
        return r;
}

/* Nobody knows whether what was streamed so far is the whole, and it cannot be told from its text, as an item's can. */
static int give_up_stream(struct op_ctx *ctx, struct draft *d, struct error *e) {
        int r = error_set(e, ERR_INTERNAL, "the mount has ended while it was being written: the attribute stays as it was");

        draft_give_up(d, ctx, e);
        return r;
}

static void commit_drafts(struct fs *fs, struct op_ctx *ctx) {
        for (;;) {
                struct draft *d = NULL;
                struct error e = { 0 };
                int r;

                mutex_lock(&fs->open_lock);
                LIST_FOR_EACH(l, &fs->drafts) {
                        struct draft *candidate = CONTAINER_OF(l, struct draft, all);
                        bool dirty;

                        mutex_lock(&candidate->lock);
                        dirty = candidate->dirty && candidate->text.n + candidate->streamed > 0;
                        mutex_unlock(&candidate->lock);
                        if (!d && dirty)
                                d = candidate;
                }
                mutex_unlock(&fs->open_lock);
                if (!d)
                        return;
                r = d->streamed > 0 ? give_up_stream(ctx, d, &e)
                                    : draft_commit(fs, ctx, d, false, &e); /* the requests have ended: nobody else touches it */
                (void)fs_done(fs, ctx, d->node, STR_NULL, r, &e);
                mutex_lock(&d->lock);
                d->dirty = false;
                mutex_unlock(&d->lock);
        }
}

void fs_shutdown(struct fs *fs, struct op_ctx *ctx) {
        commit_drafts(fs, ctx);
        imports_finish(fs, ctx);
        removals_stop(fs, ctx->deadline_ns);
        away_stop(fs);
        (void)away_expire(fs, ctx, NULL, true);
        saves_stop(fs, ctx->deadline_ns);
}

static int make_symlink(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct str target,
                        struct fs_entry *ret, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(child_deinit) struct child c = { 0 };
        int r;

        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        r = place_child(fs, ctx, dir, name, &c, e);
        if (r == 0 && (c.kind != NODE_LOCAL || dir->kind == NODE_LOCAL || dir->kind == NODE_CONTROL))
                r = error_set(e, ERR_PERMISSION, "only scratch names beside items can be links");
        if (r == 0)
                r = local_symlink(fs, dir, name, target, e);
        if (r)
                return r;
        r = node_child(fs, dir, name, NODE_LOCAL, c.level, &h.n);
        return r ? error_set_errno(e, r, "link") : entry_of(fs, ctx, h.n, ret, e);
}

int fs_symlink(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct str target,
               struct fs_entry *ret) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        struct error e = { 0 };
        int r;

        if (!dir.n)
                return -ESTALE;
        r = view_write(fs, ctx, &dir, name, &e);
        if (r == 0)
                r = make_symlink(fs, ctx, dir.n, name, target, ret, &e);
        return fs_done(fs, ctx, dir.n, name, r, &e);
}

int fs_readlink(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct buf *out) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };

        (void)ctx;
        if (!h.n)
                return -ESTALE;
        return h.n->kind == NODE_LOCAL ? local_readlink(fs, h.n, out) : -EINVAL;
}

void fs_statfs(struct fs *fs, struct fs_space *ret) {
        (void)fs;
        /* DynamoDB has no size: a petabyte, always free, so that nothing refuses to copy */
        *ret = (struct fs_space){ .block_size = 4096, .blocks = UINT64_C(1) << 38, .free = UINT64_C(1) << 38,
                                  .files = UINT64_C(1) << 40, .files_free = UINT64_C(1) << 40, .name_max = 255 };
}
