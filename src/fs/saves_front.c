/* SPDX-License-Identifier: Apache-2.0 */
/* The store in front of the store (fs->store with commit=batch): what is asked for waits for the saves that concern it. */
#include "fs_internal.h"
#include "saves_internal.h"

static struct saves *saves_of(struct store *s) {
        return CONTAINER_OF(s, struct saves, face);
}

static int find_waiting(struct saves *s, const struct get_request *q, struct items *ret) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
        struct save_entry *x;
        struct item *to;
        int r = 0;

        mutex_lock(&s->lock);
        if (s->n > 0 && place_item_id(q->table, &q->key, &id) == 0 && (x = saves_newest(s, buf_view(&id)))) {
                items_deinit(ret);
                to = items_add(ret);
                r = to ? item_copy(&ret->arena, &x->item, to) : -ENOMEM;
                ret->count = 1;
                r = r ? r : 1;
        }
        mutex_unlock(&s->lock);
        return r;
}

static int front_get(struct store *store, struct op_ctx *ctx, const struct get_request *q, struct items *ret, struct error *e) {
        struct saves *s = saves_of(store);
        int r = find_waiting(s, q, ret);

        if (r)
                return r > 0 ? 0 : error_set_errno(e, r, "reading");
        return s->inner->ops->get(s->inner, ctx, q, ret, e);
}

static int front_query(struct store *store, struct op_ctx *ctx, const struct query_request *q, struct items *ret,
                       struct error *e) {
        struct saves *s = saves_of(store);
        int r = saves_wait(s->fs, ctx, q->table, q->index ? NULL : &q->hash, 0, e);

        return r ? r : s->inner->ops->query(s->inner, ctx, q, ret, e);
}

static int front_scan(struct store *store, struct op_ctx *ctx, const struct scan_request *q, struct items *ret,
                      struct error *e) {
        struct saves *s = saves_of(store);
        int r = saves_wait(s->fs, ctx, q->table, NULL, 0, e);

        return r ? r : s->inner->ops->scan(s->inner, ctx, q, ret, e);
}

static int settle_writes(struct saves *s, struct op_ctx *ctx, const struct write *w, uint32_t n, struct error *e) {
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < n && saves_any(s->fs); i++) {
                struct key key = w[i].key;

                if (w[i].op == WRITE_PUT && key_of_item(&w[i].table->key, w[i].item, &key))
                        key.n = 0;
                r = saves_wait(s->fs, ctx, w[i].table, &key, 0, e);
        }
        return r;
}

static int settle_gets(struct saves *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n, struct error *e) {
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < n && saves_any(s->fs); i++)
                r = saves_wait(s->fs, ctx, q[i].table, &q[i].key, 0, e);
        return r;
}

static int front_batch_get(struct store *store, struct op_ctx *ctx, const struct get_request *q, uint32_t n,
                           struct items *ret, struct error *e) {
        struct saves *s = saves_of(store);
        int r = settle_gets(s, ctx, q, n, e);

        return r ? r : s->inner->ops->batch_get(s->inner, ctx, q, n, ret, e);
}

static int front_transact_get(struct store *store, struct op_ctx *ctx, const struct get_request *q, uint32_t n,
                              struct items *ret, struct error *e) {
        struct saves *s = saves_of(store);
        int r = settle_gets(s, ctx, q, n, e);

        return r ? r : s->inner->ops->transact_get(s->inner, ctx, q, n, ret, e);
}

static int front_write(struct store *store, struct op_ctx *ctx, const struct write *w, struct items *ret_new,
                       struct error *e) {
        struct saves *s = saves_of(store);
        int r = settle_writes(s, ctx, w, 1, e);

        return r ? r : s->inner->ops->write(s->inner, ctx, w, ret_new, e);
}

