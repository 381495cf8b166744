/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attribute on its way up.  Up to FIRST bytes are kept and go up by one put; what is longer becomes a multipart upload
 * whose parts (parts.c, with the table of a slot's states) are sent and hashed by threads of their own, while the caller
 * fills the next.
 *
 * A part that is full may be on its way before there is a slot for the rest of the same piece of data: that is left over,
 * and goes first when the caller comes again.  So a call, of at most PART bytes, has taken all of its data or,
 * interrupted, nothing.
 *
 * Memory: one part in each slot, and what is left over; or what one put has, twice while it is put together.  The first
 * error stays, and every later call returns it.
 */
#include "writer_internal.h"
#include "ddbfs/base/alloc.h"

static void writer_free(struct large_writer *w) {
        (void)sha256_end(w->digest, NULL);
        if (w->owner.table)
                table_schema_unref((struct table_schema *)(uintptr_t)w->owner.table);
        parts_deinit(w);
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
        parts_init(w);
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

/* Nothing is added any more to the part that was being filled. */
static int end_part(struct large_writer *w, struct error *e) {
        struct slot *s = w->filling;

        if (w->n_parts == BLOB_PARTS_MAX)
                return error_set(e, ERR_TOO_LARGE, "more than %llu MB are too much for an attribute",
                                 (unsigned long long)(BLOB_PARTS_MAX * (PART / MIB)));
        w->n_parts++;
        s->held = true;
        w->filling = NULL;
        return w->multipart ? parts_give(s, e) : 0;
}

/* Too long for one put: all that was held is sent. */
static int go_multipart(struct large_writer *w, struct error *e) {
        int r = parts_begin(w, e);

        w->multipart = true;
        for (unsigned i = 0; r == 0 && i < SLOTS; i++)
                if (w->slots[i].held)
                        r = parts_give(&w->slots[i], e);
        return r;
}

/* As much of the data as the part has room for. */
static int fill(struct large_writer *w, struct str *data, struct error *e) {
        struct buf *part = &w->filling->part;
        struct str piece = str_make(data->p, MIN(data->n, PART - part->n));
        int r = 0;

        if (!buf_reserve_huge(part, PART - part->n)) /* at once: growing leaves holes in the heap */
                return parts_fail(w, error_set_errno(e, buf_status(part), "saving to S3"), e);
        buf_str(part, piece);
        r = buf_status(part);
        if (r)
                return parts_fail(w, error_set_errno(e, r, "saving to S3"), e);
        *data = str_skip(*data, piece.n);
        parts_grown(w->filling);
        return 0;
}

/* There is room in the part that is being filled, and nothing left over. */
static int make_room(struct large_writer *w, struct op_ctx *ctx, struct error *e) {
        struct str left = buf_view(&w->left);
        int r = 0;

        if (!w->filling)
                r = parts_take(w, ctx, &w->filling, e);
        if (r == 0 && left.n > 0) {
                r = fill(w, &left, e); /* less than a part */
                if (r == 0)
                        buf_reset(&w->left);
        }
        return r;
}

int large_append(struct large_writer *w, struct op_ctx *ctx, struct str data, struct error *e) {
        struct str rest = data;
        int r = parts_failed(w, e);

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
                return parts_fail(w, r, e);
        buf_str(&w->left, rest);
        if (buf_status(&w->left))
                return parts_fail(w, error_set_errno(e, buf_status(&w->left), "saving to S3"), e);
        w->size += data.n;
        if (!w->multipart && w->size > FIRST && (r = go_multipart(w, e)))
                return parts_fail(w, r, e);
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
        return r ? parts_fail(w, error_set_errno(e, r, "saving to S3"), e) : 0;
}

static int finish_object(struct large_writer *w, struct op_ctx *ctx, struct error *e) {
        int r = parts_failed(w, e);

        if (r == 0 && w->left.n > 0)
                r = make_room(w, ctx, e);
        if (r)
                return r;
        if (!w->multipart)
                return put_whole(w, ctx, e);
        if (w->filling && w->filling->part.n > 0)
                r = end_part(w, e);
        if (r)
                return parts_fail(w, r, e);
        r = parts_wait(w, ctx, e);
        if (r)
                return r;
        w->made = true;
        return w->ls->blobs->ops->upload_finish(w->ls->blobs, ctx, w->upload, e);
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
        parts_stop(w);
        buf_deinit(&w->left);
        *ret = (struct value){ .type = VALUE_LARGE, .large = l };
        return 0;
}

void large_end(struct large_writer *w, struct op_ctx *ctx, int r, const struct error *e) {
        if (!w)
                return;
        parts_stop(w);
        buf_deinit(&w->left);
        if (w->upload)
                w->ls->blobs->ops->upload_end(w->ls->blobs, ctx, w->upload);
        if (r && w->made)
                removal_of_fresh(w->ls, &w->owner, w->name, e);
        writer_free(w);
}
