/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An open directory, read from any offset. */
#include "fixture.h"

/* A directory opened by path. */
struct dir {
        struct fx *x;
        uint64_t node;
        struct fs_dir *d;
};

static inline void dir_open(struct fx *x, const char *path, struct dir *ret) {
        struct fs_entry entry;

        ck_assert_ok(fx_lookup(x, path, &entry));
        *ret = (struct dir){ .x = x, .node = entry.node };
        ck_assert_ok(FX_CALL(fs_opendir(x->fs, &ctx, entry.node, &ret->d)));
}

static inline void dir_close(struct dir *d) {
        fs_releasedir(d->x->fs, d->d);
        if (d->node != FS_ROOT)
                fs_forget(d->x->fs, d->node, 1);
}

/* The first entries from an offset: their names joined by ' '. */
struct got {
        unsigned want, n;
        uint64_t next;
        char names[4096];
};

static inline bool take(void *arg, struct str name, const struct fs_entry *entry, uint64_t next) {
        struct got *g = arg;

        (void)entry;
        if (g->n == g->want)
                return false;
        (void)snprintf(g->names + strlen(g->names), sizeof(g->names) - strlen(g->names), "%s%.*s", g->n ? " " : "",
                       (int)name.n, name.p);
        g->n++;
        g->next = next;
        return true;
}

/* `want` entries from offset, over as many calls as that takes. */
static inline int dir_read(struct dir *d, uint64_t offset, unsigned want, struct got *g) {
        unsigned before = 0;
        int r;

        *g = (struct got){ .want = want, .next = offset };
        do {
                before = g->n;
                r = FX_CALL(fs_readdir(d->x->fs, &ctx, d->d, g->next, false, take, g));
        } while (r == 0 && g->n > before && g->n < want);
        return r;
}

static inline void fill_partition(struct fx *x, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                mem_putf(x->m, "Music", "{\"Artist\":\"a\",\"Song\":\"%04u\",\"v\":%u}", i, i);
}
