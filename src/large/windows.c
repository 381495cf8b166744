/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of one open object.  Who reads on from where the last window ends gets a larger one, and the next ones are
 * fetched by threads of their own meanwhile; any other read fetches exactly what it asks for (reader.c).
 *
 *      window    meaning
 *      EMPTY     may be given a range
 *      WANTED    has one; whoever comes first fetches it
 *      FETCHING  by whoever said so; others wait
 *      READY     has the bytes
 *
 * Windows follow each other from the beginning, and are hashed in that order once they are ready; none is given another
 * range before that is over and while bytes of it are lent, and the last one is not given away before the SHA-256 is
 * right.  When one cannot be had, those behind it are given up, too: who reads on begins there again, so that nothing is
 * left out of the hash.  Only who asks for bytes is told of a failure, his own.
 *
 * At first windows are small, so that there is something to hash and to give away soon.  Those ahead are fetched as soon
 * as there is a window for them, whether a reader, the hash or the kernel was the last to need it.
 *
 * Memory: WINDOWS of WINDOW_MAX.
 */
#include "reader_internal.h"

/* After these as many as the last. */
static const size_t window_sizes[] = { MIB, MIB, MIB, 2 * MIB, 2 * MIB, WINDOW_MAX };
#define WINDOW_FIRST MIB

/* ---- windows; the lock is held ---- */

void windows_changed(struct large_reader *r) {
        r->changes++;
        cond_broadcast(&r->cond);
}

struct window *window_find(struct large_reader *r, uint64_t offset) {
        for (unsigned i = 0; i < WINDOWS; i++) {
                struct window *w = &r->windows[i];

                if (w->state != EMPTY && !w->given_up && offset >= w->offset && offset - w->offset < w->n)
                        return w;
        }
        return NULL;
}

static bool is_hashed(const struct large_reader *r, const struct window *w) {
        return !r->digest || w->offset + w->n <= r->hashed;
}

/* The one used longest ago; unread: also one that not all has been read of.  What is not hashed stays. */
static struct window *free_window(struct large_reader *r, bool unread) {
        struct window *w = NULL;

        for (unsigned i = 0; i < WINDOWS; i++) {
                struct window *x = &r->windows[i];
                bool done = x->state == READY && is_hashed(r, x) && (unread || x->given >= x->n);
                bool may = x->held == 0 && (x->state == EMPTY || done);

                if (may && (!w || (x->state == EMPTY) > (w->state == EMPTY) ||
                            ((x->state == EMPTY) == (w->state == EMPTY) && x->used < w->used)))
                        w = x;
        }
        return w;
}

/* The next range of the object is to be fetched.  NULL: no window is free, or it is the end. */
static struct window *want(struct large_reader *r, bool unread) {
        struct window *w = r->next < r->size ? free_window(r, unread) : NULL;

        if (!w)
                return NULL;
        w->state = WANTED;
        w->offset = r->next;
        w->n = (size_t)MIN((uint64_t)window_sizes[MIN(r->n_windows, ARRAY_LEN(window_sizes) - 1)], r->size - r->next);
        w->given = 0;
        w->used = ++r->tick;
        r->next += w->n;
        r->n_windows++;
        return w;
}

/* From that window on, which is EMPTY by now, all is to be fetched again. */
static void give_up_from(struct large_reader *r, uint64_t offset) {
        for (unsigned i = 0; i < WINDOWS; i++) {
                struct window *x = &r->windows[i];

                if (x->state == EMPTY || x->given_up || x->offset < offset)
                        continue;
                r->n_windows--;
                x->given_up = x->state == FETCHING;
                if (x->state != FETCHING)
                        x->state = EMPTY;
        }
        r->n_windows--;
        r->next = offset;
}

/* Who reads on: from the beginning, or from where the last window ends (the kernel's requests come in any order). */
static bool reads_on(const struct large_reader *r, uint64_t offset) {
        return offset >= r->next && offset - r->next < WINDOW_FIRST && (r->next > 0 || offset == 0);
}

/* ---- ahead ---- */

static void *ahead_thread(void *arg);

static unsigned windows_behind(const struct large_reader *r, uint64_t offset) {
        unsigned n = 0;

        for (unsigned i = 0; i < WINDOWS; i++)
                n += r->windows[i].state != EMPTY && !r->windows[i].given_up && r->windows[i].offset > offset;
        return n;
}

/* As far as there are free windows.  Many read the beginning only. */
void windows_ahead(struct large_reader *r) REQUIRES(r->lock) {
        const unsigned reach = r->at > 0 ? AHEAD : 2;
        bool any = false;

        while (!r->stopping && windows_behind(r, r->at) < reach && want(r, false))
                any = true;
        if (!any)
                return;
        for (unsigned i = 0; i < (r->at > 0 ? THREADS : 2); i++) {
                struct ahead *a = &r->ahead[i];

                if (a->running)
                        continue;
                a->r = r;
                a->running = large_thread(&a->thread, ahead_thread, a);
        }
        windows_changed(r);
}

/* ---- the hash ---- */

int object_corrupt(const struct large_reader *r, struct error *e) {
        return error_set(e, ERR_PROTOCOL, "an object in S3 is not what its SHA-256 says: %.*s", (int)r->name.key.n,
                         r->name.key.p);
}

static void compare(struct large_reader *r) {
        uint8_t digest[SHA256_LEN];

        r->corrupt = sha256_end(TAKE(r->digest), digest) || memcmp(digest, r->sha256, SHA256_LEN) != 0;
}

