/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open object.  Who reads on from where the last window ends gets a larger one, and the next ones are fetched by
 * threads of their own meanwhile; any other read fetches exactly what it asks for.
 *
 *      window    meaning
 *      EMPTY     may be given a range
 *      WANTED    has one; whoever comes first fetches it
 *      FETCHING  by whoever said so; others wait
 *      READY     has the bytes
 *
 * Windows follow each other from the beginning, and are hashed in that order once they are ready; none is given away
 * before that is over where another would follow, and the last one not before the SHA-256 is right.  When one cannot be
 * had, those behind it are given up, too: who reads on begins there again, so that nothing is left out of the hash.
 * Only who asks for bytes is told of a failure, his own.
 *
 * Memory: WINDOWS of WINDOW_MAX.
 */
#include "large_internal.h"
#include "ddbfs/base/alloc.h"

#define WINDOWS 3
#define AHEAD 2 /* windows, and threads, before who reads on */

/* After these as many as the last: of objects that this program has written, those are its parts. */
static const size_t window_sizes[] = { MIB, 2 * MIB, BLOB_PUT_MAX - 3 * MIB, BLOB_PART_MIN };
#define WINDOW_FIRST MIB
#define WINDOW_MAX BLOB_PART_MIN
_Static_assert(BLOB_PUT_MAX - 3 * MIB <= WINDOW_MAX, "the largest window");

enum window_state { EMPTY, WANTED, FETCHING, READY };

struct window {
        enum window_state state;
        bool given_up;          /* FETCHING: in vain */
        uint64_t offset;
        size_t n, given;        /* bytes; how many of them readers have got */
        struct buf data;
        uint64_t used;
};

struct ahead {
        struct large_reader *r;
        pthread_t thread;
        bool running;
        struct op_ctx *fetching; /* NULL: not now */
};

