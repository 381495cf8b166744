/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attribute on its way up.  Up to FIRST bytes are kept and go up by one put; what is longer becomes a multipart
 * upload whose parts are sent by threads of their own, each of which hashes its part, while the caller fills the next and
 * the hasher, one more thread, adds the parts to the hash of the whole, in their order.
 *
 *      slot     by          meaning
 *      FREE     caller      may be given a part
 *      FILLING  caller      the part that grows (writer.filling)
 *      HELD     caller      full, while there may be no more than FIRST bytes
 *      READY    its thread  to be sent, and by the hasher to be hashed; FREE again when it is both
 *
 * The thread of the first part begins the upload; the caller fills the next part meanwhile, and other threads wait.
 *
 * A part that is full may be on its way before there is a slot for the rest of the same piece of data: that is left over,
 * and goes first when the caller comes again.  So a call, of at most PART bytes, has taken all of its data or,
 * interrupted, nothing.
 *
 * Memory: one part in each slot, and what is left over; or what one put has, twice while it is put together.  The first error stays, and every later call returns it.
 */
#include "large_internal.h"
#include "ddbfs/base/alloc.h"

#define FIRST BLOB_PUT_MAX
#define PART BLOB_PART_MIN
#define SLOTS 3

struct slot {
        struct large_writer *w;
        struct buf part;
        uint32_t number;        /* from 1 */
        bool held, ready, running;
        bool sent, hashed;      /* READY, and that is done */
        struct op_ctx *asking;  /* its thread S3; NULL: not now */
        pthread_t thread;
};

struct large_writer {
        struct large_store *ls;
        struct arena arena;
        struct large_owner owner;
        struct blob_name name;
        struct blob_meta metas[LARGE_METAS];
        uint32_t n_metas, n_parts;
        struct sha256_stream *digest; /* the hasher's while it runs */
        uint64_t size;
        struct slot *filling;   /* NULL: none is free */
        struct buf left;        /* over */
        bool multipart;         /* it is longer than FIRST */
        bool made;              /* the object is, or may be, there */
        struct mutex lock;      /* down to error */
        struct cond cond;
        struct blob_upload *upload; /* NULL: not begun yet */
        struct slot slots[SLOTS];
        pthread_t hasher;
        uint32_t n_hashed;      /* parts */
        bool hashing;           /* there is a hasher */
        bool stopping;
        int r;
        struct error error;
};

static void writer_free(struct large_writer *w) {
        (void)sha256_end(w->digest, NULL);
        if (w->owner.table)
                table_schema_unref((struct table_schema *)(uintptr_t)w->owner.table);
        cond_deinit(&w->cond);
        mutex_deinit(&w->lock);
        arena_deinit(&w->arena);
        mem_free(w);
}

static int copy_owner(struct large_writer *w, const struct large_owner *o) {
        int r = arena_dup(&w->arena, o->attr, &w->owner.attr);

        w->owner.key.n = o->key.n;
        for (uint32_t i = 0; r == 0 && i < o->key.n; i++) {
                w->owner.key.parts[i].type = o->key.parts[i].type;
                r = arena_dup(&w->arena, o->key.parts[i].text, &w->owner.key.parts[i].text);
        }
        w->owner.table = table_schema_ref((struct table_schema *)(uintptr_t)o->table);
        return r;
}

int large_begin(struct store *s, struct op_ctx *ctx, const struct large_owner *o, struct large_writer **ret,
                struct error *e) {
        struct large_store *ls = large_of(s);
        struct large_writer *w;
        int r;

        (void)ctx;
        if (ls->n_buckets == 0)
                return error_set(e, ERR_TOO_LARGE, "without s3_bucket there is no place for it");
        w = mem_zalloc(sizeof(*w));
        if (!w)
                return error_set(e, ERR_MEMORY, "out of memory");
        w->ls = ls;
        w->arena = ARENA_INIT(256 * KIB);
        buf_init(&w->left, PART);
        for (unsigned i = 0; i < SLOTS; i++) {
                w->slots[i].w = w;
                buf_init(&w->slots[i].part, i == 0 ? FIRST : PART);
        }
        w->filling = &w->slots[0];
        mutex_init(&w->lock);
        cond_init(&w->cond);
        w->digest = sha256_begin();
        w->name.bucket = str_of(ls->buckets[0]);
        r = w->digest ? copy_owner(w, o) : -ENOMEM;
        if (r == 0)
                r = large_metas(&w->owner, &w->arena, w->metas, &w->n_metas);
        r = r ? error_set_errno(e, r, "saving to S3") : large_new_key(ls, &w->owner, &w->arena, &w->name.key, e);
        if (r)
                writer_free(w);
        else
                *ret = w;
        return r;
}

