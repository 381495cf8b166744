/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store over DynamoDB's HTTP API: reads of one request each, and what all operations share.  Stateless: any
 * number of threads may call at once.  Requests are built before a result is touched, so that a page's `start` may
 * lie in the very items the next page replaces.
 */
#include "ddb_store.h"

#include <errno.h>

#include "ddbfs/base/clock.h"
#include "ddbfs/base/metrics.h"
#include "ddbfs/base/rng.h"

/* ---- exchanges ---- */

void exchange_init(struct exchange *x, const char *operation) {
        *x = (struct exchange){ .call.operation = operation };
        buf_init(&x->body, DDB_REQUEST_MAX);
        http_response_init(&x->call.response);
}

void exchange_deinit(struct exchange *x) {
        http_response_deinit(&x->call.response);
        buf_deinit(&x->body);
}

void exchange_again(struct exchange *x) {
        http_response_reset(&x->call.response);
        x->call.result = 0;
        x->call.error = (struct error){ 0 };
        x->call.attempts = 0;
        x->call.uncertain = false;
}

int ddb_built(int r, const char *operation, struct error *reterr) {
        if (!r)
                return 0;
        if (r == -ENOMEM)
                return error_set(reterr, ERR_MEMORY, "%s: out of memory", operation);
        if (r == -EFBIG)
                return error_set(reterr, ERR_TOO_LARGE, "%s: the request is over %zu MB", operation,
                                 DDB_REQUEST_MAX / MIB);
        return error_set(reterr, ERR_INPUT, "%s: the request does not fit the table's keys", operation);
}

int exchange_run(struct ddb_store *d, struct op_ctx *ctx, struct exchange *x, int built, struct error *reterr) {
        int r;

        r = ddb_built(built, x->call.operation, reterr);
        if (r)
                return r;
        x->call.body = buf_view(&x->body);
        r = aws_client_call(d->client, ctx, &x->call);
        if (r && reterr)
                *reterr = x->call.error;
        return r;
}

void ddb_account(struct op_ctx *ctx, bool write, const struct ddb_usage *usage) {
        bool split = usage->read > 0 || usage->write > 0;
        double rcu = split ? usage->read : write ? 0 : usage->total;
        double wcu = split ? usage->write : write ? usage->total : 0;

        ctx->rcu += rcu;
        ctx->wcu += wcu;
        metric_add(METRIC_MILLI_RCU, (int64_t)(rcu * 1000 + 0.5));
        metric_add(METRIC_MILLI_WCU, (int64_t)(wcu * 1000 + 0.5));
}

void items_move(struct items *to, struct items *from) {
        items_deinit(to);
        *to = *from;
        items_init(from);
}

int ddb_conflict_sleep(struct op_ctx *ctx, unsigned attempt, struct error *reterr) {
        uint64_t most = MIN((50 * NS_PER_MS) << MIN(attempt - 1, 16), 5 * NS_PER_S);

        return op_ctx_sleep_until(ctx, clock_now_ns() + (uint64_t)(rng_unit() * (double)most), reterr);
}

/* ---- reads ---- */

int ddb_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, struct items *ret, struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        _cleanup_(items_deinit) struct items items;
        struct ddb_usage usage;
        int r;

        exchange_init(&x, "GetItem");
        items_init(&items);
        r = exchange_run(ddb_store_of(s), ctx, &x, ddb_request_get(q, &x.body), reterr);
        if (r)
                return r;
        r = ddb_parse_get(&x.call.response.body, &items, &usage, reterr);
        if (r)
                return r;
        ddb_account(ctx, false, &usage);
        items_move(ret, &items);
        return 0;
}

