/* SPDX-License-Identifier: Apache-2.0 */
/* One open object: opened, read by copying or by lending what its windows have (windows.c), closed. */
#include "reader_internal.h"
#include "ddbfs/base/alloc.h"

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
        for (unsigned i = 0; i < WINDOWS; i++) {
                buf_init(&r->windows[i].data, WINDOW_MAX);
                r->windows[i].r = r;
        }
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

/* ---- reading ---- */

/* Not by the windows: just that. */
static int read_only(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, char *to, struct error *e) {
        _cleanup_(buf_deinit) struct buf data = BUF_INIT(n);
        int k = object_fetch(r, ctx, offset, n, &data, e);

        if (k == 0)
                memcpy(to, data.p, n);
        return k;
}

/* Some of the range. */
static int read_some(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, char *to, size_t *ret_n,
                     struct error *e) REQUIRES(r->lock) {
        struct window *w = window_find(r, offset);
        bool by_windows;
        int k;

        *ret_n = 0;
        if (r->corrupt)
                return object_corrupt(r, e);
        k = w ? window_wait(r, ctx, w, &by_windows, e) : window_next(r, ctx, offset, &by_windows, e);
        if (k || by_windows != (w != NULL))
                return k;
        if (w) {
                *ret_n = (size_t)MIN((uint64_t)n, w->offset + w->n - offset);
                memcpy(to, w->data.p + (offset - w->offset), *ret_n);
                window_gave(r, w, *ret_n);
                return 0;
        }
        mutex_unlock(&r->lock);
        k = read_only(r, ctx, offset, n, to, e);
        mutex_lock(&r->lock);
        *ret_n = n;
        return k;
}

/* *ret: the window that has all of the range; NULL: none will. */
static int find_all(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct window **ret,
                    struct error *e) REQUIRES(r->lock) {
        bool ready;

        for (;;) {
                struct window *w = window_find(r, offset);
                int k;

                *ret = NULL;
                if (r->corrupt)
                        return object_corrupt(r, e);
                if (w && n > w->offset + w->n - offset)
                        return 0;
                k = w ? window_wait(r, ctx, w, &ready, e) : window_next(r, ctx, offset, &ready, e);
                if (k || (!w && !ready))
                        return k;
                *ret = w;
                if (w && ready)
                        return 0;
        }
}

int large_lend(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct str *ret, void **ret_hold,
               struct error *e) {
        struct window *w;
        int k;

        *ret = STR_NULL;
        *ret_hold = NULL;
        if (offset >= r->size)
                return 0;
        n = (size_t)MIN((uint64_t)n, r->size - offset);
        mutex_lock(&r->lock);
        k = find_all(r, ctx, offset, n, &w, e);
        if (k == 0 && w) {
                w->held++;
                r->held++;
                *ret = str_make(w->data.p + (offset - w->offset), n);
                *ret_hold = w;
                window_gave(r, w, n);
        }
        mutex_unlock(&r->lock);
        return k;
}

void large_give_back(void *hold) {
        struct window *w = hold;
        struct large_reader *r = w->r;
        bool last;

        mutex_lock(&r->lock);
        w->held--;
        last = --r->held == 0 && r->closed;
        if (w->held == 0 && r->waiting > 0) /* perhaps for a window that is free */
                windows_changed(r);
        if (w->held == 0 && w->given >= w->n)
                windows_ahead(r);
        mutex_unlock(&r->lock);
        if (last)
                reader_free(r);
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
        bool last;

        if (!r)
                return;
        mutex_lock(&r->lock);
        r->stopping = true;
        for (unsigned i = 0; i < THREADS; i++)
                if (r->ahead[i].fetching)
                        op_ctx_cancel(r->ahead[i].fetching);
        cond_broadcast(&r->cond);
        mutex_unlock(&r->lock);
        for (unsigned i = 0; i < THREADS; i++)
                if (r->ahead[i].running)
                        (void)pthread_join(r->ahead[i].thread, NULL);
        mutex_lock(&r->lock);
        r->closed = true;
        last = r->held == 0;
        mutex_unlock(&r->lock);
        if (last)
                reader_free(r);
}
