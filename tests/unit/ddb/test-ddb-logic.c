/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no engine does on demand: lost answers, conflicts, throttles, unprocessed batches, nonsense.  The two functions
 * of aws/client.h that ddb/ calls are replaced at link time by the script below.  The clock stands still, and sleeping
 * moves it.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ddbfs/base/clock.h"
#include "ddbfs/base/rng.h"
#include "ddbfs/ddb/ddb.h"

/* ---- the service ---- */

struct reply {
        const char *operation; /* expected; NULL: the end */
        const char *body;
        enum error_kind kind; /* ERR_NONE: 200 */
        const char *code;
        bool uncertain;
};

static const struct reply *script;
static unsigned calls;
static char tokens[16][40]; /* ClientRequestTokens seen */
static char last_body[4096];
static int (*model)(struct aws_call *call); /* instead of a script */

static int answer(struct aws_call *call, const char *body, enum error_kind kind, const char *code) {
        buf_reset(&call->response.body);
        buf_puts(&call->response.body, body);
        call->error = (struct error){ 0 };
        call->result = kind == ERR_NONE ? 0 : error_set(&call->error, kind, "%s", code);
        if (code)
                snprintf(call->error.code, sizeof(call->error.code), "%s", code);
        return call->result;
}

static int serve(struct op_ctx *ctx, struct aws_call *call) {
        const struct reply *r = &script[calls];
        const char *token;

        ck_assert_uint_eq(locks_held(), 0);
        if (op_ctx_check(ctx, &call->error))
                return call->result = -error_errno(call->error.kind);
        calls++;
        if (model)
                return model(call);
        ck_assert_msg(r->operation && str_eq(str_of(r->operation), str_of(call->operation)), "call %u: %s, expected %s",
                      calls, call->operation, r->operation ? r->operation : "no more");
        snprintf(last_body, sizeof(last_body), "%.*s", (int)call->body.n, call->body.p);
        token = strstr(last_body, "ClientRequestToken\":\"");
        if (token && calls <= ARRAY_LEN(tokens))
                snprintf(tokens[calls - 1], sizeof(tokens[0]), "%.36s", token + strlen("ClientRequestToken\":\""));
        call->uncertain = r->uncertain;
        return answer(call, r->body, r->kind, r->code);
}

int aws_client_call(struct aws_client *c, struct op_ctx *ctx, struct aws_call *call) {
        (void)c;
        return serve(ctx, call);
}

/* The last one sent is the first one answered. */
int aws_client_run(struct aws_client *c, struct op_ctx *ctx, const struct aws_run_ops *ops, void *arg,
                   struct error *reterr) {
        struct aws_call *flying[4];
        unsigned n = 0;
        int r;

        (void)c;
        for (;;) {
                struct aws_call *next;

                while (n < ARRAY_LEN(flying) && (next = ops->next(arg)))
                        flying[n++] = next;
                if (n == 0)
                        return 0;
                r = op_ctx_check(ctx, reterr);
                if (r)
                        return r;
                next = flying[--n];
                (void)!serve(ctx, next);
                r = ops->done(arg, next);
                if (r)
                        return r;
        }
}

/* ---- the client ---- */

static struct store *store;
static struct op_ctx ctx;
static struct error err;
static struct items got;

static void set_up(void) {
        clock_fake(NS_PER_S, 1000 * NS_PER_S);
        rng_seed(7);
        op_ctx_init(&ctx, "test", 600 * NS_PER_S);
        items_init(&got);
        ck_assert_int_eq(ddb_store_new(NULL, &store), 0);
        script = NULL;
        model = NULL;
        calls = 0;
        err = (struct error){ 0 };
        memset(tokens, 0, sizeof(tokens));
}

static void tear_down(void) {
        items_deinit(&got);
        store = store_free(store);
        op_ctx_deinit(&ctx);
        rng_seed(0);
        clock_real();
}

static struct attribute song_attributes[] = { { T("artist"), V_S("a") },
                                              { T("n"), V_N("2") },
                                              { T("song"), V_S("b") } };
static const struct item song = { 3, song_attributes };
static const struct attribute sets[] = { { T("n"), V_N("2") } };
static const struct str removes[] = { T("gone") };
static const struct condition absent = { COND_NOT_EXISTS, T("artist"), NULL };
#define KEY .table = &music, .key = { 2, { P_S("a"), P_S("b") } }

/* ---- lost answers ---- */

#define CCF \
        { 0, "{}", ERR_CONDITION, "ConditionalCheckFailedException", true }
#define PUT \
        { .op = WRITE_PUT, .table = &music, .item = &song, .conditions = &absent, .n_conditions = 1 }
#define UPDATE                                                                                      \
        {                                                                                           \
                .op = WRITE_UPDATE, KEY, .set = sets, .n_set = 1, .remove = removes, .n_remove = 1, \
                .conditions = &absent, .n_conditions = 1                                            \
        }
#define DELETE \
        { .op = WRITE_DELETE, KEY, .conditions = &absent, .n_conditions = 1 }
#define ITEM(more) "{\"Item\":{\"artist\":{\"S\":\"a\"},\"song\":{\"S\":\"b\"}" more "}}"

