/* SPDX-License-Identifier: Apache-2.0 */
/* The file system object: making, probing, ending. */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

int fs_new(const struct fs_options *o, struct store *store, struct fs **ret) {
        struct fs *fs = mem_zalloc(sizeof(*fs));
        int r;

        if (!fs)
                return -ENOMEM;
        fs->o = *o;
        fs->store = store;
        fs->started_wall_ns = clock_wall_ns();
        mutex_init(&fs->gate);
        cond_init(&fs->gate_cond);
        mutex_init(&fs->small_lock);
        mutex_init(&fs->drafts_lock);
        list_init(&fs->local_dirs);
        list_init(&fs->drafts);
        r = nodes_init(fs);
        if (r == 0)
                r = cache_new(o->cache_size, fs->started_wall_ns, &fs->cache);
        if (r == 0)
                r = tables_new(fs, &fs->tables);
        if (r)
                fs_free(fs);
        else
                *ret = fs;
        return r;
}

static void free_small(struct fs *fs) {
        local_dirs_free(fs);
        for (size_t i = 0; i < ERRORS_KEPT; i++)
                mem_free(fs->errors[i].path);
}

struct fs *fs_free(struct fs *fs) {
        if (!fs)
                return NULL;
        fs->tables = tables_free(fs->tables);
        fs->cache = cache_free(fs->cache);
        free_small(fs);
        nodes_deinit(fs);
        hmap_deinit(&fs->flights);
        mutex_deinit(&fs->drafts_lock);
        mutex_deinit(&fs->small_lock);
        cond_deinit(&fs->gate_cond);
        mutex_deinit(&fs->gate);
        return mem_free(fs);
}

void fs_set_notify(struct fs *fs, const struct fs_notify *notify) {
        fs->notify = *notify;
}

int fs_probe(struct fs *fs, struct op_ctx *ctx, struct error *reterr) {
        return tables_probe(fs, ctx, reterr);
}

void fs_shutdown(struct fs *fs, struct op_ctx *ctx) {
        for (;;) {
                struct draft *d = NULL;
                struct error e = { 0 };
                int r;

                mutex_lock(&fs->drafts_lock);
                LIST_FOR_EACH(l, &fs->drafts) {
                        struct draft *candidate = CONTAINER_OF(l, struct draft, all);
                        bool dirty;

                        mutex_lock(&candidate->lock);
                        dirty = candidate->dirty && candidate->text.n > 0;
                        mutex_unlock(&candidate->lock);
                        if (!d && dirty)
                                d = candidate;
                }
                mutex_unlock(&fs->drafts_lock);
                if (!d)
                        return;
                r = draft_commit(fs, ctx, d, false, &e); /* the requests have ended: nobody else touches it */
                (void)fs_done(fs, ctx, d->node, STR_NULL, r, &e);
                mutex_lock(&d->lock);
                d->dirty = false;
                mutex_unlock(&d->lock);
        }
}

int fs_symlink(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct str target,
               struct fs_entry *ret) {
        (void)fs;
        (void)ctx;
        (void)parent;
        (void)name;
        (void)target;
        (void)ret;
        return -EPERM;
}

int fs_readlink(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct buf *out) {
        (void)fs;
        (void)ctx;
        (void)node;
        (void)out;
        return -EINVAL;
}

void fs_statfs(struct fs *fs, struct fs_space *ret) {
        (void)fs;
        /* DynamoDB has no size: a petabyte, always free, so that nothing refuses to copy */
        *ret = (struct fs_space){ .block_size = 4096, .blocks = UINT64_C(1) << 38, .free = UINT64_C(1) << 38,
                                  .files = UINT64_C(1) << 40, .files_free = UINT64_C(1) << 40, .name_max = 255 };
}