struct large_reader {
        struct large_store *ls;
        struct arena arena;
        struct blob_name name;
        uint64_t size;
        bool checked;           /* there is a SHA-256 */
        uint8_t sha256[SHA256_LEN];
        char etag[BLOB_ETAG_MAX]; /* of another tool's object: it may be overwritten */
        struct mutex lock;      /* everything below */
        struct cond cond;
        struct window windows[WINDOWS];
        uint64_t next;          /* where the last window ends */
        unsigned n_windows;     /* there have been */
        uint64_t tick;
        struct sha256_stream *digest; /* NULL: nothing to check, or it is done */
        uint64_t hashed;
        const struct window *hashing; /* by a thread, without the lock */
        bool corrupt;           /* its SHA-256 is another one */
        uint64_t changes;       /* of all this */
        struct ahead ahead[AHEAD];
        bool stopping;
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

/* ---- windows; the lock is held ---- */

static void changed(struct large_reader *r) {
        r->changes++;
        cond_broadcast(&r->cond);
}

static struct window *find(struct large_reader *r, uint64_t offset) {
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
                bool may = x->state == EMPTY || (x->state == READY && is_hashed(r, x) && (unread || x->given >= x->n));

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

/* ---- the hash ---- */

static int fail_corrupt(const struct large_reader *r, struct error *e) {
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

        while (r->digest && !r->hashing && (w = find(r, r->hashed)) && w->state == READY) {
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
                changed(r);
        }
}

/* Is the window the last one, and the hash still on its way?  *ret: to what must be there first. */
static bool must_wait(struct large_reader *r, const struct window *w, struct window **ret) {
        *ret = r->digest && w->offset + w->n == r->size ? find(r, r->hashed) : NULL;
        return *ret != NULL;
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

static int fetch_window(struct large_reader *r, struct op_ctx *ctx, struct window *w, struct error *e) REQUIRES(r->lock) {
        int k;

        w->state = FETCHING;
        mutex_unlock(&r->lock);
        buf_reset(&w->data);
        k = fetch(r, ctx, w->offset, w->n, &w->data, e);
        mutex_lock(&r->lock);
        w->state = k || w->given_up ? EMPTY : READY;
        if (k && !w->given_up)
                give_up_from(r, w->offset);
        w->given_up = false;
        changed(r);
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

static unsigned windows_behind(const struct large_reader *r, const struct window *now) {
        unsigned n = 0;

        for (unsigned i = 0; i < WINDOWS; i++)
                n += r->windows[i].state != EMPTY && !r->windows[i].given_up && r->windows[i].offset > now->offset;
        return n;
}

/* Somebody has read from this window, which may be among the last ones.  Many read the beginning only. */
static void read_ahead(struct large_reader *r, const struct window *now) REQUIRES(r->lock) {
        const unsigned reach = now->offset > 0 ? AHEAD : 1;
        bool any = false;

        while (windows_behind(r, now) < reach && want(r, false))
                any = true;
        if (!any)
                return;
        for (unsigned i = 0; i < reach; i++) {
                struct ahead *a = &r->ahead[i];

                a->r = r;
                if (!a->running)
                        a->running = large_thread(&a->thread, ahead_thread, a);
        }
        changed(r);
}

/* ---- reading ---- */

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

        mutex_unlock(&r->lock);
        op_ctx_set_waker(ctx, wake, r);
        mutex_lock(&r->lock);
        while (r->changes == seen && (k = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&r->cond, &r->lock, ctx->deadline_ns);
        mutex_unlock(&r->lock);
        op_ctx_clear_waker(ctx);
        mutex_lock(&r->lock);
        return k;
}

/* What window w has of the range, when it has come; *ret_n 0: look again. */
static int from_window(struct large_reader *r, struct op_ctx *ctx, struct window *w, uint64_t offset, size_t n, char *to,
                       size_t *ret_n, struct error *e) REQUIRES(r->lock) {
        struct window *first = w;

        *ret_n = 0;
        if (w->state == READY && must_wait(r, w, &first) && first->state == READY)
                return wait_change(r, ctx, e); /* it is being hashed */
        if (first && first->state == WANTED)
                return fetch_window(r, ctx, first, e);
        if (first && first->state == FETCHING)
                return wait_change(r, ctx, e);
        if (r->corrupt)
                return fail_corrupt(r, e);
        *ret_n = (size_t)MIN((uint64_t)n, w->offset + w->n - offset);
        memcpy(to, w->data.p + (offset - w->offset), *ret_n);
        w->given += *ret_n;
        w->used = ++r->tick;
        read_ahead(r, w);
        return 0;
}

/* Not by the windows: just that. */
static int read_only(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, char *to, struct error *e) {
        _cleanup_(buf_deinit) struct buf data = BUF_INIT(n);
        int k = fetch(r, ctx, offset, n, &data, e);

        if (k == 0)
                memcpy(to, data.p, n);
        return k;
}

/* Some of the range. */
static int read_some(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, char *to, size_t *ret_n,
                     struct error *e) REQUIRES(r->lock) {
        struct window *w = find(r, offset);
        int k;

        *ret_n = 0;
        if (r->corrupt)
                return fail_corrupt(r, e);
        if (w)
                return from_window(r, ctx, w, offset, n, to, ret_n, e);
        if (reads_on(r, offset)) {
                w = want(r, true) ? NULL : first_wanted(r); /* without threads, others wait for us */
                return w ? fetch_window(r, ctx, w, e) : find(r, offset) ? 0 : wait_change(r, ctx, e);
        }
        mutex_unlock(&r->lock);
        k = read_only(r, ctx, offset, n, to, e);
        mutex_lock(&r->lock);
        *ret_n = n;
        return k;
}

int large_read(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, char *to, size_t *ret_n,
               struct error *e) {
        size_t done = 0, got;
        int k = 0;

        *ret_n = 0;
        if (offset >= r->size)
                return 0;
        n = (size_t)MIN((uint64_t)n, r->size - offset);
        mutex_lock(&r->lock);
        for (; k == 0 && done < n; done += got)
                k = read_some(r, ctx, offset + done, n - done, to + done, &got, e);
        mutex_unlock(&r->lock);
        if (k == 0)
                *ret_n = n;
        return k;
}

void large_close(struct large_reader *r) {
        if (!r)
                return;
        mutex_lock(&r->lock);
        r->stopping = true;
        for (unsigned i = 0; i < AHEAD; i++)
                if (r->ahead[i].fetching)
                        op_ctx_cancel(r->ahead[i].fetching);
        cond_broadcast(&r->cond);
        mutex_unlock(&r->lock);
        for (unsigned i = 0; i < AHEAD; i++)
                if (r->ahead[i].running)
                        (void)pthread_join(r->ahead[i].thread, NULL);
        reader_free(r);
}