static const struct {
        struct write w;
        bool uncertain;
        const char *now; /* answer of the GetItem; NULL: there must be none */
        int r;
        uint32_t n; /* items returned */
} lost[] = {
        /* it was ours */
        { PUT, true, ITEM(",\"n\":{\"N\":\"2.0\"}"), 0, 0 },
        { UPDATE, true, ITEM(",\"n\":{\"N\":\"2\"},\"other\":{\"S\":\"x\"}"), 0, 1 },
        { DELETE, true, "{}", 0, 0 },
        /* it was not */
        { PUT, true, ITEM(",\"n\":{\"N\":\"3\"}"), -ESTALE, 0 },
        { PUT, true, ITEM(",\"n\":{\"N\":\"2\"},\"other\":{\"S\":\"x\"}"), -ESTALE, 0 },
        { PUT, true, "{}", -ESTALE, 0 },
        { UPDATE, true, ITEM(""), -ESTALE, 0 },
        { UPDATE, true, ITEM(",\"n\":{\"N\":\"1\"}"), -ESTALE, 0 },
        { UPDATE, true, ITEM(",\"n\":{\"N\":\"2\"},\"gone\":{\"S\":\"x\"}"), -ESTALE, 0 },
        { UPDATE, true, "{}", -ESTALE, 0 },
        { DELETE, true, ITEM(""), -ESTALE, 0 },
        /* no doubt, no question */
        { PUT, false, NULL, -ESTALE, 0 },
        { UPDATE, false, NULL, -ESTALE, 0 },
        { DELETE, false, NULL, -ESTALE, 0 },
};

START_TEST(lost_answers) {
        const char *operations[] = { "PutItem", "UpdateItem", "DeleteItem" };
        struct reply replies[] = {
                { operations[lost[_i].w.op], "{}", ERR_CONDITION, "ConditionalCheckFailedException",
                  lost[_i].uncertain },
                { lost[_i].now ? "GetItem" : NULL, lost[_i].now, ERR_NONE, NULL, false },
                { 0 },
        };

        script = replies;
        ck_assert_int_eq(store->ops->write(store, &ctx, &lost[_i].w, &got, &err), lost[_i].r);
        ck_assert_uint_eq(calls, lost[_i].now ? 2 : 1);
        ck_assert_uint_eq(got.n, lost[_i].n);
        if (lost[_i].r)
                ck_assert_int_eq(err.kind, ERR_CONDITION);
        if (lost[_i].now)
                ck_assert_ptr_nonnull(strstr(last_body, "\"ConsistentRead\":true"));
}
END_TEST

START_TEST(lost_and_unreadable) {
        const struct write w = PUT;
        const struct reply replies[] = {
                { "PutItem", "{}", ERR_CONDITION, "ConditionalCheckFailedException", true },
                { "GetItem", "", ERR_TIMEOUT, "", false },
        };

        script = replies;
        ck_assert_int_eq(store->ops->write(store, &ctx, &w, &got, &err), -ETIMEDOUT);
        ck_assert_int_eq(err.kind, ERR_TIMEOUT);
}
END_TEST

/* ---- conflicts ---- */

#define CONFLICT(op, doubt) \
        { op, "{}", ERR_BUSY, "TransactionConflictException", doubt }

START_TEST(conflicts) {
        const struct write w = PUT;
        const struct reply replies[] = {
                CONFLICT("PutItem", true),
                CONFLICT("PutItem", false),
                /* the doubt of the first attempt is not forgotten */
                { "PutItem", "{}", ERR_CONDITION, "ConditionalCheckFailedException", false },
                { "GetItem", ITEM(",\"n\":{\"N\":\"2\"}"), ERR_NONE, NULL, false },
        };
        uint64_t before = clock_now_ns();

        script = replies;
        ck_assert_int_eq(store->ops->write(store, &ctx, &w, &got, &err), 0);
        ck_assert_uint_eq(calls, 4);
        ck_assert_uint_gt(clock_now_ns(), before);
}
END_TEST

START_TEST(conflicts_without_end) {
        const struct reply c = CONFLICT("DeleteItem", false);
        const struct reply replies[] = { c, c, c, c, c, c, c, c, { 0 } };
        const struct write w = DELETE;

        script = replies;
        ck_assert_int_eq(store->ops->write(store, &ctx, &w, &got, &err), -EBUSY);
        ck_assert_uint_eq(calls, 8);
        op_ctx_cancel(&ctx);
        calls = 0;
        ck_assert_int_eq(store->ops->write(store, &ctx, &w, &got, &err), -EINTR);
}
END_TEST

#define CANCELLED(reasons) \
        { "TransactWriteItems", "{\"CancellationReasons\":[" reasons "]}", ERR_CANCELLED, "x", false }

START_TEST(transaction_conflicts) {
        const struct write w[] = { PUT, DELETE };
        const struct reply replies[] = {
                CANCELLED("{\"Code\":\"None\"},{\"Code\":\"TransactionConflict\"}"),
                CANCELLED("{\"Code\":\"ThrottlingError\"},{\"Code\":\"None\"}"),
                { "TransactWriteItems", "{\"ConsumedCapacity\":[{\"CapacityUnits\":8}]}", ERR_NONE, NULL, false },
        };

        script = replies;
        ck_assert_int_eq(store->ops->transact_write(store, &ctx, w, 2, &err), 0);
        ck_assert_uint_eq(calls, 3);
        ck_assert_uint_eq(strlen(tokens[0]), 36);
        ck_assert_str_eq(tokens[0], tokens[1]); /* one idempotency token over all attempts */
        ck_assert_str_eq(tokens[0], tokens[2]);
        ck_assert(ctx.wcu == 8 && ctx.rcu == 0);
        calls = 2;
        ck_assert_int_eq(store->ops->transact_write(store, &ctx, w, 2, &err), 0);
        ck_assert_str_ne(tokens[0], tokens[2]); /* ... and another for the next transaction */
}
END_TEST

