/* SPDX-License-Identifier: Apache-2.0 */
/* The store: reads, which only remember what they have seen; making and ending. */
#include "large_internal.h"
#include "ddbfs/base/alloc.h"

static int read_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, struct items *ret, struct error *e) {
        struct large_store *ls = large_of(s);
        int r = ls->inner->ops->get(ls->inner, ctx, q, ret, e);

        if (r == 0)
                seen_add_items(ls, ret);
        return r;
}

static int read_batch(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n, struct items *ret,
                      struct error *e) {
        struct large_store *ls = large_of(s);
        int r = ls->inner->ops->batch_get(ls->inner, ctx, q, n, ret, e);

        if (r == 0)
                seen_add_items(ls, ret);
        return r;
}

static int read_query(struct store *s, struct op_ctx *ctx, const struct query_request *q, struct items *ret,
                      struct error *e) {
        struct large_store *ls = large_of(s);
        int r = ls->inner->ops->query(ls->inner, ctx, q, ret, e);

        if (r == 0)
                seen_add_items(ls, ret);
        return r;
}

static int read_scan(struct store *s, struct op_ctx *ctx, const struct scan_request *q, struct items *ret,
                     struct error *e) {
        struct large_store *ls = large_of(s);
        int r = ls->inner->ops->scan(ls->inner, ctx, q, ret, e);

        if (r == 0)
                seen_add_items(ls, ret);
        return r;
}

static int read_transact(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n,
                         struct items *ret, struct error *e) {
        struct large_store *ls = large_of(s);
        int r = ls->inner->ops->transact_get(ls->inner, ctx, q, n, ret, e);

        if (r == 0)
                seen_add_items(ls, ret);
        return r;
}

/* Nothing to do with attributes: as they are. */

static int pass_list_tables(struct store *s, struct op_ctx *ctx, struct str start, struct names *ret, struct error *e) {
        struct store *inner = large_of(s)->inner;

        return inner->ops->list_tables(inner, ctx, start, ret, e);
}

static int pass_describe(struct store *s, struct op_ctx *ctx, struct str table, struct table_schema **ret,
                         struct error *e) {
        struct store *inner = large_of(s)->inner;

        return inner->ops->describe(inner, ctx, table, ret, e);
}

static int pass_describe_all(struct store *s, struct op_ctx *ctx, const struct str *tables, uint32_t n, describe_sink sink,
                             void *arg, struct error *e) {
        struct store *inner = large_of(s)->inner;

        return inner->ops->describe_all(inner, ctx, tables, n, sink, arg, e);
}

static int pass_explain_get(struct store *s, const struct get_request *q, struct buf *out) {
        struct store *inner = large_of(s)->inner;

        return inner->ops->explain_get(inner, q, out);
}

static int pass_explain_query(struct store *s, const struct query_request *q, struct buf *out) {
        struct store *inner = large_of(s)->inner;

        return inner->ops->explain_query(inner, q, out);
}

static int pass_explain_scan(struct store *s, const struct scan_request *q, struct buf *out) {
        struct store *inner = large_of(s)->inner;

        return inner->ops->explain_scan(inner, q, out);
}

/* ---- content ---- */

static bool wants_content(const struct large_store *ls, const struct value *v) {
        return v->type == VALUE_LARGE && !v->large->inlined && !large_ref_is_claim(v->large) &&
               v->large->size <= ls->inline_max && large_named(ls, v->large->bucket);
}

static int fill_one(struct large_store *ls, struct op_ctx *ctx, struct value *v, struct arena *a, struct error *e) {
        _cleanup_(buf_deinit) struct buf content = BUF_INIT((size_t)ls->inline_max + 2);
        struct large_ref *l = arena_alloc(a, sizeof(*l));
        int r;

        if (!l)
                return error_set(e, ERR_MEMORY, "out of memory");
        *l = *v->large;
        r = large_fetch(ls, ctx, l, &content, e);
        if (r)
                return r;
        if (l->type == VALUE_S && !utf8_valid(buf_view(&content)))
                return error_set(e, ERR_PROTOCOL, "an object in S3 is not the text its reference says: %.*s", (int)l->key.n,
                                 l->key.p);
        if (arena_dup(a, buf_view(&content), &l->content))
                return error_set(e, ERR_MEMORY, "out of memory");
        l->inlined = true;
        v->large = l;
        return 0;
}

static int fill(struct store *s, struct op_ctx *ctx, struct item *item, struct arena *a, struct error *e) {
        struct large_store *ls = large_of(s);
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < item->n; i++)
                if (wants_content(ls, &item->attributes[i].value))
                        r = fill_one(ls, ctx, &item->attributes[i].value, a, e);
        return r;
}

