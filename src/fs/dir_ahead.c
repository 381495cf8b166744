/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next page of a listing is fetched while the kernel consumes this one: one page ahead, and none before the reader
 * has come a second time, so that who looks at the first names only pays for no more.
 *
 * While the job runs, what a load touches (arena, seen, pace) is its own; the reader keeps to the page it has, and
 * waits for the job, or stops it, before it loads anything.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define READS_MIN 2

static void fetch(struct fs *fs, struct ahead *a) {
        struct dir_ahead *x = CONTAINER_OF(a, struct dir_ahead, job);
        struct fs_dir *d = CONTAINER_OF(x, struct fs_dir, ahead);
        struct item *next = NULL;
        struct error e = { 0 };

        x->page.fetched_ns = clock_now_ns();
        x->r = d->load(fs, &a->ctx, d, x->start, &x->page, &next, &e);
        x->page.next = next;
        x->page.last = !next;
        x->page.loaded = x->r == 0;
}

void dir_ahead_begin(struct fs *fs, struct fs_dir *d) {
        struct dir_ahead *x = &d->ahead;

        if (fs->o.no_readahead || x->fetching || d->reads < READS_MIN || !d->page.loaded || d->page.last)
                return;
        x->page.n = 0;
        buf_reset(&x->page.names);
        x->page.first = d->page.first + d->page.n;
        x->page.loaded = x->page.last = false;
        x->start = d->page.next;
        x->fetching = ahead_start(fs, &x->job, "readdir", fetch);
}

int dir_ahead_take(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, uint64_t first, bool *ret_taken, struct error *e) {
        struct dir_ahead *x = &d->ahead;
        struct dir_page page;
        int r;

        *ret_taken = false;
        if (!x->fetching)
                return 0;
        if (x->page.first != first) {
                dir_ahead_drop(fs, d);
                return 0;
        }
        r = fs_wait_for(fs, ctx, &x->job.done, e);
        if (r)
                return r;
        x->fetching = false;
        ahead_join(&x->job);
        ctx->requests += x->job.ctx.requests;
        ctx->rcu += x->job.ctx.rcu;
        if (x->r) /* asked again, and told then */
                return 0;
        page = d->page;
        d->page = x->page;
        x->page = page;
        *ret_taken = true;
        return 0;
}

void dir_ahead_drop(struct fs *fs, struct fs_dir *d) {
        struct dir_ahead *x = &d->ahead;

        if (!x->fetching)
                return;
        ahead_stop(&x->job);
        x->fetching = false;
        (void)fs_done(fs, &x->job.ctx, d->node, STR_NULL, 0, NULL); /* what it has cost */
}