START_TEST(transaction_guilt) {
        const struct write w[] = { PUT, DELETE, DELETE };
        const struct reply replies[] = {
                CANCELLED("{\"Code\":\"TransactionConflict\"},{\"Code\":\"None\"},{\"Code\":\"ConditionalCheckFailed\","
                          "\"Message\":\"The conditional request failed\"}"),
                { 0 },
        };

        script = replies;
        ck_assert_int_eq(store->ops->transact_write(store, &ctx, w, 3, &err), -ECANCELED);
        ck_assert_uint_eq(calls, 1);
        ck_assert_uint_eq(err.action, 2);
        ck_assert_str_eq(err.code, "ConditionalCheckFailed");
        ck_assert_ptr_nonnull(strstr(err.message, "The conditional request failed"));
}
END_TEST

START_TEST(transaction_conflicts_without_end) {
        const struct reply c = CANCELLED("{\"Code\":\"TransactionConflict\"}");
        const struct reply odd = { "TransactWriteItems", "<html>", ERR_CANCELLED, "TransactionCanceledException",
                                   false };
        const struct reply replies[] = { c, c, c, c, c, c, c, c, odd, { 0 } };
        const struct write w = PUT;

        script = replies;
        ck_assert_int_eq(store->ops->transact_write(store, &ctx, &w, 1, &err), -EBUSY);
        ck_assert_uint_eq(calls, 8);
        ck_assert_int_eq(store->ops->transact_write(store, &ctx, &w, 1, &err), -ECANCELED);
        ck_assert_str_eq(err.code, "TransactionCanceledException");
        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "short", 20 * NS_PER_MS);
        calls = 0;
        ck_assert_int_eq(store->ops->transact_write(store, &ctx, &w, 1, &err), -ETIMEDOUT);
}
END_TEST

/* ---- reads ---- */

START_TEST(page_stands_still) {
        struct attribute key[] = { { T("artist"), V_S("a") }, { T("song"), V_S("b") } };
        const struct item start = { 2, key };
        const struct query_request q = { .table = &music, .hash = { 1, { P_S("a") } }, .start = &start };
        const struct scan_request sq = { .table = &music, .start = &start };
        const char *body = "{\"Items\":[],\"LastEvaluatedKey\":{\"song\":{\"S\":\"b\"},\"artist\":{\"S\":\"a\"}},"
                           "\"ConsumedCapacity\":{\"CapacityUnits\":2.5}}";
        const struct reply replies[] = {
                { "Query", body, ERR_NONE, NULL, false },
                { "Scan", body, ERR_NONE, NULL, false },
                { "ListTables", "{\"TableNames\":[\"t\"],\"LastEvaluatedTableName\":\"t\"}", ERR_NONE, NULL, false },
        };
        struct names names;

        names_init(&names);
        script = replies;
        ck_assert_int_eq(store->ops->query(store, &ctx, &q, &got, &err), -EIO);
        ck_assert_int_eq(err.kind, ERR_PROTOCOL);
        ck_assert_int_eq(store->ops->scan(store, &ctx, &sq, &got, &err), -EIO);
        ck_assert_int_eq(store->ops->list_tables(store, &ctx, STR("t"), &names, &err), -EIO);
        ck_assert(ctx.rcu == 5);
        names_deinit(&names);
}
END_TEST

START_TEST(failure_keeps_what_was_there) {
        const struct get_request q = { KEY };
        const struct reply replies[] = {
                { "GetItem", ITEM(""), ERR_NONE, NULL, false },
                { "GetItem", "{\"Item\":7}", ERR_NONE, NULL, false },
                { "GetItem", "{}", ERR_ACCESS, "AccessDeniedException", false },
                { "GetItem", "{}", ERR_NONE, NULL, false },
        };

        script = replies;
        ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, &err), 0);
        ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, &err), -EIO);
        ck_assert_uint_eq(got.n, 1);
        ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, NULL), -EACCES);
        ck_assert_uint_eq(got.n, 1);
        ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, &err), 0);
        ck_assert_uint_eq(got.n, 0);
}
END_TEST

/* ---- batches: a service that does what it likes ---- */

#define IDS 300
static struct {
        unsigned left_percent, throttle_percent;
        char state[IDS]; /* 'P' put, 'D' deleted, 0 neither */
        unsigned bad;    /* id of which every batch is refused */
        unsigned most;   /* units in the largest batch */
} service;

static bool chance(unsigned percent) {
        return rng_unit() * 100 < percent;
}

/* The next unit of a BatchWriteItem at *p: its id, and whether it is a put. */
static bool next_unit(const char **p, const char *end, unsigned *id, bool *put) {
        static const char item[] = "\"Item\":{\"id\":{\"N\":\"", key[] = "\"Key\":{\"id\":{\"N\":\"";
        const char *i = memmem(*p, (size_t)(end - *p), item, sizeof(item) - 1);
        const char *k = memmem(*p, (size_t)(end - *p), key, sizeof(key) - 1);

        *put = i && (!k || i < k);
        if (!i && !k)
                return false;
        *p = *put ? i + sizeof(item) - 1 : k + sizeof(key) - 1;
        *id = (unsigned)atoi(*p);
        return true;
}

