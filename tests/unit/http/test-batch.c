/* SPDX-License-Identifier: Apache-2.0 */
/* Several exchanges at once, driven by one thread. */
#include "transport-fixture.h"

#define PLACES 8

static struct http_request batch_requests[PLACES];
static struct http_response batch_responses[PLACES];

static void batch_set_up(void) {
        set_up();
        for (unsigned i = 0; i < PLACES; i++) {
                batch_requests[i] = request_of("POST", "batch");
                http_response_init(&batch_responses[i]);
        }
}

static void batch_tear_down(void) {
        for (unsigned i = 0; i < PLACES; i++)
                http_response_deinit(&batch_responses[i]);
        tear_down();
}

static struct http_batch *batch_of(unsigned n) {
        struct http_batch *b = NULL;

        ck_assert_int_eq(http_batch_new(transport, &ctx, n, &b, &error), 0);
        return b;
}

static void start(struct http_batch *b, unsigned place) {
        ck_assert_int_eq(http_batch_start(b, place, &batch_requests[place], &batch_responses[place], &error), 0);
}

START_TEST(test_batch) {
        struct http_batch *b = batch_of(PLACES);
        uint64_t begin = clock_now_ns();
        unsigned seen = 0, place;
        int result;

        for (unsigned i = 0; i < 2 * PLACES; i++)
                server_step(server, (struct server_step){ .delay_ms = 50 });
        for (unsigned i = 0; i < PLACES; i++)
                start(b, i);
        ck_assert_int_eq(http_batch_start(b, 0, &batch_requests[0], &batch_responses[0], &error), -EIO);
        ck_assert_int_eq(http_batch_start(b, PLACES, &batch_requests[0], &batch_responses[0], &error), -EIO);
        for (unsigned i = 0; i < 2 * PLACES; i++) {
                ck_assert_int_eq(http_batch_wait(b, UINT64_MAX, &place, &result, &error), 0);
                ck_assert_int_eq(result, 0);
                ck_assert_int_eq(batch_responses[place].status, 200);
                seen++;
                if (i < PLACES)
                        start(b, place);
        }
        ck_assert_double_lt(ms_since(begin), 700); /* one after the other would be 800 */
        ck_assert_uint_eq(server_requests(server), 2 * PLACES);
        ck_assert_uint_le(server_connections(server), PLACES);
        /* nothing under way: it sleeps until then */
        begin = clock_now_ns();
        ck_assert_int_eq(http_batch_wait(b, begin + 30 * NS_PER_MS, &place, &result, &error), HTTP_BATCH_E_TIME);
        ck_assert_double_ge(ms_since(begin), 30);
        ck_assert_int_eq(http_batch_wait(b, 0, &place, &result, &error), HTTP_BATCH_E_TIME);
        http_batch_free(b);

        /* its connections serve the next one */
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_le(server_connections(server), PLACES);
}
END_TEST

START_TEST(test_batch_until) {
        struct http_batch *b = batch_of(2);
        uint64_t begin = clock_now_ns();
        unsigned place;
        int result;

        server_step(server, (struct server_step){ .delay_ms = 100 });
        start(b, 1);
        ck_assert_int_eq(http_batch_wait(b, begin + 20 * NS_PER_MS, &place, &result, &error), HTTP_BATCH_E_TIME);
        ck_assert_double_ge(ms_since(begin), 20);
        ck_assert_int_eq(http_batch_wait(b, 0, &place, &result, &error), HTTP_BATCH_E_TIME);
        ck_assert_int_eq(http_batch_wait(b, UINT64_MAX, &place, &result, &error), 0);
        ck_assert_uint_eq(place, 1);
        ck_assert_int_eq(result, 0);
        http_batch_free(b);
}
END_TEST