static int front_batch_write(struct store *store, struct op_ctx *ctx, const struct write *w, uint32_t n, int *results,
                             struct error *e) {
        struct saves *s = saves_of(store);
        int r = settle_writes(s, ctx, w, n, e);

        for (uint32_t i = 0; r && i < n; i++)
                results[i] = r;
        return r ? r : s->inner->ops->batch_write(s->inner, ctx, w, n, results, e);
}

static int front_transact_write(struct store *store, struct op_ctx *ctx, const struct write *w, uint32_t n,
                                struct error *e) {
        struct saves *s = saves_of(store);
        int r = settle_writes(s, ctx, w, n, e);

        return r ? r : s->inner->ops->transact_write(s->inner, ctx, w, n, e);
}

static int front_list_tables(struct store *store, struct op_ctx *ctx, struct str start, struct names *ret, struct error *e) {
        struct saves *s = saves_of(store);

        return s->inner->ops->list_tables(s->inner, ctx, start, ret, e);
}

static int front_describe(struct store *store, struct op_ctx *ctx, struct str table, struct table_schema **ret,
                          struct error *e) {
        struct saves *s = saves_of(store);

        return s->inner->ops->describe(s->inner, ctx, table, ret, e);
}

static int front_explain_get(struct store *store, const struct get_request *q, struct buf *out) {
        struct saves *s = saves_of(store);

        return s->inner->ops->explain_get(s->inner, q, out);
}

static int front_explain_query(struct store *store, const struct query_request *q, struct buf *out) {
        struct saves *s = saves_of(store);

        return s->inner->ops->explain_query(s->inner, q, out);
}

static int front_explain_scan(struct store *store, const struct scan_request *q, struct buf *out) {
        struct saves *s = saves_of(store);

        return s->inner->ops->explain_scan(s->inner, q, out);
}

static const struct store_ops saves_ops = {
        .list_tables = front_list_tables,
        .describe = front_describe,
        .get = front_get,
        .batch_get = front_batch_get,
        .query = front_query,
        .scan = front_scan,
        .write = front_write,
        .batch_write = front_batch_write,
        .transact_write = front_transact_write,
        .transact_get = front_transact_get,
        .explain_get = front_explain_get,
        .explain_query = front_explain_query,
        .explain_scan = front_explain_scan,
};

/* What a store of large attributes can do besides goes to it: nothing of that is ever waiting. */
static int front_fill(struct store *store, struct op_ctx *ctx, struct item *item, struct arena *a, struct error *e) {
        struct store *inner = saves_of(store)->inner;

        return inner->ops->large->fill(inner, ctx, item, a, e);
}

static bool front_unfilled(struct store *store, const struct item *item) {
        struct store *inner = saves_of(store)->inner;

        return inner->ops->large->unfilled(inner, item);
}

static int front_size(struct store *store, struct op_ctx *ctx, const struct value *v, bool *ret, uint64_t *ret_size,
                      struct error *e) {
        struct store *inner = saves_of(store)->inner;

        return inner->ops->large->size(inner, ctx, v, ret, ret_size, e);
}

static int front_open(struct store *store, struct op_ctx *ctx, const struct value *v, struct large_reader **ret,
                      struct error *e) {
        struct store *inner = saves_of(store)->inner;

        return inner->ops->large->open(inner, ctx, v, ret, e);
}

static int front_begin(struct store *store, struct op_ctx *ctx, const struct large_owner *owner, struct large_writer **ret,
                       struct error *e) {
        struct store *inner = saves_of(store)->inner;

        return inner->ops->large->begin(inner, ctx, owner, ret, e);
}

void saves_make_face(struct saves *s) {
        s->ops = saves_ops;
        s->face.ops = &s->ops;
        if (!s->inner->ops->large)
                return;
        s->large = *s->inner->ops->large;
        s->large.fill = front_fill;
        s->large.unfilled = front_unfilled;
        s->large.size = front_size;
        s->large.open = front_open;
        s->large.begin = front_begin;
        s->ops.large = &s->large;
}
