/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open object.  Who reads on from where the last window ends gets a larger one, and the next is fetched by a thread
 * of its own meanwhile; any other read fetches exactly what it asks for.
 *
 *      window    meaning
 *      EMPTY     may be given a range
 *      FETCHING  by whoever said so; others wait
 *      READY     has the bytes
 *      FAILED    has the error, for whoever needs that range; a retry is a new fetch
 *
 * Windows follow each other from the beginning, so they are hashed as they come; the last one is not given away before
 * the SHA-256 is right.
 */
#include "large_internal.h"
#include "ddbfs/base/alloc.h"

#define WINDOW_FIRST MIB
#define WINDOW_MAX (4 * MIB)
#define WINDOWS 2

enum window_state { EMPTY, FETCHING, READY, FAILED };

struct window {
        enum window_state state;
        uint64_t offset;
        size_t n; /* asked for; then what came */
        struct buf data;
        int r;
        struct error error;
        uint64_t used;
};

struct large_reader {
        struct large_store *ls;
        struct arena arena;
        struct blob_name name;
        uint64_t size;
        bool checked;           /* there is a SHA-256 */
        bool corrupt;           /* lock; and it is another one */
        uint8_t sha256[SHA256_LEN];
        char etag[BLOB_ETAG_MAX]; /* of another tool's object: it may be overwritten */
        struct mutex lock;      /* everything below */
        struct cond cond;
        struct window windows[WINDOWS];
        uint64_t ahead;         /* where the last window ends */
        uint64_t tick;
        size_t window;
        struct sha256_stream *digest;
        uint64_t hashed;
        struct window *job;     /* for the thread */
        bool running, stopping;
        struct op_ctx *fetching; /* the thread's */
        pthread_t thread;
};

static void reader_free(struct large_reader *r) {
        (void)sha256_end(r->digest, NULL);
        for (unsigned i = 0; i < WINDOWS; i++)
                buf_deinit(&r->windows[i].data);
        cond_deinit(&r->cond);
        mutex_deinit(&r->lock);
        arena_deinit(&r->arena);
        mem_free(r);
}

static int open_reference(struct large_reader *r, const struct large_ref *l, struct error *e) {
        int k = large_check_named(r->ls, l->bucket, e);

        if (k)
                return k;
        r->size = l->size;
        r->checked = true;
        memcpy(r->sha256, l->sha256, SHA256_LEN);
        k = arena_dup(&r->arena, l->bucket, &r->name.bucket);
        if (k == 0)
                k = arena_dup(&r->arena, l->key, &r->name.key);
        return k ? error_set_errno(e, k, "reading from S3") : 0;
}

static int open_link(struct large_reader *r, struct op_ctx *ctx, const struct value *v, struct error *e) {
        struct blob_info info;
        bool is_link = false;
        int k = large_link(r->ls, v, &r->arena, &is_link, &r->name);

        if (k)
                return error_set_errno(e, k, "reading from S3");
        if (!is_link)
                return error_set(e, ERR_INPUT, "the attribute is not kept in S3");
        k = r->ls->blobs->ops->head(r->ls->blobs, ctx, r->name, &info, e);
        if (k)
                return k;
        r->size = info.size;
        memcpy(r->etag, info.etag, sizeof(r->etag));
        return 0;
}

int large_open(struct store *s, struct op_ctx *ctx, const struct value *v, struct large_reader **ret, struct error *e) {
        struct large_reader *r = mem_zalloc(sizeof(*r));
        int k;

        if (!r)
                return error_set(e, ERR_MEMORY, "out of memory");
        r->ls = large_of(s);
        r->arena = ARENA_INIT(64 * KIB);
        r->window = WINDOW_FIRST;
        for (unsigned i = 0; i < WINDOWS; i++)
                buf_init(&r->windows[i].data, WINDOW_MAX);
        mutex_init(&r->lock);
        cond_init(&r->cond);
        if (v->type == VALUE_LARGE)
                k = large_ref_is_claim(v->large) ? error_set(e, ERR_INTERNAL, "no reference") : open_reference(r, v->large, e);
        else
                k = open_link(r, ctx, v, e);
        if (k == 0 && r->checked && !(r->digest = sha256_begin()))
                k = error_set(e, ERR_MEMORY, "out of memory");
        if (k)
                reader_free(r);
        else
                *ret = r;
        return k;
}