/* ---- parts ---- */

/* Lock held. */
static void fail(struct large_writer *w, int r, const struct error *e) {
        if (w->r == 0) {
                w->r = r;
                w->error = *e;
        }
}

/* What was taken is not whole any more. */
static int fail_for_good(struct large_writer *w, int r, const struct error *e) {
        static const struct error nothing;

        mutex_lock(&w->lock);
        fail(w, r, e ? e : &nothing);
        mutex_unlock(&w->lock);
        return r;
}

static int failed_before(struct large_writer *w, struct error *e) {
        int r;

        mutex_lock(&w->lock);
        r = w->r;
        if (r && e)
                *e = w->error;
        mutex_unlock(&w->lock);
        return r;
}

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
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
        op_ctx_deinit(&ctx);
}

static int begin_upload(struct slot *s, struct op_ctx *ctx, struct error *e) {
        struct large_writer *w = s->w;
        struct blob_upload *upload = NULL;
        int r = w->ls->blobs->ops->upload_begin(w->ls->blobs, ctx, w->name, w->metas, w->n_metas, &upload, e);

        mutex_lock(&w->lock);
        w->upload = upload;
        mutex_unlock(&w->lock);
        return r;
}

static int send_part(struct slot *s, struct op_ctx *ctx, struct error *e) {
        struct blobs *blobs = s->w->ls->blobs;
        uint8_t digest[SHA256_LEN];
        int r = sha256(buf_view(&s->part), digest);

        if (r)
                return error_set_errno(e, r, "saving to S3");
        return blobs->ops->upload_part(blobs, ctx, s->w->upload, s->number, buf_view(&s->part), digest, e);
}

static void await_upload(struct large_writer *w) {
        mutex_lock(&w->lock);
        while (!w->upload && w->r == 0 && !w->stopping)
                cond_wait(&w->cond, &w->lock);
        mutex_unlock(&w->lock);
}

/* Lock held.  Is it?  Then others may be waiting for it. */
static void is_done(struct slot *s) {
        if (!s->sent || !s->hashed)
                return;
        s->ready = false;
        cond_broadcast(&s->w->cond);
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
                mutex_unlock(&w->lock);
                if (s->number == 1)
                        ask(s, begin_upload);
                await_upload(w);
                ask(s, send_part);
                mutex_lock(&w->lock);
                s->sent = true;
                is_done(s);
        }
        mutex_unlock(&w->lock);
        return NULL;
}

/* Lock held.  The part that is next for the hash of the whole; NULL: it is not there yet. */
static struct slot *next_to_hash(struct large_writer *w) {
        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].ready && w->slots[i].number == w->n_hashed + 1)
                        return &w->slots[i];
        return NULL;
}

static void *hasher_thread(void *arg) {
        struct large_writer *w = arg;

        mutex_lock(&w->lock);
        while (!w->stopping) {
                struct slot *s = next_to_hash(w);
                struct error e = { 0 };
                int r;

                if (!s) {
                        cond_wait(&w->cond, &w->lock);
                        continue;
                }
                mutex_unlock(&w->lock);
                r = sha256_add(w->digest, buf_view(&s->part));
                mutex_lock(&w->lock);
                if (r)
                        fail(w, error_set_errno(&e, r, "saving to S3"), &e);
                w->n_hashed++;
                s->hashed = true;
                is_done(s);
        }
        mutex_unlock(&w->lock);
        return NULL;
}

