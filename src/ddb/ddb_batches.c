/* SPDX-License-Identifier: Apache-2.0 */
/* BatchGetItem and BatchWriteItem over the loop of ddb_batch.c. */
#include <errno.h>

#include "ddb_batch.h"

/* ---- get ---- */

struct get_run {
        struct batch_run run;
        const struct get_request *q;
};

static int build_get(struct batch_run *run, struct batch *b) {
        return ddb_request_batch_get(CONTAINER_OF(run, struct get_run, run)->q, b->pick, b->n, &b->x.body);
}

static int parse_get(struct batch_run *run, struct buf *body, struct ddb_lefts *left, struct ddb_usage *usage) {
        return ddb_parse_batch_get(body, run->items, left, usage, &run->error);
}

static void done_get(struct batch_run *run, uint32_t i, int result, const struct error *why) {
        (void)run;
        (void)i;
        (void)result;
        (void)why;
}

static int add_gets(struct get_run *g) {
        const struct get_request *q = g->q;
        int r;

        for (uint32_t i = 0; i < g->run.n; i++) {
                if (q[i].table != q[0].table || !key_matches(&q[i].table->key, &q[i].key))
                        return -EINVAL;
                r = batch_run_add(&g->run, i, q[i].table, &q[i].key);
                if (r)
                        return r;
        }
        return 0;
}

int ddb_batch_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n, struct items *ret,
                  struct error *reterr) {
        static const struct batch_ops ops = {
                .operation = "BatchGetItem",
                .max = BATCH_GET_MAX,
                .drop_repeats = true,
                .build = build_get,
                .parse = parse_get,
                .done = done_get,
        };
        _cleanup_(items_deinit) struct items items;
        struct get_run g = { .run = { .ops = &ops, .store = ddb_store_of(s), .ctx = ctx, .items = &items }, .q = q };
        int r;

        items_init(&items);
        r = batch_run_init(&g.run, n);
        if (!r)
                r = add_gets(&g);
        if (r) {
                r = ddb_built(r, ops.operation, reterr);
        } else {
                r = batch_run_all(&g.run);
                if (r && reterr)
                        *reterr = g.run.error;
        }
        batch_run_deinit(&g.run);
        if (r)
                return r;
        items.count = items.n;
        items_move(ret, &items);
        return 0;
}

/* ---- write ---- */

struct write_run {
        struct batch_run run;
        const struct write *w;
        int *results;
};

static int build_write(struct batch_run *run, struct batch *b) {
        return ddb_request_batch_write(CONTAINER_OF(run, struct write_run, run)->w, b->pick, b->n, &b->x.body);
}

static int parse_write(struct batch_run *run, struct buf *body, struct ddb_lefts *left, struct ddb_usage *usage) {
        items_deinit(run->items); /* of the batch before */
        return ddb_parse_batch_write(body, run->items, left, usage, &run->error);
}

static void done_write(struct batch_run *run, uint32_t i, int result, const struct error *why) {
        (void)why;
        CONTAINER_OF(run, struct write_run, run)->results[i] = result;
}

/* The key of a write, or -EINVAL: it is not for a batch. */
static int batched_key(const struct write *w, struct key *ret) {
        if (w->n_conditions > 0)
                return -EINVAL;
        if (w->op == WRITE_PUT)
                return key_of_item(&w->table->key, w->item, ret) ? -EINVAL : 0;
        *ret = w->key;
        return w->op == WRITE_DELETE && key_matches(&w->table->key, &w->key) ? 0 : -EINVAL;
}

static int add_writes(struct write_run *g) {
        struct key key;
        int r;

        for (uint32_t i = 0; i < g->run.n; i++) {
                r = batched_key(&g->w[i], &key);
                if (!r)
                        r = batch_run_add(&g->run, i, g->w[i].table, &key);
                if (r)
                        return r;
        }
        return 0;
}

int ddb_batch_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, int *results,
                    struct error *reterr) {
        static const struct batch_ops ops = {
                .operation = "BatchWriteItem",
                .max = BATCH_WRITE_MAX,
                .build = build_write,
                .parse = parse_write,
                .done = done_write,
        };
        _cleanup_(items_deinit) struct items items;
        struct write_run g = {
                .run = { .ops = &ops, .store = ddb_store_of(s), .ctx = ctx, .write = true, .items = &items },
                .w = w,
                .results = results,
        };
        int r;

        items_init(&items);
        r = batch_run_init(&g.run, n);
        if (!r)
                r = add_writes(&g);
        if (r)
                r = ddb_built(r, ops.operation, &g.run.error);
        else
                r = batch_run_all(&g.run);
        for (uint32_t i = 0; r && i < n; i++) /* what was under way may or may not have been done */
                if (!g.run.units || !g.run.units[i].done)
                        results[i] = r;
        if (!r && g.run.first.kind != ERR_NONE) {
                g.run.error = g.run.first;
                r = -error_errno(g.run.first.kind);
        }
        if (r && reterr)
                *reterr = g.run.error;
        batch_run_deinit(&g.run);
        return r;
}

/* ---- a stream of writes ---- */

#define STREAM_UNITS (16 * BATCH_WRITE_MAX)

struct stream_run {
        struct batch_run run;
        const struct write_source *source;
        struct write *from[STREAM_UNITS]; /* of each unit */
        struct write w[STREAM_UNITS];
};

static int build_stream(struct batch_run *run, struct batch *b) {
        return ddb_request_batch_write(CONTAINER_OF(run, struct stream_run, run)->w, b->pick, b->n, &b->x.body);
}

static void done_stream(struct batch_run *run, uint32_t i, int result, const struct error *why) {
        struct stream_run *g = CONTAINER_OF(run, struct stream_run, run);

        g->source->done(g->source->arg, g->from[i], result, why);
}

static bool more_stream(struct batch_run *run, uint32_t i, bool wait) {
        struct stream_run *g = CONTAINER_OF(run, struct stream_run, run);
        struct write *w = g->source->next(g->source->arg, wait);
        struct key key;
        int r;

        if (!w)
                return false;
        g->from[i] = w;
        g->w[i] = *w;
        r = batched_key(w, &key);
        if (!r)
                r = batch_run_add(run, i, w->table, &key);
        if (r)
                r = ddb_built(r, run->ops->operation, &run->error);
        return r == 0;
}

int ddb_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source, struct error *reterr) {
        static const struct batch_ops ops = {
                .operation = "BatchWriteItem",
                .max = BATCH_WRITE_MAX,
                .build = build_stream,
                .parse = parse_write,
                .done = done_stream,
                .more = more_stream,
        };
        _cleanup_(items_deinit) struct items items;
        struct stream_run *g = mem_zalloc(sizeof(*g));
        int r;

        if (!g)
                return error_set(reterr, ERR_MEMORY, "%s: out of memory", ops.operation);
        items_init(&items);
        g->run = (struct batch_run){ .ops = &ops, .store = ddb_store_of(s), .ctx = ctx, .write = true, .items = &items };
        g->source = source;
        r = batch_run_init(&g->run, STREAM_UNITS);
        if (r)
                r = ddb_built(r, ops.operation, &g->run.error);
        else
                r = batch_run_all(&g->run);
        if (r && reterr)
                *reterr = g->run.error;
        batch_run_deinit(&g->run);
        mem_free(g);
        return r;
}