static int write_model(struct aws_call *call) {
        const char *p = call->body.p, *end = p + call->body.n;
        struct buf left = BUF_INIT(MIB);
        bool seen[IDS] = { false }, put;
        unsigned id, n = 0, n_left = 0;
        int r;

        if (chance(service.throttle_percent))
                return answer(call, "{}", ERR_BUSY, "ProvisionedThroughputExceededException");
        buf_puts(&left, "{\"UnprocessedItems\":{\"Users\":[");
        while (next_unit(&p, end, &id, &put)) {
                ck_assert_uint_lt(id, IDS);
                ck_assert_msg(!seen[id], "%u twice in a batch", id);
                seen[id] = true;
                n++;
        }
        service.most = MAX(service.most, n);
        if (service.bad < IDS && seen[service.bad]) {
                buf_deinit(&left);
                return answer(call, "{}", ERR_VALIDATION, "ValidationException");
        }
        for (p = call->body.p; next_unit(&p, end, &id, &put);) {
                if (!chance(service.left_percent))
                        service.state[id] = put ? 'P' : 'D';
                else
                        buf_printf(&left, "%s{\"%s\":{\"%s\":{\"id\":{\"N\":\"%u\"}}}}", n_left++ ? "," : "",
                                   put ? "PutRequest" : "DeleteRequest", put ? "Item" : "Key", id);
        }
        buf_puts(&left, "]}}");
        r = answer(call, buf_view(&left).p, ERR_NONE, NULL);
        buf_deinit(&left);
        return r;
}

/* ---- parallel scans: a table of numbered items, five a page, each segment every nth of them ---- */

static struct {
        unsigned items, throttle_percent, fail_at, pages, rooms, wait_rooms, stand_still;
        unsigned most; /* pages that room was made for and that have not come */
        unsigned asked, room_max;
        char seen[IDS];
} scanned;

static unsigned number_after(struct str body, const char *name, unsigned by_default) {
        const char *p = memmem(body.p, body.n, name, strlen(name));

        return p ? (unsigned)atoi(p + strlen(name)) : by_default;
}

static int scan_model(struct aws_call *call) {
        unsigned total = number_after(call->body, "\"TotalSegments\":", 1), n = 0;
        unsigned segment = number_after(call->body, "\"Segment\":", 0), last = IDS;
        unsigned from = number_after(call->body, "\"ExclusiveStartKey\":{\"id\":{\"N\":\"", IDS);
        struct buf page = BUF_INIT(MIB);
        int r;

        if (chance(scanned.throttle_percent))
                return answer(call, "{}", ERR_BUSY, "ProvisionedThroughputExceededException");
        if (scanned.fail_at && calls == scanned.fail_at)
                return answer(call, "{}", ERR_ACCESS, "AccessDeniedException");
        buf_puts(&page, "{\"Items\":[");
        from = from == IDS ? segment : scanned.stand_still ? from : from + total;
        for (; from < scanned.items && n < (scanned.stand_still ? 1u : 5u); from += total) {
                buf_printf(&page, "%s{\"id\":{\"N\":\"%u\"}}", n++ ? "," : "", from);
                last = from;
        }
        buf_printf(&page, "],\"Count\":%u,\"ScannedCount\":%u,\"ConsumedCapacity\":{\"CapacityUnits\":0.5}", n, n);
        if (from < scanned.items && n > 0)
                buf_printf(&page, ",\"LastEvaluatedKey\":{\"id\":{\"N\":\"%u\"}}", last);
        buf_puts(&page, "}");
        r = answer(call, buf_view(&page).p, ERR_NONE, NULL);
        buf_deinit(&page);
        return r;
}

static bool scan_room(void *arg, bool wait) {
        (void)arg;
        ck_assert_uint_eq(locks_held(), 0);
        scanned.rooms++;
        scanned.wait_rooms += wait;
        if (wait ? scanned.room_max == 0 : scanned.asked >= scanned.room_max)
                return false;
        scanned.asked++;
        scanned.most = MAX(scanned.most, scanned.asked);
        return true;
}

static int scan_page(void *arg, struct items *page, struct error *e) {
        (void)arg;
        scanned.asked--;
        scanned.pages++;
        for (uint32_t i = 0; i < page->n; i++)
                scanned.seen[atoi(page->v[i].attributes[0].value.text.p)]++;
        return scanned.pages == 1000 ? error_set(e, ERR_INTERNAL, "enough") : 0;
}

static int scan_all(uint32_t segments) {
        const struct scan_request q = { .table = &users };
        const struct scan_sink sink = { .room = scan_room, .page = scan_page };

        return store->ops->scan_all(store, &ctx, &q, segments, &sink, &err);
}