/* A Query or Scan whose request is built; start: where its page begins. */
static int read_page(struct ddb_store *d, struct op_ctx *ctx, struct exchange *x, bool count, const struct item *start,
                     struct items *ret, struct error *reterr) {
        _cleanup_(items_deinit) struct items page;
        struct ddb_usage usage;
        int r;

        items_init(&page);
        r = exchange_run(d, ctx, x, 0, reterr);
        if (r)
                return r;
        r = ddb_parse_page(x->call.operation, &x->call.response.body, count, &page, &usage, reterr);
        if (r)
                return r;
        ddb_account(ctx, false, &usage);
        if (start && page.next && item_equal(start, page.next)) /* it would be asked for again and again */
                return error_set(reterr, ERR_PROTOCOL, "%s: the page ends where it began", x->call.operation);
        items_move(ret, &page);
        return 0;
}

static int ddb_query(struct store *s, struct op_ctx *ctx, const struct query_request *q, struct items *ret,
                     struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        int r;

        exchange_init(&x, "Query");
        r = ddb_built(ddb_request_query(q, &x.body), x.call.operation, reterr);
        return r ? r : read_page(ddb_store_of(s), ctx, &x, q->count, q->start, ret, reterr);
}

static int ddb_scan(struct store *s, struct op_ctx *ctx, const struct scan_request *q, struct items *ret,
                    struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        int r;

        exchange_init(&x, "Scan");
        r = ddb_built(ddb_request_scan(q, &x.body), x.call.operation, reterr);
        return r ? r : read_page(ddb_store_of(s), ctx, &x, q->count, q->start, ret, reterr);
}

/* ---- tables ---- */

static int ddb_list_tables(struct store *s, struct op_ctx *ctx, struct str start, struct names *ret,
                           struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        _cleanup_(names_deinit) struct names names;
        int r;

        exchange_init(&x, "ListTables");
        names_init(&names);
        r = exchange_run(ddb_store_of(s), ctx, &x, ddb_request_list_tables(start, &x.body), reterr);
        if (r)
                return r;
        r = ddb_parse_tables(buf_view(&x.call.response.body), &names, reterr);
        if (r)
                return r;
        if (start.n > 0 && str_eq(start, names.next))
                return error_set(reterr, ERR_PROTOCOL, "ListTables: the page ends where it began");
        names_deinit(ret);
        *ret = names;
        names_init(&names);
        return 0;
}

static int ddb_describe(struct store *s, struct op_ctx *ctx, struct str table, struct table_schema **ret,
                        struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        int r;

        exchange_init(&x, "DescribeTable");
        r = exchange_run(ddb_store_of(s), ctx, &x, ddb_request_describe(table, &x.body), reterr);
        if (r)
                return r;
        return ddb_parse_describe(buf_view(&x.call.response.body), table, ret, reterr);
}

/* ---- the requests as text ---- */

static int explain_get(struct store *s, const struct get_request *q, struct buf *out) {
        (void)s;
        buf_puts(out, "GetItem ");
        return ddb_request_get(q, out);
}

static int explain_query(struct store *s, const struct query_request *q, struct buf *out) {
        (void)s;
        buf_puts(out, "Query ");
        return ddb_request_query(q, out);
}

static int explain_scan(struct store *s, const struct scan_request *q, struct buf *out) {
        (void)s;
        buf_puts(out, "Scan ");
        return ddb_request_scan(q, out);
}

/* ---- the store ---- */

static void ddb_free(struct store *s) {
        mem_free(ddb_store_of(s));
}

static const struct store_ops ddb_ops = {
        .list_tables = ddb_list_tables,
        .describe = ddb_describe,
        .get = ddb_get,
        .batch_get = ddb_batch_get,
        .query = ddb_query,
        .scan = ddb_scan,
        .scan_all = ddb_scan_all,
        .write = ddb_write,
        .batch_write = ddb_batch_write,
        .write_all = ddb_write_all,
        .transact_write = ddb_transact_write,
        .transact_get = ddb_transact_get,
        .explain_get = explain_get,
        .explain_query = explain_query,
        .explain_scan = explain_scan,
        .free = ddb_free,
};

int ddb_store_new(struct aws_client *client, struct store **ret) {
        struct ddb_store *d = mem_zalloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->store.ops = &ddb_ops;
        d->client = client;
        *ret = &d->store;
        return 0;
}