/* All that is ready and next, by one thread at a time; the lock is not held over it. */
static void hash_on(struct large_reader *r) REQUIRES(r->lock) {
        struct window *w;

        while (r->digest && !r->hashing && (w = window_find(r, r->hashed)) && w->state == READY) {
                int k;

                r->hashing = w;
                mutex_unlock(&r->lock);
                k = sha256_add(r->digest, buf_view(&w->data));
                mutex_lock(&r->lock);
                r->hashing = NULL;
                r->hashed += w->data.n;
                r->corrupt = r->corrupt || k;
                if (r->hashed >= r->size)
                        compare(r);
                windows_changed(r);
                windows_ahead(r); /* that window may be free now */
        }
}

/* Is the window the last one, and the hash still on its way?  *ret: to what must be there first. */
static bool must_wait(struct large_reader *r, const struct window *w, struct window **ret) {
        *ret = r->digest && w->offset + w->n == r->size ? window_find(r, r->hashed) : NULL;
        return *ret != NULL;
}

/* ---- fetching ---- */

int object_fetch(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct buf *ret, struct error *e) {
        size_t before = ret->n;
        int k = r->ls->blobs->ops->read(r->ls->blobs, ctx, r->name, offset, n, r->etag[0] ? r->etag : NULL, ret, e);

        if (k == 0 && ret->n - before != n)
                k = error_set(e, ERR_PROTOCOL, "an object in S3 is shorter than its reference says: %.*s",
                              (int)r->name.key.n, r->name.key.p);
        return k;
}

static int fetch_window(struct large_reader *r, struct op_ctx *ctx, struct window *w, struct error *e) REQUIRES(r->lock) {
        int k;

        w->state = FETCHING;
        mutex_unlock(&r->lock);
        buf_reset(&w->data);
        if (buf_reserve(&w->data, (size_t)MIN(r->size, (uint64_t)WINDOW_MAX))) /* at once: growing copies */
                k = object_fetch(r, ctx, w->offset, w->n, &w->data, e);
        else
                k = error_set_errno(e, buf_status(&w->data), "reading from S3");
        mutex_lock(&r->lock);
        w->state = k || w->given_up ? EMPTY : READY;
        if (k && !w->given_up)
                give_up_from(r, w->offset);
        w->given_up = false;
        windows_changed(r);
        hash_on(r);
        return k;
}

/* The first that nobody fetches yet. */
static struct window *first_wanted(struct large_reader *r) {
        struct window *first = NULL;

        for (unsigned i = 0; i < WINDOWS; i++) {
                struct window *w = &r->windows[i];

                if (w->state == WANTED && (!first || w->offset < first->offset))
                        first = w;
        }
        return first;
}

static void *ahead_thread(void *arg) {
        struct ahead *a = arg;
        struct large_reader *r = a->r;
        struct error ignored = { 0 };

        mutex_lock(&r->lock);
        while (!r->stopping) {
                struct window *w = first_wanted(r);
                struct op_ctx ctx;

                if (!w) {
                        cond_wait(&r->cond, &r->lock);
                        continue;
                }
                op_ctx_init(&ctx, "read ahead", r->ls->timeout_ns);
                a->fetching = &ctx;
                (void)fetch_window(r, &ctx, w, &ignored);
                a->fetching = NULL;
                mutex_unlock(&r->lock);
                op_ctx_deinit(&ctx);
                mutex_lock(&r->lock);
        }
        mutex_unlock(&r->lock);
        return NULL;
}

static void wake(void *arg) {
        struct large_reader *r = arg;

        mutex_lock(&r->lock);
        cond_broadcast(&r->cond);
        mutex_unlock(&r->lock);
}

/* Until something has changed. */
static int wait_change(struct large_reader *r, struct op_ctx *ctx, struct error *e) REQUIRES(r->lock) {
        const uint64_t seen = r->changes;
        int k = 0;

        r->waiting++; /* since it has looked: what is given back from now on is told */
        mutex_unlock(&r->lock);
        op_ctx_set_waker(ctx, wake, r);
        mutex_lock(&r->lock);
        while (r->changes == seen && (k = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&r->cond, &r->lock, ctx->deadline_ns);
        r->waiting--;
        mutex_unlock(&r->lock);
        op_ctx_clear_waker(ctx);
        mutex_lock(&r->lock);
        return k;
}

/* Until window w has come and may be given away: *ret.  Else look again. */
int window_wait(struct large_reader *r, struct op_ctx *ctx, struct window *w, bool *ret, struct error *e)
        REQUIRES(r->lock) {
        struct window *first = w;

        *ret = false;
        if (w->state == READY && must_wait(r, w, &first) && first->state == READY)
                return wait_change(r, ctx, e); /* it is being hashed */
        if (first && first->state == WANTED)
                return fetch_window(r, ctx, first, e);
        if (first && first->state == FETCHING)
                return wait_change(r, ctx, e);
        *ret = true;
        return r->corrupt ? object_corrupt(r, e) : 0;
}

/* There is no window for offset: one is to be had by who reads on (*ret).  Then look again. */
int window_next(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, bool *ret, struct error *e)
        REQUIRES(r->lock) {
        struct window *w;

        *ret = reads_on(r, offset);
        if (!*ret)
                return 0;
        w = want(r, true);
        if (w) {
                r->at = w->offset;
                windows_ahead(r);
                return 0;
        }
        w = first_wanted(r); /* without threads, others wait for us */
        return w ? fetch_window(r, ctx, w, e) : window_find(r, offset) ? 0 : wait_change(r, ctx, e);
}

void window_gave(struct large_reader *r, struct window *w, size_t n) REQUIRES(r->lock) {
        w->given += n;
        w->used = ++r->tick;
        r->at = w->offset;
        windows_ahead(r);
}