START_TEST(scans_in_segments) {
        static const struct {
                uint32_t segments;
                unsigned items, throttle_percent, room_max;
        } t[] = { { 1, 23, 0, 9 }, { 4, 103, 0, 9 }, { 4, 103, 0, 1 }, { 16, 3, 0, 4 }, { 7, 250, 40, 3 }, { 64, 290, 20, 64 } };

        model = scan_model;
        memset(&scanned, 0, sizeof(scanned));
        scanned.items = t[_i].items;
        scanned.throttle_percent = t[_i].throttle_percent;
        scanned.room_max = t[_i].room_max;
        ck_assert_int_eq(scan_all(t[_i].segments), 0);
        for (unsigned i = 0; i < IDS; i++)
                ck_assert_int_eq(scanned.seen[i], i < t[_i].items);
        ck_assert_uint_eq(scanned.asked, 0);
        ck_assert_uint_le(scanned.most, t[_i].room_max);
        if (!t[_i].throttle_percent)
                ck_assert_uint_eq(calls, scanned.pages);
        ck_assert_double_eq_tol(ctx.rcu, scanned.pages / 2.0, 0.01);
}
END_TEST

START_TEST(scans_that_end) {
        model = scan_model;
        memset(&scanned, 0, sizeof(scanned));
        scanned.items = 250;
        scanned.room_max = 4;
        scanned.fail_at = 7;
        ck_assert_int_eq(scan_all(4), -EACCES);
        ck_assert_str_eq(err.code, "AccessDeniedException");
        scanned.fail_at = 0;
        scanned.asked = 0;
        scanned.throttle_percent = 100;
        ck_assert_int_eq(scan_all(4), -EBUSY);
        scanned.throttle_percent = 0;
        scanned.asked = 0;
        scanned.stand_still = 1;
        ck_assert_int_eq(scan_all(2), -EIO);
        scanned.stand_still = 0;
        scanned.room_max = 0;
        ck_assert_int_eq(scan_all(2), -EINTR);
        scanned.asked = 0;
        scanned.room_max = 4;
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(scan_all(2), -EINTR);
}
END_TEST

static char id_text[IDS][16];
static struct attribute id_attributes[IDS];
static struct item id_items[IDS];

static void name_ids(void) {
        for (unsigned i = 0; i < IDS; i++) {
                snprintf(id_text[i], sizeof(id_text[i]), "%u", i);
                id_attributes[i] = (struct attribute){ STR("id"), { .type = VALUE_N, .text = str_of(id_text[i]) } };
                id_items[i] = (struct item){ 1, &id_attributes[i] };
        }
        memset(&service, 0, sizeof(service));
        service.bad = IDS;
}

static struct write unit_write(unsigned id, bool put) {
        struct write w = { .op = put ? WRITE_PUT : WRITE_DELETE, .table = &users, .item = &id_items[id] };

        w.key = (struct key){ 1, { { VALUE_N, str_of(id_text[id]) } } };
        return w;
}

#define WRITES 700
static struct write many[WRITES];
static int results[WRITES];

/* Random puts and deletes of few ids: at the end each id is as its last write said. */
START_TEST(batch_write_storm) {
        char want[IDS] = { 0 };

        rng_seed((uint64_t)_i + 1);
        name_ids();
        service.left_percent = (unsigned)(_i % 4) * 20;
        service.throttle_percent = (unsigned)(_i / 4) * 10;
        for (unsigned i = 0; i < WRITES; i++) {
                unsigned id = (unsigned)(rng_u64() % IDS);
                bool put = rng_u64() & 1;

                many[i] = unit_write(id, put);
                want[id] = put ? 'P' : 'D';
        }
        model = write_model;
        ck_assert_msg(store->ops->batch_write(store, &ctx, many, WRITES, results, &err) == 0, "%s", err.message);
        ck_assert_mem_eq(service.state, want, IDS);
        ck_assert_uint_eq(service.most, BATCH_WRITE_MAX);
        for (unsigned i = 0; i < WRITES; i++)
                ck_assert_int_eq(results[i], 0);
}
END_TEST

/* ---- budgets: the clock stands still but for sleeping, so it shows what was waited for ---- */

#define WAITED_S ((double)(clock_now_ns() - NS_PER_S) / (double)NS_PER_S)

START_TEST(budget_of_gets) {
        static const struct reply one = { "GetItem", "{\"ConsumedCapacity\":{\"CapacityUnits\":1}}", ERR_NONE, NULL, false };
        struct reply replies[32];
        const struct get_request q = { KEY };
        struct op_ctx hurry;

        for (size_t i = 0; i < ARRAY_LEN(replies); i++)
                replies[i] = one;
        script = replies;
        ddb_store_limit(store, 2, 0);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, &err), 0);
        ck_assert_double_ge(WAITED_S, 8.4);
        ck_assert_double_le(WAITED_S, 9.1);
        /* no time for it: said at once, and nothing reserved is left behind */
        ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, &err), 0);
        op_ctx_init(&hurry, "test", NS_PER_MS);
        for (unsigned i = 0; i < 100; i++)
                ck_assert_int_eq(store->ops->get(store, &hurry, &q, &got, &err), -EBUSY);
        ck_assert_ptr_nonnull(strstr(err.message, "max_rcu=2"));
        op_ctx_cancel(&hurry);
        op_ctx_deinit(&hurry);
        ck_assert_uint_eq(calls, 21);
        ck_assert_int_eq(store->ops->get(store, &ctx, &q, &got, &err), 0);
        ck_assert_double_le(WAITED_S, 10.1);
}
END_TEST