static bool unfilled(struct store *s, const struct item *item) {
        for (uint32_t i = 0; i < item->n; i++)
                if (wants_content(large_of(s), &item->attributes[i].value))
                        return true;
        return false;
}

static int size(struct store *s, struct op_ctx *ctx, const struct value *v, bool *ret, uint64_t *ret_size, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * KIB);
        struct large_store *ls = large_of(s);
        struct blob_name name;
        struct blob_info info;
        int r;

        *ret = v->type == VALUE_LARGE;
        if (*ret) {
                *ret_size = v->large->size;
                return 0;
        }
        r = large_link(ls, v, &arena, ret, &name);
        if (r)
                return error_set_errno(e, r, "reading from S3");
        if (!*ret)
                return 0;
        r = ls->blobs->ops->head(ls->blobs, ctx, name, &info, e);
        *ret_size = r ? 0 : info.size;
        return r;
}

static const struct large_ops large_ops = {
        .fill = fill,
        .unfilled = unfilled,
        .size = size,
        .open = large_open,
        .read = large_read,
        .lend = large_lend,
        .give_back = large_give_back,
        .close = large_close,
        .begin = large_begin,
        .append = large_append,
        .finish = large_finish,
        .end = large_end,
};

/* ---- making and ending ---- */

static void large_free(struct store *s) {
        struct large_store *ls = large_of(s);

        removal_stop(ls);
        seen_free(ls);
        for (uint32_t i = 0; i < ls->n_buckets; i++)
                mem_free(ls->buckets[i]);
        mem_free(ls->buckets);
        mem_free(ls->prefix);
        cond_deinit(&ls->cond);
        mutex_deinit(&ls->lock);
        mutex_deinit(&ls->seen_lock);
        mem_free(ls);
}

static int copy_names(struct large_store *ls, const struct large_options *o) {
        ls->prefix = mem_strdup(o->prefix ? o->prefix : "");
        ls->buckets = mem_calloc((size_t)o->n_buckets + 1, sizeof(*ls->buckets));
        if (!ls->prefix || !ls->buckets)
                return -ENOMEM;
        for (; ls->n_buckets < o->n_buckets; ls->n_buckets++) {
                ls->buckets[ls->n_buckets] = mem_strdup(o->buckets[ls->n_buckets]);
                if (!ls->buckets[ls->n_buckets])
                        return -ENOMEM;
        }
        return 0;
}

static void set_ops(struct large_store *ls) {
        const struct store_ops *inner = ls->inner->ops;

        ls->ops = (struct store_ops){
                .list_tables = pass_list_tables,
                .describe = pass_describe,
                .describe_all = inner->describe_all ? pass_describe_all : NULL,
                .get = read_get,
                .batch_get = inner->batch_get ? read_batch : NULL,
                .query = read_query,
                .scan = read_scan,
                .scan_all = inner->scan_all ? large_scan_all : NULL,
                .write = large_write,
                .batch_write = inner->batch_write ? large_batch_write : NULL,
                .write_all = inner->write_all ? large_write_all : NULL,
                .transact_write = inner->transact_write ? large_transact_write : NULL,
                .transact_get = inner->transact_get ? read_transact : NULL,
                .large = &large_ops,
                .explain_get = inner->explain_get ? pass_explain_get : NULL,
                .explain_query = inner->explain_query ? pass_explain_query : NULL,
                .explain_scan = inner->explain_scan ? pass_explain_scan : NULL,
                .free = large_free,
        };
        ls->face.ops = &ls->ops;
}

int large_store_new(const struct large_options *o, struct store *inner, struct blobs *blobs, struct store **ret) {
        struct large_store *ls;
        int r;

        if ((o->n_buckets > 0 && !blobs) || (o->prefix && strlen(o->prefix) > LARGE_PREFIX_MAX))
                return -EINVAL;
        ls = mem_zalloc(sizeof(*ls));
        if (!ls)
                return -ENOMEM;
        ls->inner = inner;
        ls->blobs = blobs;
        ls->threshold = o->threshold;
        ls->inline_max = o->inline_max;
        ls->grace_ns = o->grace_ns;
        ls->timeout_ns = o->timeout_ns ? o->timeout_ns : 60 * NS_PER_S;
        mutex_init(&ls->seen_lock);
        mutex_init(&ls->lock);
        cond_init(&ls->cond);
        list_init(&ls->removals);
        set_ops(ls);
        r = copy_names(ls, o);
        if (r)
                large_free(&ls->face);
        else
                *ret = &ls->face;
        return r;
}