static void wake(void *arg) {
        struct large_writer *w = arg;

        mutex_lock(&w->lock);
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
}

/* Lock held. */
static struct slot *free_slot(struct large_writer *w) {
        for (unsigned i = 0; i < SLOTS; i++)
                if (!w->slots[i].ready && !w->slots[i].held)
                        return &w->slots[i];
        return NULL;
}

static bool all_free(const struct large_writer *w) {
        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].ready)
                        return false;
        return true;
}

/* Until a slot is free (all: all are), or something has failed; interruptible. */
static int wait_slot(struct large_writer *w, struct op_ctx *ctx, bool all, struct slot **ret, struct error *e) {
        int r = 0;

        *ret = NULL;
        op_ctx_set_waker(ctx, wake, w);
        mutex_lock(&w->lock);
        while (w->r == 0 && !(all ? all_free(w) : (*ret = free_slot(w)) != NULL) && (r = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&w->cond, &w->lock, ctx->deadline_ns);
        if (r == 0 && w->r) {
                r = w->r;
                if (e)
                        *e = w->error;
        }
        mutex_unlock(&w->lock);
        op_ctx_clear_waker(ctx);
        return r;
}

/* To be sent by its thread. */
static int give_part(struct slot *s, struct error *e) {
        struct large_writer *w = s->w;

        if (!s->running && !(s->running = large_thread(&s->thread, slot_thread, s)))
                return error_set(e, ERR_MEMORY, "no thread for an upload");
        mutex_lock(&w->lock);
        s->held = s->sent = s->hashed = false;
        s->ready = true;
        cond_broadcast(&w->cond);
        mutex_unlock(&w->lock);
        return 0;
}

/* Nothing is added any more to the part that was being filled. */
static int end_part(struct large_writer *w, struct error *e) {
        struct slot *s = w->filling;

        if (w->n_parts == BLOB_PARTS_MAX)
                return error_set(e, ERR_TOO_LARGE, "more than %llu MB are too much for an attribute",
                                 (unsigned long long)(BLOB_PARTS_MAX * (PART / MIB)));
        s->number = ++w->n_parts;
        s->held = true;
        w->filling = NULL;
        return w->multipart ? give_part(s, e) : 0;
}

/* Too long for one put: all that was held is sent. */
static int go_multipart(struct large_writer *w, struct error *e) {
        int r = 0;

        w->multipart = true;
        w->hashing = large_thread(&w->hasher, hasher_thread, w);
        if (!w->hashing)
                return error_set(e, ERR_MEMORY, "no thread for an upload");
        for (unsigned i = 0; r == 0 && i < SLOTS; i++)
                if (w->slots[i].held)
                        r = give_part(&w->slots[i], e);
        return r;
}

/* As much of the data as the part has room for. */
static int fill(struct large_writer *w, struct str *data, struct error *e) {
        struct buf *part = &w->filling->part;
        struct str piece = str_make(data->p, MIN(data->n, PART - part->n));
        int r = 0;

        if (!buf_reserve_huge(part, PART - part->n)) /* at once: growing leaves holes in the heap */
                return fail_for_good(w, error_set_errno(e, buf_status(part), "saving to S3"), e);
        buf_str(part, piece);
        r = buf_status(part);
        *data = str_skip(*data, piece.n);
        return r ? fail_for_good(w, error_set_errno(e, r, "saving to S3"), e) : 0;
}

/* There is room in the part that is being filled, and nothing left over. */
static int make_room(struct large_writer *w, struct op_ctx *ctx, struct error *e) {
        struct str left = buf_view(&w->left);
        int r = 0;

        if (!w->filling) {
                r = wait_slot(w, ctx, false, &w->filling, e);
                if (r == 0)
                        buf_reset(&w->filling->part); /* the memory is for the next part */
        }
        if (r == 0 && left.n > 0) {
                r = fill(w, &left, e); /* less than a part */
                if (r == 0)
                        buf_reset(&w->left);
        }
        return r;
}

int large_append(struct large_writer *w, struct op_ctx *ctx, struct str data, struct error *e) {
        struct str rest = data;
        int r = failed_before(w, e);

        if (r || data.n == 0)
                return r;
        if (data.n > PART)
                return error_set(e, ERR_INTERNAL, "more at once than a part");
        r = make_room(w, ctx, e);
        if (r == 0)
                r = fill(w, &rest, e);
        if (r)
                return r;
        if (w->filling->part.n == PART && (r = end_part(w, e)))
                return fail_for_good(w, r, e);
        buf_str(&w->left, rest);
        if (buf_status(&w->left))
                return fail_for_good(w, error_set_errno(e, buf_status(&w->left), "saving to S3"), e);
        w->size += data.n;
        if (!w->multipart && w->size > FIRST && (r = go_multipart(w, e)))
                return fail_for_good(w, r, e);
        return 0;
}

/* What is short enough: a part, and what came behind it. */
static int put_whole(struct large_writer *w, struct op_ctx *ctx, struct error *e) {
        struct buf *whole = &w->slots[0].part, *more = &w->slots[1].part;
        int r;

        buf_deinit(&w->left);
        if (more->n > 0)
                buf_str(whole, buf_view(more));
        r = buf_status(whole);
        if (r)
                return error_set_errno(e, r, "saving to S3");
        buf_deinit(more);
        w->made = true;
        r = w->ls->blobs->ops->put(w->ls->blobs, ctx, w->name, w->metas, w->n_metas, buf_view(whole), e);
        if (r)
                return r; /* it may be asked for again */
        r = sha256_add(w->digest, buf_view(whole));
        return r ? fail_for_good(w, error_set_errno(e, r, "saving to S3"), e) : 0;
}

static int finish_object(struct large_writer *w, struct op_ctx *ctx, struct error *e) {
        struct slot *ignored;
        int r = failed_before(w, e);

        if (r == 0 && w->left.n > 0)
                r = make_room(w, ctx, e);
        if (r)
                return r;
        if (!w->multipart)
                return put_whole(w, ctx, e);
        if (w->filling && w->filling->part.n > 0)
                r = end_part(w, e);
        if (r)
                return fail_for_good(w, r, e);
        r = wait_slot(w, ctx, true, &ignored, e);
        if (r)
                return r;
        w->made = true;
        return w->ls->blobs->ops->upload_finish(w->ls->blobs, ctx, w->upload, e);
}

/* No thread of its own, and no part, is left. */
static void stop(struct large_writer *w) {
        mutex_lock(&w->lock);
        w->stopping = true;
        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].asking)
                        op_ctx_cancel(w->slots[i].asking);
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
        buf_deinit(&w->left);
}