/* More places than connections: queued in the order of starting. */
START_TEST(test_batch_queue) {
        struct http_batch *b;
        unsigned place;
        int result;

        use_transport(transport_with(1, 5000, 60000));
        b = batch_of(4);
        for (unsigned i = 0; i < 4; i++)
                start(b, 3 - i);
        for (unsigned i = 0; i < 4; i++) {
                ck_assert_int_eq(http_batch_wait(b, UINT64_MAX, &place, &result, &error), 0);
                ck_assert_int_eq(result, 0);
                ck_assert_uint_eq(place, 3 - i);
        }
        http_batch_free(b);
        ck_assert_uint_eq(server_peak(server), 1);
        ck_assert_int_eq(perform("POST", "x"), 0);
}
END_TEST

/* A batch that could use every connection still lets others in. */
START_TEST(test_batch_is_fair) {
        struct http_batch *b;
        struct holder h;
        pthread_t holder;
        unsigned place, rounds = 0;
        int result;

        use_transport(transport_with(2, 5000, 60000));
        op_ctx_init(&h.ctx, "holder", 5 * NS_PER_S);
        h.result = 1;
        b = batch_of(4);
        for (unsigned i = 0; i < 4; i++)
                start(b, i);
        pthread_create(&holder, NULL, hold_connection, &h);
        while (h.result == 1 && rounds++ < 3000) {
                ck_assert_int_eq(http_batch_wait(b, UINT64_MAX, &place, &result, &error), 0);
                start(b, place);
        }
        http_batch_free(b);
        pthread_join(holder, NULL);
        ck_assert_uint_lt(rounds, 3000);
        ck_assert_int_eq(h.result, 0);
        op_ctx_deinit(&h.ctx);
}
END_TEST

START_TEST(test_batch_failures) {
        struct http_batch *b = batch_of(4);
        unsigned place, bad = 0;
        int result;

        server_step(server, (struct server_step){ .action = CLOSE });
        server_step(server, (struct server_step){ .action = ANSWER });
        server_step(server, (struct server_step){ .action = HALF });
        server_step(server, (struct server_step){ .action = ANSWER });
        for (unsigned i = 0; i < 4; i++)
                start(b, i);
        for (unsigned i = 0; i < 4; i++) {
                ck_assert_int_eq(http_batch_wait(b, UINT64_MAX, &place, &result, &error), 0);
                if (result) {
                        ck_assert_int_eq(error.kind, ERR_SERVICE);
                        bad++;
                }
        }
        ck_assert_uint_eq(bad, 2);
        http_batch_free(b);
}
END_TEST

START_TEST(test_batch_cancel) {
        struct http_batch *b = batch_of(4);
        unsigned place;
        pthread_t t;
        int result;
        double late;

        for (unsigned i = 0; i < 4; i++) {
                server_step(server, (struct server_step){ .delay_ms = 3000 });
                start(b, i);
        }
        pthread_create(&t, NULL, cancel_later, &ctx);
        ck_assert_int_eq(http_batch_wait(b, UINT64_MAX, &place, &result, &error), -EINTR);
        late = ms_since(cancelled_at);
        pthread_join(t, NULL);
        ck_assert_double_lt(late, 1000); /* at once, on a machine however loaded */
        http_batch_free(b);
}
END_TEST

START_TEST(test_batch_allocation_failure) {
        struct http_batch *b = NULL;
        int r = -1;

        for (unsigned long n = 1; r; n++) {
                mem_fail_at(n);
                r = http_batch_new(transport, &ctx, 4, &b, &error);
                mem_fail_at(0);
                ck_assert(r == 0 || r == -ENOMEM);
        }
        http_batch_free(b);
        ck_assert_int_eq(http_batch_new(transport, &ctx, 0, &b, &error), -EIO);
        ck_assert_int_eq(http_batch_new(transport, &ctx, HTTP_BATCH_MAX + 1, &b, &error), -EIO);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("batch");
        TCase *t = tcase_create("batch");

        tcase_add_checked_fixture(t, batch_set_up, batch_tear_down);
        tcase_add_test(t, test_batch);
        tcase_add_test(t, test_batch_until);
        tcase_add_test(t, test_batch_queue);
        tcase_add_test(t, test_batch_is_fair);
        tcase_add_test(t, test_batch_failures);
        tcase_add_test(t, test_batch_cancel);
        tcase_add_test(t, test_batch_allocation_failure);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return run_suite(suite());
}
