/* SPDX-License-Identifier: Apache-2.0 */
#include "../../../src/aws/client_internal.h"

#include "ddbfs/base/alloc.h"
#include "../suite.h"

#define T0 (1000 * NS_PER_S)

static struct rate_limit *limit_at(uint64_t now) {
        struct rate_limit *l = NULL;

        ck_assert_int_eq(rate_limit_new(now, &l), 0);
        return l;
}

/* Ten answers a second for so many seconds; then the time. */
static uint64_t steady(struct rate_limit *l, uint64_t from, unsigned s) {
        for (unsigned i = 0; i < 10 * s; i++) {
                from += NS_PER_S / 10;
                rate_limit_update(l, from, false);
        }
        return from;
}

START_TEST(test_free_until_throttled) {
        struct rate_limit *l = limit_at(T0);

        for (unsigned i = 0; i < 10000; i++) {
                ck_assert_uint_eq(rate_limit_reserve(l, T0), 0);
                rate_limit_update(l, T0, false);
        }
        rate_limit_free(l);
        ck_assert_uint_eq(rate_limit_reserve(NULL, T0), 0);
        rate_limit_update(NULL, T0, true);
        ck_assert_ptr_null(rate_limit_free(NULL));
}
END_TEST

/* At 10/s measured a throttle allows 7/s, with an empty bucket. */
START_TEST(test_cut) {
        struct rate_limit *l = limit_at(T0);
        uint64_t now = steady(l, T0, 30), wait = 0;

        rate_limit_update(l, now, true);
        for (unsigned i = 1; i <= 14; i++) {
                wait = rate_limit_reserve(l, now);
                ck_assert_double_eq_tol((double)wait / 1e9, i / 7.0, 0.05);
        }
        /* two seconds later that debt is paid; a further reservation waits its seventh */
        ck_assert_double_eq_tol((double)rate_limit_reserve(l, now + 2 * NS_PER_S) / 1e9, 1 / 7.0, 0.05);
        rate_limit_free(l);
}
END_TEST

/* Throttled again and again: never below one in two seconds, and no one waits beyond 20 s. */
START_TEST(test_floor) {
        struct rate_limit *l = limit_at(T0);
        uint64_t now = steady(l, T0, 5);

        for (unsigned i = 0; i < 60; i++)
                rate_limit_update(l, now += NS_PER_S, true);
        (void)rate_limit_reserve(l, now);
        (void)rate_limit_reserve(l, now);
        ck_assert_uint_le(rate_limit_reserve(l, now), 6 * NS_PER_S + NS_PER_S);
        for (unsigned i = 0; i < 100; i++)
                ck_assert_uint_le(rate_limit_reserve(l, now), 20 * NS_PER_S);
        rate_limit_free(l);
}
END_TEST

/* Seconds between reservations when always one is waiting. */
static double gap(struct rate_limit *l, uint64_t now) {
        uint64_t a, b;

        do
                a = rate_limit_reserve(l, now);
        while (a == 0);
        b = rate_limit_reserve(l, now);
        return (double)(b - a) / 1e9;
}

/* Cubic recovery: K = cbrt(10 * 0.3 / 0.4) = 1.96 s until the old rate, then beyond, at most twice as measured. */
START_TEST(test_recovery) {
        static const struct {
                unsigned after_s;
                double rate;
        } points[] = { { 1, 9.6 }, { 2, 10.0 }, { 3, 10.5 }, { 4, 13.4 }, { 5, 20.0 }, { 8, 20.0 } };
        struct rate_limit *l = limit_at(T0);
        uint64_t now = steady(l, T0, 30);

        rate_limit_update(l, now, true);
        now = steady(l, now, points[_i].after_s);
        ck_assert_double_eq_tol(1 / gap(l, now), points[_i].rate, 0.6);
        rate_limit_free(l);
}
END_TEST

START_TEST(test_clock_backwards) {
        struct rate_limit *l = limit_at(T0);

        rate_limit_update(l, T0 + NS_PER_S, true);
        rate_limit_update(l, T0, false);
        ck_assert_uint_le(rate_limit_reserve(l, T0), 20 * NS_PER_S);
        ck_assert_uint_le(rate_limit_reserve(l, 0), 20 * NS_PER_S);
        rate_limit_free(l);
}
END_TEST

START_TEST(test_allocation_failure) {
        struct rate_limit *l = NULL;

        mem_fail_at(1);
        ck_assert_int_lt(rate_limit_new(T0, &l), 0);
        mem_fail_at(0);
        ck_assert_ptr_null(l);
}
END_TEST

int main(void) {
        Suite *s = suite_create("rate_limit");
        TCase *t = tcase_create("rate_limit");

        tcase_add_test(t, test_free_until_throttled);
        tcase_add_test(t, test_cut);
        tcase_add_test(t, test_floor);
        tcase_add_loop_test(t, test_recovery, 0, 6);
        tcase_add_test(t, test_clock_backwards);
        tcase_add_test(t, test_allocation_failure);
        suite_add_tcase(s, t);
        return suite_run(s);
}
