/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of one multipart upload, and who works on them: each slot's thread sends its part, and one more, the hasher,
 * adds what has grown to the part's own hash, which must be known before it can be sent, and when nothing has, to the
 * hash of the whole, in short pieces.
 *
 *      slot     by          meaning
 *      FREE     caller      may be given a part
 *      FILLING  caller      the part that grows (writer.filling)
 *      HELD     caller      full, while there may be no more than FIRST bytes
 *      READY    its thread  to be sent when its hash is known; FREE again when it is sent and the whole's hash has it
 *
 * The thread of the first part begins the upload; the caller fills the next part meanwhile, and other threads wait.
 */
#include "writer_internal.h"
#include "ddbfs/base/alloc.h"

#define GROWTH (1024 * KIB) /* is worth waking the hasher for */
#define PIECE (64 * KIB)    /* of the whole's hash: a part's waits no longer than that takes */

void parts_init(struct large_writer *w) {
        for (unsigned i = 0; i < SLOTS; i++) {
                w->slots[i].w = w;
                buf_init(&w->slots[i].part, i == 0 ? FIRST : PART);
        }
        w->slots[0].number = 1;
        w->filling = &w->slots[0];
        mutex_init(&w->lock);
        cond_init(&w->cond);
        cond_init(&w->growth);
}

void parts_deinit(struct large_writer *w) {
        (void)sha256_end(w->part_digest, NULL);
        cond_deinit(&w->growth);
        cond_deinit(&w->cond);
        mutex_deinit(&w->lock);
}

/* ---- failures ---- */

/* Lock held. */
static void fail(struct large_writer *w, int r, const struct error *e) {
        if (w->r == 0) {
                w->r = r;
                w->error = *e;
        }
        cond_broadcast(&w->cond);
}

int parts_fail(struct large_writer *w, int r, const struct error *e) {
        static const struct error nothing;

        mutex_lock(&w->lock);
        fail(w, r, e ? e : &nothing);
        mutex_unlock(&w->lock);
        return r;
}

/* Lock held. */
static int failed(const struct large_writer *w, struct error *e) {
        if (w->r && e)
                *e = w->error;
        return w->r;
}

int parts_failed(struct large_writer *w, struct error *e) {
        int r;

        mutex_lock(&w->lock);
        r = failed(w, e);
        mutex_unlock(&w->lock);
        return r;
}

/* ---- sending: a slot's thread ---- */

/* What a slot's thread asks S3 for, unless that is in vain; a failure is the writer's. */
static void ask(struct slot *s, int (*request)(struct slot *, struct op_ctx *, struct error *)) {
        struct large_writer *w = s->w;
        struct error e = { 0 };
        struct op_ctx ctx;
        bool skip;
        int r = 0;

        op_ctx_init(&ctx, "upload", w->ls->timeout_ns);
        mutex_lock(&w->lock);
        skip = w->stopping || w->r;
        s->asking = &ctx;
        mutex_unlock(&w->lock);
        if (!skip)
                r = request(s, &ctx, &e);
        mutex_lock(&w->lock);
        s->asking = NULL;
        if (r)
                fail(w, r, &e);
        mutex_unlock(&w->lock);
        op_ctx_deinit(&ctx);
}

static int begin_upload(struct slot *s, struct op_ctx *ctx, struct error *e) {
        struct large_writer *w = s->w;
        struct blob_upload *upload = NULL;
        int r = w->ls->blobs->ops->upload_begin(w->ls->blobs, ctx, w->name, w->metas, w->n_metas, &upload, e);

        mutex_lock(&w->lock);
        w->upload = upload;
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
        return r;
}

static int send_part(struct slot *s, struct op_ctx *ctx, struct error *e) {
        struct blobs *blobs = s->w->ls->blobs;

        return blobs->ops->upload_part(blobs, ctx, s->w->upload, s->number, buf_view(&s->part), s->digest, e);
}

/* Lock held.  Is it?  Then others may be waiting for it. */
static void is_done(struct slot *s) {
        if (!s->sent || !s->counted)
                return;
        s->ready = false;
        s->number = 0;
        cond_broadcast(&s->w->cond);
}

static void await_upload_and_hash(struct large_writer *w, const struct slot *s) REQUIRES(w->lock);
static void await_upload_and_hash(struct large_writer *w, const struct slot *s) {
        while (!(w->upload && s->known) && w->r == 0 && !w->stopping)
                cond_wait(&w->cond, &w->lock);
}

static void *slot_thread(void *arg) {
        struct slot *s = arg;
        struct large_writer *w = s->w;

        mutex_lock(&w->lock);
        for (;;) {
                while ((!s->ready || s->sent) && !w->stopping)
                        cond_wait(&w->cond, &w->lock);
                if (!s->ready || s->sent)
                        break;
                if (s->number == 1) {
                        mutex_unlock(&w->lock);
                        ask(s, begin_upload);
                        mutex_lock(&w->lock);
                }
                await_upload_and_hash(w, s);
                mutex_unlock(&w->lock);
                ask(s, send_part);
                mutex_lock(&w->lock);
                s->sent = true;
                is_done(s);
        }
        mutex_unlock(&w->lock);
        return NULL;
}

/* ---- hashing: one thread ---- */

struct piece {
        struct slot *s; /* NULL: nothing has grown */
        bool whole;     /* for the hash of the whole */
        bool last;      /* of the part */
        size_t from, to;
};

/* Lock held. */
static struct slot *slot_of(struct large_writer *w, uint32_t number) {
        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].number == number)
                        return &w->slots[i];
        return NULL;
}

