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

#define FIRST_PAGE_NS (50 * NS_PER_MS)

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

/* ---- budgets ---- */

void exchange_reserve(struct exchange *x, struct budget *b) {
        uint64_t start_ns;

        x->budget = b;
        x->reserved = budget_reserve(b, true, clock_now_ns(), &start_ns);
}

void exchange_refund(struct exchange *x) {
        if (x->budget)
                budget_refund(x->budget, true, x->reserved);
        x->budget = NULL;
}

/* Sleep until then, or say at once that it would take too long. */
static int wait_until(struct op_ctx *ctx, uint64_t start_ns, const char *option, const struct budget *b, const char *operation,
                      struct error *reterr) {
        uint64_t now = clock_now_ns();

        if (start_ns <= now)
                return 0;
        if (start_ns >= ctx->deadline_ns)
                return error_set(reterr, ERR_BUSY, "%s: the budget of %s=%g is spent for %.0f s", operation, option, b->rate,
                                 (double)(start_ns - now) / (double)NS_PER_S);
        return op_ctx_sleep_until(ctx, start_ns, reterr);
}

int exchange_wait(struct op_ctx *ctx, struct budget *b, const char *operation, struct error *reterr) {
        uint64_t at = budget_opens(b, clock_now_ns());

        if (at == UINT64_MAX) /* another operation's first page is under way */
                at = clock_now_ns() + FIRST_PAGE_NS;
        return wait_until(ctx, at, strncmp(operation, "BatchW", 6) == 0 ? "max_wcu" : "max_rcu", b, operation, reterr);
}

/* What an operation is charged to; NULL: it costs no units. */
static struct budget *budget_for(struct ddb_store *d, const char *operation, bool *ret_page) {
        static const struct {
                const char *operation;
                bool write, page;
        } known[] = {
                { "GetItem", false, false },   { "Query", false, true },      { "Scan", false, true },
                { "TransactGetItems", false, true }, { "PutItem", true, false }, { "UpdateItem", true, false },
                { "DeleteItem", true, false }, { "TransactWriteItems", true, true },
        };

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
                if (strcmp(known[i].operation, operation) != 0)
                        continue;
                *ret_page = known[i].page;
                return known[i].write ? &d->writes : &d->reads;
        }
        return NULL;
}

int exchange_run(struct ddb_store *d, struct op_ctx *ctx, struct exchange *x, int built, struct error *reterr) {
        struct budget *b;
        double reserved = 0;
        uint64_t start_ns;
        bool page = false;
        int r;

        r = ddb_built(built, x->call.operation, reterr);
        if (r)
                return r;
        x->call.body = buf_view(&x->body);
        b = budget_for(d, x->call.operation, &page);
        if (b) {
                reserved = budget_reserve(b, page, clock_now_ns(), &start_ns);
                r = wait_until(ctx, start_ns, b == &d->writes ? "max_wcu" : "max_rcu", b, x->call.operation, reterr);
        }
        if (r == 0) {
                r = aws_client_call(d->client, ctx, &x->call);
                if (r && reterr)
                        *reterr = x->call.error;
        }
        if (b)
                budget_refund(b, page, reserved);
        return r;
}

void ddb_account(struct ddb_store *d, struct op_ctx *ctx, bool write, const struct ddb_usage *usage) {
        bool split = usage->read > 0 || usage->write > 0;
        double rcu = split ? usage->read : write ? 0 : usage->total;
        double wcu = split ? usage->write : write ? usage->total : 0;

        ctx->rcu += rcu;
        ctx->wcu += wcu;
        budget_charge(&d->reads, rcu);
        budget_charge(&d->writes, wcu);
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
        ddb_account(ddb_store_of(s), ctx, false, &usage);
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
        ddb_account(d, ctx, false, &usage);
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
        budget_deinit(&ddb_store_of(s)->reads);
        budget_deinit(&ddb_store_of(s)->writes);
        mem_free(ddb_store_of(s));
}

static const struct store_ops ddb_ops = {
        .list_tables = ddb_list_tables,
        .describe = ddb_describe,
        .describe_all = ddb_describe_all,
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
        budget_init(&d->reads, 0);
        budget_init(&d->writes, 0);
        *ret = &d->store;
        return 0;
}

void ddb_store_limit(struct store *s, double max_rcu, double max_wcu) {
        budget_init(&ddb_store_of(s)->reads, max_rcu);
        budget_init(&ddb_store_of(s)->writes, max_wcu);
}