/* ---- fetching ---- */

static int fetch(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct buf *ret, struct error *e) {
        size_t before = ret->n;
        int k = r->ls->blobs->ops->read(r->ls->blobs, ctx, r->name, offset, n, r->etag[0] ? r->etag : NULL, ret, e);

        if (k == 0 && ret->n - before != n)
                k = error_set(e, ERR_PROTOCOL, "an object in S3 is shorter than its reference says: %.*s",
                              (int)r->name.key.n, r->name.key.p);
        return k;
}

/* Lock held.  The window's bytes are in. */
static void hash_window(struct large_reader *r, struct window *w) {
        uint8_t digest[SHA256_LEN];

        if (!r->checked || !r->digest || w->offset != r->hashed)
                return;
        r->hashed += w->data.n;
        if (sha256_add(r->digest, buf_view(&w->data)) || r->hashed < r->size)
                return;
        if (sha256_end(TAKE(r->digest), digest) == 0 && memcmp(digest, r->sha256, SHA256_LEN) == 0)
                return;
        r->corrupt = true;
}

static int fail_corrupt(const struct large_reader *r, struct error *e) {
        return error_set(e, ERR_PROTOCOL, "an object in S3 is not what its SHA-256 says: %.*s", (int)r->name.key.n,
                         r->name.key.p);
}

static void fetch_window(struct large_reader *r, struct op_ctx *ctx, struct window *w) {
        buf_reset(&w->data);
        w->error = (struct error){ 0 };
        w->r = fetch(r, ctx, w->offset, w->n, &w->data, &w->error);
        mutex_lock(&r->lock);
        if (w->r == 0)
                hash_window(r, w);
        w->state = w->r ? FAILED : READY;
        cond_broadcast(&r->cond);
        mutex_unlock(&r->lock);
}

static void *ahead_thread(void *arg) {
        struct large_reader *r = arg;

        mutex_lock(&r->lock);
        while (!r->stopping) {
                struct window *w = r->job;
                struct op_ctx ctx;

                if (!w) {
                        cond_wait(&r->cond, &r->lock);
                        continue;
                }
                r->job = NULL;
                op_ctx_init(&ctx, "read ahead", r->ls->timeout_ns);
                r->fetching = &ctx;
                mutex_unlock(&r->lock);
                fetch_window(r, &ctx, w);
                mutex_lock(&r->lock);
                r->fetching = NULL;
                mutex_unlock(&r->lock);
                op_ctx_deinit(&ctx);
                mutex_lock(&r->lock);
        }
        mutex_unlock(&r->lock);
        return NULL;
}

/* Lock held.  The next window, in the place of the one used longest ago; NULL: none is free, or it is the end. */
static struct window *next_window(struct large_reader *r, const struct window *keep) {
        struct window *w = NULL;

        for (unsigned i = 0; i < WINDOWS; i++) {
                struct window *x = &r->windows[i];

                if (x != keep && x->state != FETCHING && (!w || x->used < w->used))
                        w = x;
        }
        if (!w || r->ahead >= r->size)
                return NULL;
        w->state = FETCHING;
        w->offset = r->ahead;
        w->n = (size_t)MIN((uint64_t)r->window, r->size - r->ahead);
        w->used = ++r->tick;
        r->ahead += w->n;
        r->window = MIN(r->window * 2, WINDOW_MAX);
        return w;
}

/* Lock held.  One after the other, or the second may come first and not be hashed. */
static struct window *being_fetched(struct large_reader *r) {
        for (unsigned i = 0; i < WINDOWS; i++)
                if (r->windows[i].state == FETCHING)
                        return &r->windows[i];
        return NULL;
}

/* Lock held. */
static void read_ahead(struct large_reader *r, const struct window *now) {
        struct window *w;

        if (r->job || r->fetching || now->offset + now->n != r->ahead)
                return;
        if (!r->running)
                r->running = large_thread(&r->thread, ahead_thread, r);
        w = r->running ? next_window(r, now) : NULL;
        if (!w)
                return;
        r->job = w;
        cond_broadcast(&r->cond);
}