START_TEST(budget_of_scans) {
        model = scan_model;
        memset(&scanned, 0, sizeof(scanned));
        scanned.items = 250;
        scanned.room_max = 64;
        ddb_store_limit(store, 5, 0);
        ck_assert_int_eq(scan_all(8), 0);
        for (unsigned i = 0; i < IDS; i++)
                ck_assert_int_eq(scanned.seen[i], i < 250);
        ck_assert_double_ge(WAITED_S, (ctx.rcu - 5 - 8 * 0.5) / 5); /* a second's worth was there, and eight were in flight */
        ck_assert_double_le(WAITED_S, ctx.rcu / 5 + 1);
        ddb_store_limit(store, 0, 0);
}
END_TEST

/* ---- a stream of writes: 3,000 puts and deletes of IDS keys, in order, some a few at a time ---- */

#define STREAMED 3000
static struct {
        struct write w[STREAMED];
        unsigned next, ended, refused, trickle;
        char expected[IDS];
        bool over[STREAMED];
} streamed;

static struct write *stream_next(void *arg, bool wait) {
        (void)arg;
        ck_assert_uint_eq(locks_held(), 0);
        if (streamed.next == STREAMED || (streamed.trickle && !wait && streamed.next % streamed.trickle == 0))
                return NULL;
        return &streamed.w[streamed.next++];
}

static void stream_done(void *arg, struct write *w, int result, const struct error *why) {
        (void)arg;
        ck_assert(w >= streamed.w && w < streamed.w + STREAMED && !streamed.over[w - streamed.w]);
        streamed.over[w - streamed.w] = true;
        streamed.ended++;
        streamed.refused += result != 0;
        ck_assert(result == 0 || (why && why->kind == ERR_VALIDATION));
}

static int stream(unsigned trickle) {
        const struct write_source source = { .next = stream_next, .done = stream_done };

        memset(&streamed, 0, sizeof(streamed));
        streamed.trickle = trickle;
        for (unsigned i = 0; i < STREAMED; i++) {
                unsigned id = (unsigned)(rng_unit() * (i % 3 ? IDS : 7)) % IDS;

                streamed.w[i] = (struct write){ .op = i % 5 ? WRITE_PUT : WRITE_DELETE, .table = &users };
                if (i % 5)
                        streamed.w[i].item = &id_items[id];
                else
                        streamed.w[i].key = (struct key){ 1, { { VALUE_N, str_of(id_text[id]) } } };
                streamed.expected[id] = i % 5 ? 'P' : 'D';
        }
        return store->ops->write_all(store, &ctx, &source, &err);
}

START_TEST(streams_of_writes) {
        static const struct {
                unsigned left_percent, throttle_percent, trickle, bad;
        } t[] = { { 0, 0, 0, IDS }, { 0, 0, 10, IDS }, { 30, 10, 0, IDS }, { 20, 0, 40, IDS }, { 0, 0, 0, 3 }, { 20, 10, 60, 5 } };

        name_ids();
        memset(&service, 0, sizeof(service));
        service.left_percent = t[_i].left_percent;
        service.throttle_percent = t[_i].throttle_percent;
        service.bad = t[_i].bad;
        model = write_model;
        ck_assert_int_eq(stream(t[_i].trickle), 0);
        ck_assert_uint_eq(streamed.ended, STREAMED);
        for (unsigned i = 0; i < IDS; i++)
                if (i != t[_i].bad)
                        ck_assert_int_eq(service.state[i], streamed.expected[i]);
        ck_assert_int_eq(streamed.refused > 0, t[_i].bad < IDS);
        if (t[_i].bad == IDS && !t[_i].trickle && !t[_i].left_percent)
                ck_assert_uint_le(calls, STREAMED / 25 + 150);
}
END_TEST

START_TEST(stream_stopped) {
        name_ids();
        memset(&service, 0, sizeof(service));
        service.bad = IDS;
        service.throttle_percent = 100;
        model = write_model;
        ck_assert_int_eq(stream(0), -EBUSY);
        ck_assert_uint_eq(streamed.ended, 0);
        service.throttle_percent = 0;
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(stream(0), -EINTR);
}
END_TEST

START_TEST(batch_write_blame) {
        name_ids();
        for (unsigned i = 0; i < 100; i++)
                many[i] = unit_write(i, true);
        service.bad = 42;
        model = write_model;
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, 100, results, &err), -EINVAL);
        ck_assert_int_eq(err.kind, ERR_VALIDATION);
        for (unsigned i = 0; i < 100; i++) {
                ck_assert_int_eq(results[i], i == 42 ? -EINVAL : 0);
                ck_assert_int_eq(service.state[i], i == 42 ? 0 : 'P');
        }
        ck_assert_uint_eq(calls, 4 + 25);
}
END_TEST

START_TEST(batch_write_gives_up) {
        name_ids();
        for (unsigned i = 0; i < 30; i++)
                many[i] = unit_write(i, true);
        /* nothing is ever processed */
        service.left_percent = 100;
        model = write_model;
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, 30, results, &err), -EBUSY);
        ck_assert_uint_lt(calls, 40);
        for (unsigned i = 0; i < 30; i++)
                ck_assert_int_eq(results[i], -EBUSY);
        /* nothing but throttles */
        service.left_percent = 0;
        service.throttle_percent = 100;
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, 30, results, &err), -EBUSY);
        ck_assert_str_eq(err.code, "ProvisionedThroughputExceededException");
        /* the deadline is earlier */
        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "short", 100 * NS_PER_MS);
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, 30, results, &err), -ETIMEDOUT);
        ck_assert_int_eq(results[29], -ETIMEDOUT);
}
END_TEST