int large_finish(struct large_writer *w, struct op_ctx *ctx, enum value_type type, struct arena *a, struct value *ret,
                 struct error *e) {
        struct large_ref *l = arena_alloc(a, sizeof(*l));
        int r;

        if (!l)
                return error_set(e, ERR_MEMORY, "out of memory");
        *l = (struct large_ref){ .type = type, .size = w->size };
        r = arena_dup(a, w->name.bucket, &l->bucket);
        if (r == 0)
                r = arena_dup(a, w->name.key, &l->key);
        r = r ? error_set_errno(e, r, "saving to S3") : finish_object(w, ctx, e);
        if (r)
                return r;
        r = sha256_end(TAKE(w->digest), l->sha256); /* not before: what was left over belongs to it */
        if (r)
                return error_set_errno(e, r, "saving to S3");
        stop(w);
        *ret = (struct value){ .type = VALUE_LARGE, .large = l };
        return 0;
}

void large_end(struct large_writer *w, struct op_ctx *ctx, int r, const struct error *e) {
        if (!w)
                return;
        stop(w);
        if (w->upload)
                w->ls->blobs->ops->upload_end(w->ls->blobs, ctx, w->upload);
        if (r && w->made)
                removal_of_fresh(w->ls, &w->owner, w->name, e);
        writer_free(w);
}
