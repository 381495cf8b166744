/* SPDX-License-Identifier: Apache-2.0 */
/* BatchWriteItem and BatchGetItem. */
#include "fake_ids.h"

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
        TCase *t = fake_client_case();

        tcase_add_loop_test(t, batch_write_storm, 0, 16);
        tcase_add_test(t, batch_write_blame);
        tcase_add_test(t, batch_write_gives_up);
        tcase_add_test(t, batch_write_denied);
        tcase_add_loop_test(t, batch_write_nonsense, 0, (int)ARRAY_LEN(nonsense));
        tcase_add_test(t, batch_write_splits_by_size);
        tcase_add_loop_test(t, batch_get_storm, 0, 4);
        tcase_add_test(t, batch_get_refusals);
        tcase_add_test(t, out_of_memory);
        return fake_client_run(t, "ddb/batch");
}