static int denied_model(struct aws_call *call) {
        return answer(call, "{}", ERR_ACCESS, "AccessDeniedException");
}

START_TEST(batch_write_denied) {
        name_ids();
        for (unsigned i = 0; i < IDS; i++)
                many[i] = unit_write(i, true);
        model = denied_model;
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, IDS, results, &err), -EACCES);
        ck_assert_uint_eq(calls, 1); /* it would be the same for all */
        for (unsigned i = 0; i < IDS; i++)
                ck_assert_int_eq(results[i], -EACCES);
}
END_TEST

static const char *nonsense[] = {
        "[]",
        "{\"UnprocessedItems\":{\"Users\":[{\"PutRequest\":{\"Item\":{\"id\":{\"N\":\"77\"}}}}]}}",
        "{\"UnprocessedItems\":{\"Others\":[{\"PutRequest\":{\"Item\":{\"id\":{\"N\":\"1\"}}}}]}}",
        "{\"UnprocessedItems\":{\"Users\":[{\"PutRequest\":{\"Item\":{\"no\":{\"N\":\"1\"}}}}]}}",
        "{\"UnprocessedItems\":{\"Users\":[{\"PutRequest\":{\"Item\":{\"id\":{\"S\":\"1\"}}}}]}}",
        ("{\"UnprocessedItems\":{\"Users\":[{\"PutRequest\":{\"Item\":{\"id\":{\"N\":\"1\"}}}},"
        "{\"PutRequest\":{\"Item\":{\"id\":{\"N\":\"1\"}}}}]}}"),
};
static int nonsense_at;

static int nonsense_model(struct aws_call *call) {
        return answer(call, nonsense[nonsense_at], ERR_NONE, NULL);
}

START_TEST(batch_write_nonsense) {
        name_ids();
        for (unsigned i = 0; i < 3; i++)
                many[i] = unit_write(i, true);
        nonsense_at = _i;
        model = nonsense_model;
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, 3, results, &err), -EIO);
        ck_assert_int_eq(err.kind, ERR_PROTOCOL);
        ck_assert_int_eq(results[2], -EIO);
}
END_TEST

static int size_model(struct aws_call *call) {
        ck_assert_uint_le(call->body.n, 16 * MIB);
        return answer(call, "{}", ERR_NONE, NULL);
}

/* 25 items whose text is six times their size do not go into one request. */
START_TEST(batch_write_splits_by_size) {
        size_t n = 390 * KIB;
        char *ones = malloc(n), *huge = malloc(3 * MIB);
        struct attribute a[30][2];
        struct item items[30];

        name_ids();
        memset(ones, 1, n); /* \u0001 */
        memset(huge, 1, 3 * MIB);
        for (unsigned i = 0; i < 30; i++) {
                a[i][0] = id_attributes[i];
                a[i][1] = (struct attribute){ STR("x"), { .type = VALUE_S, .text = str_make(ones, n) } };
                items[i] = (struct item){ 2, a[i] };
                many[i] = unit_write(i, true);
                many[i].item = &items[i];
        }
        model = size_model;
        ck_assert_msg(store->ops->batch_write(store, &ctx, many, 25, results, &err) == 0, "%s", err.message);
        ck_assert_uint_gt(calls, 3);
        /* one that cannot be sent at all does not hold the others up */
        a[3][1].value.text = str_make(huge, 3 * MIB);
        ck_assert_int_eq(store->ops->batch_write(store, &ctx, many, 30, results, &err), -EFBIG);
        for (unsigned i = 0; i < 30; i++)
                ck_assert_int_eq(results[i], i == 3 ? -EFBIG : 0);
        free(ones);
        free(huge);
}
END_TEST

static int get_model(struct aws_call *call) {
        const char *p = call->body.p, *end = p + call->body.n;
        struct buf found = BUF_INIT(MIB), left = BUF_INIT(MIB);
        unsigned id, n = 0, n_left = 0, n_found = 0;
        bool seen[IDS] = { false };
        int r;

        if (chance(service.throttle_percent))
                return answer(call, "{}", ERR_BUSY, "ProvisionedThroughputExceededException");
        while ((p = memmem(p, (size_t)(end - p), "{\"N\":\"", 6))) {
                p += 6;
                id = (unsigned)atoi(p);
                ck_assert(id < IDS && !seen[id]);
                seen[id] = true;
                n++;
                if (chance(service.left_percent))
                        buf_printf(&left, "%s{\"id\":{\"N\":\"%u\"}}", n_left++ ? "," : "", id);
                else if (id % 3)
                        buf_printf(&found, "%s{\"id\":{\"N\":\"%u\"}}", n_found++ ? "," : "", id);
        }
        ck_assert_uint_le(n, BATCH_GET_MAX);
        buf_puts(&found, "]},\"UnprocessedKeys\":{\"Users\":{\"Keys\":[");
        buf_str(&found, buf_view(&left));
        buf_puts(&found, "]}},\"ConsumedCapacity\":[{\"CapacityUnits\":1}]}");
        buf_reset(&left);
        buf_puts(&left, "{\"Responses\":{\"Users\":[");
        buf_str(&left, buf_view(&found));
        r = answer(call, buf_view(&left).p, ERR_NONE, NULL);
        buf_deinit(&found);
        buf_deinit(&left);
        return r;
}

