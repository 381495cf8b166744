/* SPDX-License-Identifier: Apache-2.0 */
/* One request at a time: answers that are lost, in doubt or nonsense, and what the budget of units lets through. */
#include "fake_client.h"

static struct attribute song_attributes[] = { { T("artist"), V_S("a") },
                                              { T("n"), V_N("2") },
                                              { T("song"), V_S("b") } };
static const struct item song = { 3, song_attributes };
static const struct attribute sets[] = { { T("n"), V_N("2") } };
static const struct str removes[] = { T("gone") };
static const struct condition absent = { COND_NOT_EXISTS, T("artist"), NULL };

/* ---- lost answers ---- */

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

/* ---- budget ---- */

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

int main(void) {
        TCase *t = fake_client_case();

        tcase_add_loop_test(t, lost_answers, 0, (int)ARRAY_LEN(lost));
        tcase_add_test(t, lost_and_unreadable);
        tcase_add_test(t, conflicts);
        tcase_add_test(t, conflicts_without_end);
        tcase_add_test(t, transaction_conflicts);
        tcase_add_test(t, transaction_guilt);
        tcase_add_test(t, transaction_conflicts_without_end);
        tcase_add_test(t, page_stands_still);
        tcase_add_test(t, failure_keeps_what_was_there);
        tcase_add_test(t, budget_of_gets);
        return fake_client_run(t, "ddb/answers");
}