/* Lock held. */
static struct piece next_piece(struct large_writer *w) {
        struct slot *s = slot_of(w, w->n_known + 1);

        if (s && (s->ready || s->digested < s->grown))
                return (struct piece){ .s = s, .last = s->ready, .from = s->digested, .to = s->grown };
        s = slot_of(w, w->n_counted + 1);
        if (s && (s->ready || s->hashed < s->grown)) {
                size_t to = MIN(s->grown, s->hashed + PIECE);

                return (struct piece){ .s = s, .whole = true, .last = s->ready && to == s->grown, .from = s->hashed, .to = to };
        }
        return (struct piece){ .s = NULL };
}

static int hash_piece(struct large_writer *w, const struct piece *p) {
        struct str data = str_make(p->s->part.p + p->from, p->to - p->from);
        int r;

        if (p->whole)
                return sha256_add(w->digest, data);
        if (!w->part_digest)
                w->part_digest = sha256_begin();
        r = w->part_digest ? sha256_add(w->part_digest, data) : -ENOMEM;
        return r == 0 && p->last ? sha256_end(TAKE(w->part_digest), p->s->digest) : r;
}

/* Lock held. */
static void count_piece(struct large_writer *w, const struct piece *p) {
        struct slot *s = p->s;

        if (p->whole) {
                s->hashed = p->to;
                s->counted = p->last;
                w->n_counted += p->last;
                is_done(s);
                return;
        }
        s->digested = p->to;
        s->known = p->last;
        w->n_known += p->last;
        if (s->known)
                cond_broadcast(&w->cond);
}

static void *hasher_thread(void *arg) {
        struct large_writer *w = arg;

        mutex_lock(&w->lock);
        while (!w->stopping && w->r == 0) {
                struct piece p = next_piece(w);
                struct error e = { 0 };
                int r;

                if (!p.s) {
                        cond_wait(&w->growth, &w->lock);
                        continue;
                }
                mutex_unlock(&w->lock);
                r = hash_piece(w, &p);
                mutex_lock(&w->lock);
                if (r)
                        fail(w, error_set_errno(&e, r, "saving to S3"), &e);
                else
                        count_piece(w, &p);
        }
        mutex_unlock(&w->lock);
        return NULL;
}

/* ---- the caller ---- */

int parts_begin(struct large_writer *w, struct error *e) {
        w->hashing = large_thread(&w->hasher, hasher_thread, w);
        return w->hashing ? 0 : error_set(e, ERR_MEMORY, "no thread for an upload");
}

static void wake(void *arg) {
        struct large_writer *w = arg;

        mutex_lock(&w->lock);
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
}

static bool all_sent(struct large_writer *w) {
        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].ready)
                        return false;
        return true;
}

static bool one_is_free(struct large_writer *w) {
        return slot_of(w, 0) != NULL;
}

/* Until that is so, or something has failed. */
static int await(struct large_writer *w, struct op_ctx *ctx, bool (*so)(struct large_writer *), struct error *e)
        REQUIRES(w->lock);
static int await(struct large_writer *w, struct op_ctx *ctx, bool (*so)(struct large_writer *), struct error *e) {
        int r = 0;

        while (w->r == 0 && !so(w) && (r = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&w->cond, &w->lock, ctx->deadline_ns);
        return r ? r : failed(w, e);
}

int parts_take(struct large_writer *w, struct op_ctx *ctx, struct slot **ret, struct error *e) {
        int r;

        op_ctx_set_waker(ctx, wake, w);
        mutex_lock(&w->lock);
        r = await(w, ctx, one_is_free, e);
        if (r == 0) {
                struct slot *s = slot_of(w, 0);

                buf_reset(&s->part); /* the memory is for the next part */
                s->grown = s->digested = s->hashed = 0;
                s->known = s->counted = s->sent = false;
                s->number = w->n_parts + 1;
                *ret = s;
        }
        mutex_unlock(&w->lock);
        op_ctx_clear_waker(ctx);
        return r;
}

int parts_wait(struct large_writer *w, struct op_ctx *ctx, struct error *e) {
        int r;

        op_ctx_set_waker(ctx, wake, w);
        mutex_lock(&w->lock);
        r = await(w, ctx, all_sent, e);
        mutex_unlock(&w->lock);
        op_ctx_clear_waker(ctx);
        return r;
}

void parts_grown(struct slot *s) {
        struct large_writer *w = s->w;

        mutex_lock(&w->lock);
        s->grown = s->part.n;
        if (s->grown - s->digested >= GROWTH)
                cond_broadcast(&w->growth);
        mutex_unlock(&w->lock);
}

int parts_give(struct slot *s, struct error *e) {
        struct large_writer *w = s->w;

        if (!s->running && !(s->running = large_thread(&s->thread, slot_thread, s)))
                return error_set(e, ERR_MEMORY, "no thread for an upload");
        mutex_lock(&w->lock);
        s->held = false;
        s->ready = true;
        cond_broadcast(&w->growth);
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
        return 0;
}

void parts_stop(struct large_writer *w) {
        mutex_lock(&w->lock);
        w->stopping = true;
        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].asking)
                        op_ctx_cancel(w->slots[i].asking);
        cond_broadcast(&w->growth);
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
        if (w->hashing)
                (void)pthread_join(w->hasher, NULL);
        w->hashing = false;
        for (unsigned i = 0; i < SLOTS; i++) {
                if (w->slots[i].running)
                        (void)pthread_join(w->slots[i].thread, NULL);
                w->slots[i].running = false;
                buf_deinit(&w->slots[i].part);
        }
        w->filling = NULL;
}
