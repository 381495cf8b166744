/* SPDX-License-Identifier: Apache-2.0 */
/* Many calls at once: aws_run(). */
#include "client-fixture.h"

#define CALLS 40

static struct aws_call calls[CALLS];
static unsigned n_next, n_done, stop_after;

static struct aws_call *next_call(void *arg) {
        (void)arg;
        return n_next < CALLS ? &calls[n_next++] : NULL;
}

static int call_done(void *arg, struct aws_call *c) {
        (void)arg;
        ck_assert(c >= calls && c < calls + CALLS && !c->user);
        c->user = c; /* told of once */
        n_done++;
        return n_done == stop_after ? -ENOSPC : c->result == -EACCES ? -EACCES : 0;
}

static const struct aws_run_ops run_ops = { next_call, call_done };

static void run_set_up(void) {
        set_up();
        n_next = n_done = stop_after = 0;
        for (unsigned i = 0; i < CALLS; i++) {
                calls[i] = (struct aws_call){ .operation = "Query", .body = STR("{}") };
                http_response_init(&calls[i].response);
        }
}

static void run_tear_down(void) {
        for (unsigned i = 0; i < CALLS; i++)
                http_response_deinit(&calls[i].response);
        tear_down();
}

START_TEST(test_run) {
        unsigned attempts = 0, retried = 0, refused = 0;
        uint64_t start;

        drop_client();
        make_client(server->port, 20); /* no call has bad luck that often */
        start = clock_now_ns();
        for (unsigned i = 0; i < 60; i++) {
                struct server_step s = { .delay_ms = 20 };

                if (i % 10 == 3)
                        s.status = 500;
                if (i % 10 == 5)
                        s.bad_crc = true;
                if (i % 10 == 7)
                        s.action = HALF;
                if (i == 9)
                        s = (struct server_step){ .status = 400, .body = TYPE("ValidationException") };
                server_step(server, s);
        }
        ck_assert_int_eq(aws_client_run(client, &ctx, &run_ops, NULL, &error), 0);
        ck_assert_uint_eq(n_done, CALLS);
        for (unsigned i = 0; i < CALLS; i++) {
                attempts += calls[i].attempts;
                retried += calls[i].attempts > 1;
                refused += calls[i].result == -EINVAL;
                ck_assert_int_eq(calls[i].uncertain, calls[i].attempts > 1);
                ck_assert_msg(calls[i].result == 0 || calls[i].result == -EINVAL, "%s", calls[i].error.message);
        }
        ck_assert_uint_eq(refused, 1);
        ck_assert_uint_ge(retried, 8);
        ck_assert_uint_eq(attempts, server_requests(server));
        ck_assert_uint_eq(ctx.requests, attempts);
        ck_assert_uint_eq(server_peak(server), 8);
        ck_assert_double_lt(ms_since(start), 2000);
}
END_TEST

START_TEST(test_run_nothing) {
        n_next = CALLS;
        ck_assert_int_eq(aws_client_run(client, &ctx, &run_ops, NULL, &error), 0);
        ck_assert_uint_eq(n_done, 0);
}
END_TEST

START_TEST(test_run_stopped_by_caller) {
        stop_after = 10;
        ck_assert_int_eq(aws_client_run(client, &ctx, &run_ops, NULL, &error), -ENOSPC);
        ck_assert_uint_eq(n_done, 10);
        ck_assert_int_eq(error_errno(error.kind), ENOSPC);
}
END_TEST

/* A failed call's own error is passed on. */
START_TEST(test_run_stopped_by_failure) {
        server_step(server, (struct server_step){ .status = 400, .body = TYPE("AccessDeniedException") });
        ck_assert_int_eq(aws_client_run(client, &ctx, &run_ops, NULL, &error), -EACCES);
        ck_assert_str_eq(error.code, "AccessDeniedException");
}
END_TEST

START_TEST(test_run_interrupted) {
        unsigned flying = 0;
        pthread_t t;
        double late;
        int r;

        for (unsigned i = 0; i < 8; i++)
                server_step(server, blockers[_i]);
        pthread_create(&t, NULL, cancel_later, &ctx);
        r = aws_client_run(client, &ctx, &run_ops, NULL, &error);
        late = ms_since(cancelled_at);
        pthread_join(t, NULL);
        ck_assert_int_eq(r, -EINTR);
        ck_assert_double_lt(late, 1000); /* at once, on a machine however loaded */
        ck_assert_uint_eq(n_done, 0);
        for (unsigned i = 0; i < CALLS; i++)
                flying += calls[i].result == -EINTR && calls[i].uncertain;
        ck_assert_uint_eq(flying, 8);
}
END_TEST

START_TEST(test_run_deadline) {
        uint64_t start = clock_now_ns();

        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "read", 150 * NS_PER_MS);
        for (unsigned i = 0; i < 8; i++)
                server_step(server, (struct server_step){ .delay_ms = 3000 });
        ck_assert_int_eq(aws_client_run(client, &ctx, &run_ops, NULL, &error), -ETIMEDOUT);
        ck_assert_double_lt(ms_since(start), 800);
        ck_assert_ptr_eq(strstr(error.message, "Query: no answer within 0."), error.message);
}
END_TEST

START_TEST(test_run_without_credentials) {
        provider.result = -EACCES;
        ck_assert_int_eq(aws_client_run(client, &ctx, &run_ops, NULL, &error), -EACCES);
        ck_assert_str_eq(error.message, "the provider failed");
}
END_TEST

START_TEST(test_run_allocation_failure) {
        unsigned failed = 0;

        for (unsigned long n = 1; n < 80; n++) {
                n_next = n_done = 0;
                for (unsigned i = 0; i < CALLS; i++)
                        calls[i].user = NULL;
                mem_fail_at(n);
                if (aws_client_run(client, &ctx, &run_ops, NULL, &error))
                        failed++;
                else
                        for (unsigned i = 0; i < CALLS; i++)
                                failed += calls[i].result == -ENOMEM;
                mem_fail_at(0);
        }
        ck_assert_uint_ge(failed, 40);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("run");
        TCase *t = tcase_create("run");

        tcase_set_timeout(t, 30);
        tcase_add_checked_fixture(t, run_set_up, run_tear_down);
        tcase_add_test(t, test_run);
        tcase_add_test(t, test_run_nothing);
        tcase_add_test(t, test_run_stopped_by_caller);
        tcase_add_test(t, test_run_stopped_by_failure);
        tcase_add_loop_test(t, test_run_interrupted, 0, ARRAY_LEN(blockers));
        tcase_add_test(t, test_run_deadline);
        tcase_add_test(t, test_run_without_credentials);
        tcase_add_test(t, test_run_allocation_failure);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return run_suite(suite());
}