static struct window *find(struct large_reader *r, uint64_t offset) {
        for (unsigned i = 0; i < WINDOWS; i++) {
                struct window *w = &r->windows[i];

                if (w->state != EMPTY && offset >= w->offset && offset - w->offset < w->n)
                        return w;
        }
        return NULL;
}

/* Who reads on: from the beginning, or from where the last window ends (the kernel's requests come in any order). */
static bool reads_on(const struct large_reader *r, uint64_t offset) {
        return offset >= r->ahead && offset - r->ahead < WINDOW_FIRST && (r->ahead > 0 || offset == 0);
}

static void wake(void *arg) {
        struct large_reader *r = arg;

        mutex_lock(&r->lock);
        cond_broadcast(&r->cond);
        mutex_unlock(&r->lock);
}

/* Wait for a window being fetched.  0: look again. */
static int wait_window(struct large_reader *r, struct op_ctx *ctx, const struct window *w, struct error *e)
        REQUIRES(r->lock) {
        int k = 0;

        mutex_unlock(&r->lock);
        op_ctx_set_waker(ctx, wake, r);
        mutex_lock(&r->lock);
        while (w->state == FETCHING && (k = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&r->cond, &r->lock, ctx->deadline_ns);
        mutex_unlock(&r->lock);
        op_ctx_clear_waker(ctx);
        mutex_lock(&r->lock);
        return k;
}

/* What a window has of the range; *ret_n 0: none has any. */
static int from_window(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct buf *ret,
                       size_t *ret_n, struct error *e) REQUIRES(r->lock) {
        struct window *w;
        int k = 0;

        *ret_n = 0;
        while ((w = find(r, offset)) && w->state == FETCHING && k == 0)
                k = wait_window(r, ctx, w, e);
        if (k || !w)
                return k;
        w->used = ++r->tick;
        if (w->state == FAILED) {
                if (e)
                        *e = w->error;
                k = w->r;
                w->state = EMPTY;
                if (w->offset + w->n == r->ahead && !(r->hashed > w->offset)) /* it may be asked for again */
                        r->ahead = w->offset;
                return k;
        }
        *ret_n = (size_t)MIN((uint64_t)n, w->offset + w->n - offset);
        buf_append(ret, w->data.p + (offset - w->offset), *ret_n);
        read_ahead(r, w);
        return 0;
}

int large_read(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct buf *ret, struct error *e) {
        size_t before = ret->n;
        int k = 0;

        if (offset >= r->size)
                return 0;
        n = (size_t)MIN((uint64_t)n, r->size - offset);
        mutex_lock(&r->lock);
        while (k == 0 && n > 0) {
                struct window *w = NULL;
                size_t got;

                k = from_window(r, ctx, offset, n, ret, &got, e);
                if (k == 0 && r->corrupt)
                        k = fail_corrupt(r, e);
                if (k || got > 0) {
                        offset += got;
                        n -= got;
                        continue;
                }
                if (reads_on(r, offset)) {
                        w = being_fetched(r);
                        if (w) {
                                k = wait_window(r, ctx, w, e);
                                continue;
                        }
                        w = next_window(r, NULL);
                }
                mutex_unlock(&r->lock);
                if (w) {
                        fetch_window(r, ctx, w);
                } else {
                        k = fetch(r, ctx, offset, n, ret, e);
                        n = 0;
                }
                mutex_lock(&r->lock);
        }
        mutex_unlock(&r->lock);
        if (k)
                buf_truncate(ret, before);
        return k ? k : buf_status(ret) ? error_set_errno(e, buf_status(ret), "reading from S3") : 0;
}

void large_close(struct large_reader *r) {
        if (!r)
                return;
        mutex_lock(&r->lock);
        r->stopping = true;
        if (r->fetching)
                op_ctx_cancel(r->fetching);
        cond_broadcast(&r->cond);
        mutex_unlock(&r->lock);
        if (r->running)
                (void)pthread_join(r->thread, NULL);
        reader_free(r);
}
