/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/aws/retry.h"

#include <pthread.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/rng.h"
#include "../suite.h"

static struct retry_policy *policy_of(const char *service, unsigned max_attempts) {
        struct aws_settings s = { .max_attempts = max_attempts };
        struct retry_params p = retry_params_for(&s, service);
        struct retry_policy *policy = NULL;

        ck_assert_int_eq(retry_policy_new(&p, &policy), 0);
        return policy;
}

static const struct {
        const char *service;
        enum aws_retry_mode mode;
        unsigned max_attempts;
        struct retry_params expected;
} params[] = {
        { "dynamodb", AWS_RETRY_STANDARD, 0, { 4, 25 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "dynamodb_streams", AWS_RETRY_STANDARD, 0, { 4, 25 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "dynamodb", AWS_RETRY_ADAPTIVE, 0, { 4, 25 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "s3", AWS_RETRY_STANDARD, 0, { 3, 50 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "sts", AWS_RETRY_STANDARD, 0, { 3, 50 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "dynamodb", AWS_RETRY_STANDARD, 1, { 1, 25 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "s3", AWS_RETRY_STANDARD, 7, { 7, 50 * NS_PER_MS, NS_PER_S, 20 * NS_PER_S } },
        { "dynamodb", AWS_RETRY_LEGACY, 0, { 10, 50 * NS_PER_MS, 50 * NS_PER_MS, 20 * NS_PER_S } },
        { "s3", AWS_RETRY_LEGACY, 0, { 5, NS_PER_S, NS_PER_S, 20 * NS_PER_S } },
};

START_TEST(test_params) {
        struct aws_settings s = { .retry_mode = params[_i].mode, .max_attempts = params[_i].max_attempts };
        struct retry_params p = retry_params_for(&s, params[_i].service);

        ck_assert_uint_eq(p.max_attempts, params[_i].expected.max_attempts);
        ck_assert_uint_eq(p.base_transient_ns, params[_i].expected.base_transient_ns);
        ck_assert_uint_eq(p.base_throttle_ns, params[_i].expected.base_throttle_ns);
        ck_assert_uint_eq(p.cap_ns, params[_i].expected.cap_ns);
}
END_TEST

/* Calls step by step: class of the failure (RETRY_NO: success), then the quota and the longest delay. */
struct step {
        enum retry_class failure;
        bool retry;
        unsigned quota;
        unsigned max_delay_ms;
};

static const struct {
        const char *service;
        unsigned max_attempts;
        struct step steps[10];
} calls[] = {
        /* retried and at last successful: the last cost comes back */
        { "dynamodb",
          0,
          { { RETRY_TRANSIENT, true, 486, 25 }, { RETRY_TRANSIENT, true, 472, 50 }, { RETRY_NO, true, 486, 0 } } },
        /* all attempts fail: nothing comes back */
        { "dynamodb",
          0,
          { { RETRY_TRANSIENT, true, 486, 25 },
            { RETRY_TRANSIENT, true, 472, 50 },
            { RETRY_TRANSIENT, true, 458, 100 },
            { RETRY_TRANSIENT, false, 458, 0 } } },
        { "s3",
          0,
          { { RETRY_TRANSIENT, true, 486, 50 },
            { RETRY_TRANSIENT, true, 472, 100 },
            { RETRY_TRANSIENT, false, 472, 0 } } },
        { "dynamodb",
          0,
          { { RETRY_THROTTLE, true, 495, 1000 },
            { RETRY_THROTTLE, true, 490, 2000 },
            { RETRY_THROTTLE, true, 485, 4000 },
            { RETRY_THROTTLE, false, 485, 0 } } },
        /* mixed: the base is of the failure at hand, the exponent counts attempts */
        { "dynamodb",
          0,
          { { RETRY_TRANSIENT, true, 486, 25 },
            { RETRY_THROTTLE, true, 481, 2000 },
            { RETRY_TRANSIENT, true, 467, 100 },
            { RETRY_NO, true, 481, 0 } } },
        /* the cap */
        { "dynamodb",
          9,
          { { RETRY_THROTTLE, true, 495, 1000 },
            { RETRY_THROTTLE, true, 490, 2000 },
            { RETRY_THROTTLE, true, 485, 4000 },
            { RETRY_THROTTLE, true, 480, 8000 },
            { RETRY_THROTTLE, true, 475, 16000 },
            { RETRY_THROTTLE, true, 470, 20000 },
            { RETRY_THROTTLE, true, 465, 20000 },
            { RETRY_THROTTLE, true, 460, 20000 },
            { RETRY_THROTTLE, false, 460, 0 } } },
        /* corrections are free and at once, but attempts */
        { "dynamodb", 2, { { RETRY_SKEW, true, 500, 0 }, { RETRY_TRANSIENT, false, 500, 0 } } },
        { "dynamodb",
          0,
          { { RETRY_CREDENTIALS, true, 500, 0 }, { RETRY_TRANSIENT, true, 486, 50 }, { RETRY_NO, true, 500, 0 } } },
        { "dynamodb", 1, { { RETRY_TRANSIENT, false, 500, 0 } } },
        { "dynamodb", 0, { { RETRY_NO, true, 500, 0 } } },
};

START_TEST(test_calls) {
        struct retry_policy *p = policy_of(calls[_i].service, calls[_i].max_attempts);
        unsigned cost = 0, attempt = 1;

        rng_seed(7);
        for (const struct step *s = calls[_i].steps; s->quota; s++, attempt++) {
                uint64_t delay = 0;

                if (s->failure == RETRY_NO) {
                        retry_succeeded(p, cost);
                } else {
                        ck_assert_int_eq(retry_next(p, attempt, s->failure, -1, &delay, &cost), s->retry);
                        ck_assert_uint_le(delay, s->max_delay_ms * NS_PER_MS);
                }
                ck_assert_uint_eq(retry_tokens(p), s->quota);
        }
        rng_seed(0);
        retry_policy_free(p);
}
END_TEST

/* Full jitter: the delay is the random number times the bound, exactly. */
START_TEST(test_jitter) {
        struct retry_policy *p = policy_of("dynamodb", 30);
        double low = 1, high = 0;

        for (uint64_t seed = 1; seed <= 30; seed++) {
                uint64_t delay;
                unsigned cost;
                double u;

                rng_seed(seed);
                u = rng_unit();
                rng_seed(seed);
                ck_assert(retry_next(p, 3, RETRY_TRANSIENT, -1, &delay, &cost));
                ck_assert_uint_eq(cost, 14);
                ck_assert_uint_eq(delay, (uint64_t)(u * 100e6));
                low = MIN(low, u);
                high = MAX(high, u);
        }
        ck_assert_double_lt(low, 0.25);
        ck_assert_double_gt(high, 0.75);
        rng_seed(0);
        retry_policy_free(p);
}
END_TEST

static const struct {
        int64_t hint_ms;
        unsigned low_ms, high_ms; /* of the delay, when the back-off alone is 0 .. 25 ms */
} hints[] = {
        { -1, 0, 25 },        { 0, 0, 25 },          { 1000, 1000, 1000 },
        { 4999, 4999, 4999 }, { 10000, 5000, 5025 }, { INT64_MAX, 5000, 5025 },
};

START_TEST(test_hints) {
        struct retry_policy *p = policy_of("dynamodb", 0);
        uint64_t delay;
        unsigned cost;

        ck_assert(retry_next(p, 1, RETRY_TRANSIENT, hints[_i].hint_ms, &delay, &cost));
        ck_assert_uint_ge(delay, hints[_i].low_ms * NS_PER_MS);
        ck_assert_uint_le(delay, hints[_i].high_ms * NS_PER_MS);
        /* corrections do not wait, whatever the server says */
        ck_assert(retry_next(p, 1, RETRY_SKEW, hints[_i].hint_ms, &delay, &cost));
        ck_assert_uint_eq(delay, 0);
        retry_policy_free(p);
}
END_TEST

START_TEST(test_exhaustion) {
        struct retry_policy *p = policy_of("dynamodb", 0);
        uint64_t delay;
        unsigned cost;

        for (unsigned i = 0; i < 35; i++) /* 35 * 14 = 490 */
                ck_assert(retry_next(p, 1, RETRY_TRANSIENT, -1, &delay, &cost));
        ck_assert_uint_eq(retry_tokens(p), 10);
        ck_assert(!retry_next(p, 1, RETRY_TRANSIENT, -1, &delay, &cost));
        ck_assert(retry_next(p, 1, RETRY_THROTTLE, -1, &delay, &cost));
        ck_assert(retry_next(p, 1, RETRY_THROTTLE, -1, &delay, &cost));
        ck_assert_uint_eq(retry_tokens(p), 0);
        ck_assert(!retry_next(p, 1, RETRY_THROTTLE, -1, &delay, &cost));
        ck_assert(retry_next(p, 1, RETRY_CREDENTIALS, -1, &delay, &cost));
        for (unsigned i = 0; i < 14; i++)
                retry_succeeded(p, 0);
        ck_assert_uint_eq(retry_tokens(p), 14);
        ck_assert(retry_next(p, 1, RETRY_TRANSIENT, -1, &delay, &cost));
        for (unsigned i = 0; i < 600; i++)
                retry_succeeded(p, 0);
        ck_assert_uint_eq(retry_tokens(p), 500); /* never more */
        retry_succeeded(p, 14);
        ck_assert_uint_eq(retry_tokens(p), 500);
        retry_policy_free(p);
}
END_TEST

START_TEST(test_no_retry) {
        struct retry_policy *p = policy_of("dynamodb", 0);
        uint64_t delay;
        unsigned cost;

        ck_assert(!retry_next(p, 1, RETRY_NO, -1, &delay, &cost));
        ck_assert(!retry_next(p, 1, RETRY_NO, 100, &delay, &cost));
        ck_assert_uint_eq(retry_tokens(p), 500);
        retry_policy_free(p);
        ck_assert_ptr_null(retry_policy_free(NULL));
}
END_TEST

/* Tokens are neither lost nor made by threads. */
static void *churn(void *arg) {
        for (unsigned i = 0; i < 2000; i++) {
                uint64_t delay;
                unsigned cost;

                if (retry_next(arg, 1, i % 2 ? RETRY_TRANSIENT : RETRY_THROTTLE, -1, &delay, &cost))
                        retry_succeeded(arg, cost);
        }
        return NULL;
}

START_TEST(test_threads) {
        struct retry_policy *p = policy_of("dynamodb", 0);
        pthread_t threads[4];

        for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
                pthread_create(&threads[i], NULL, churn, p);
        for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
                pthread_join(threads[i], NULL);
        ck_assert_uint_eq(retry_tokens(p), 500);
        retry_policy_free(p);
}
END_TEST

START_TEST(test_allocation_failure) {
        struct retry_params p = { .max_attempts = 1 };
        struct retry_policy *policy = NULL;

        mem_fail_at(1);
        ck_assert_int_lt(retry_policy_new(&p, &policy), 0);
        mem_fail_at(0);
        ck_assert_ptr_null(policy);
}
END_TEST

int main(void) {
        Suite *s = suite_create("retry");
        TCase *t = tcase_create("retry");

        tcase_add_loop_test(t, test_params, 0, ARRAY_LEN(params));
        tcase_add_loop_test(t, test_calls, 0, ARRAY_LEN(calls));
        tcase_add_test(t, test_jitter);
        tcase_add_loop_test(t, test_hints, 0, ARRAY_LEN(hints));
        tcase_add_test(t, test_exhaustion);
        tcase_add_test(t, test_no_retry);
        tcase_add_test(t, test_threads);
        tcase_add_test(t, test_allocation_failure);
        suite_add_tcase(s, t);
        return suite_run(s);
}