START_TEST(batch_get_storm) {
        struct get_request q[IDS + 20];
        bool seen[IDS] = { false };

        rng_seed((uint64_t)_i + 1);
        name_ids();
        service.left_percent = (unsigned)_i * 20;
        service.throttle_percent = (unsigned)_i * 10;
        for (unsigned i = 0; i < ARRAY_LEN(q); i++)
                q[i] = (struct get_request){ .table = &users, .key = unit_write(i % IDS, true).key };
        model = get_model;
        ck_assert_msg(store->ops->batch_get(store, &ctx, q, ARRAY_LEN(q), &got, &err) == 0, "%s", err.message);
        ck_assert_uint_eq(got.n, IDS / 3 * 2);
        ck_assert_uint_eq(got.count, got.n);
        for (uint32_t i = 0; i < got.n; i++) {
                int id = atoi(item_get(&got.v[i], STR("id"))->text.p);

                ck_assert(id % 3 != 0 && !seen[id]);
                seen[id] = true;
        }
        ck_assert(ctx.rcu > 0 && ctx.wcu == 0);
}
END_TEST

START_TEST(batch_get_refusals) {
        const struct get_request two[] = {
                { .table = &users, .key = { 1, { P_N("1") } } },
                { KEY },
        };
        const struct get_request bad = { .table = &users, .key = { 1, { P_S("1") } } };

        ck_assert_int_eq(store->ops->batch_get(store, &ctx, two, 2, &got, &err), -EINVAL);
        ck_assert_int_eq(store->ops->batch_get(store, &ctx, &bad, 1, &got, &err), -EINVAL);
        ck_assert_uint_eq(calls, 0);
        model = denied_model;
        ck_assert_int_eq(store->ops->batch_get(store, &ctx, two, 1, &got, &err), -EACCES);
        ck_assert_int_eq(err.kind, ERR_ACCESS);
}
END_TEST

/* ---- memory ---- */

START_TEST(out_of_memory) {
        struct get_request q[102];
        bool all_done = false;

        name_ids();
        for (unsigned i = 0; i < ARRAY_LEN(q); i++)
                q[i] = (struct get_request){ .table = &users, .key = unit_write(i, true).key };
        for (unsigned i = 0; i < 30; i++)
                many[i] = unit_write(i % 20, i & 1);
        for (unsigned long n = 1; !all_done; n++) {
                int r, w;

                ck_assert_uint_lt(n, 2000);
                items_deinit(&got);
                mem_fail_at(n);
                model = write_model;
                w = store->ops->batch_write(store, &ctx, many, 30, results, &err);
                model = get_model;
                r = w ? 0 : store->ops->batch_get(store, &ctx, q, ARRAY_LEN(q), &got, &err);
                mem_fail_at(0);
                /* an answer cut short by the fake's own failed allocation is nonsense */
                ck_assert_msg(w == 0 || w == -ENOMEM || w == -EIO, "%d: %s", w, err.message);
                ck_assert_msg(r == 0 || r == -ENOMEM || r == -EIO, "%d: %s", r, err.message);
                for (unsigned i = 0; w && i < 30; i++)
                        ck_assert(results[i] == 0 || results[i] == w);
                all_done = w == 0 && r == 0 && got.n == 68 && n > 30;
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("ddb/logic");
        TCase *t = tcase_create("script");
        SRunner *sr;
        int failed;

        tcase_set_timeout(t, 60);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_loop_test(t, lost_answers, 0, (int)ARRAY_LEN(lost));
        tcase_add_test(t, lost_and_unreadable);
        tcase_add_test(t, conflicts);
        tcase_add_test(t, conflicts_without_end);
        tcase_add_test(t, transaction_conflicts);
        tcase_add_test(t, transaction_guilt);
        tcase_add_test(t, transaction_conflicts_without_end);
        tcase_add_loop_test(t, scans_in_segments, 0, 6);
        tcase_add_test(t, scans_that_end);
        tcase_add_test(t, page_stands_still);
        tcase_add_test(t, failure_keeps_what_was_there);
        tcase_add_loop_test(t, batch_write_storm, 0, 16);
        tcase_add_test(t, budget_of_gets);
        tcase_add_test(t, budget_of_scans);
        tcase_add_loop_test(t, streams_of_writes, 0, 6);
        tcase_add_test(t, stream_stopped);
        tcase_add_test(t, batch_write_blame);
        tcase_add_test(t, batch_write_gives_up);
        tcase_add_test(t, batch_write_denied);
        tcase_add_loop_test(t, batch_write_nonsense, 0, (int)ARRAY_LEN(nonsense));
        tcase_add_test(t, batch_write_splits_by_size);
        tcase_add_loop_test(t, batch_get_storm, 0, 4);
        tcase_add_test(t, batch_get_refusals);
        tcase_add_test(t, out_of_memory);
        suite_add_tcase(s, t);
        sr = srunner_create(s);
        srunner_run_all(sr, CK_ENV);
        failed = srunner_ntests_failed(sr);
        srunner_free(sr);
        return failed != 0;
}
