/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <time.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/op_ctx.h"
#include "../suite.h"

START_TEST(a_new_one) {
        struct op_ctx a, b;
        struct error e;

        op_ctx_init(&a, "read", 0);
        op_ctx_init(&b, "write", UINT64_MAX);
        ck_assert_uint_gt(b.id, a.id);
        ck_assert_str_eq(a.name, "read");
        ck_assert(a.deadline_ns == UINT64_MAX && b.deadline_ns == UINT64_MAX);
        ck_assert_int_eq(op_ctx_check(&a, &e), 0);
        op_ctx_cancel(&a);
        ck_assert_int_eq(op_ctx_check(&b, NULL), 0);
        ck_assert_int_eq(op_ctx_check(&a, NULL), -EINTR);
        ck_assert_int_eq(op_ctx_check(&a, &e), -EINTR);
        ck_assert_int_eq(e.kind, ERR_INTERRUPTED);
        op_ctx_deinit(&a);
        op_ctx_deinit(&b);
}
END_TEST

static void *cancel_soon(void *ctx) {
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
        op_ctx_cancel(ctx);
        return NULL;
}

static const uint64_t long_sleeps[] = { 60 * NS_PER_S, UINT64_MAX };

START_TEST(cancelled_by_another_thread) {
        uint64_t before = clock_now_ns(), until = long_sleeps[_i];
        struct op_ctx ctx;
        pthread_t thread;
        struct error e;

        op_ctx_init(&ctx, "read", _i ? 0 : 90 * NS_PER_S);
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, &ctx), 0);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, until == UINT64_MAX ? until : before + until, &e), -EINTR);
        ck_assert_int_eq(e.kind, ERR_INTERRUPTED);
        ck_assert_uint_lt(clock_now_ns() - before, 10 * NS_PER_S);
        pthread_join(thread, NULL);
        ck_assert_ptr_null(ctx.wake);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, before + 60 * NS_PER_S, NULL), -EINTR); /* not again */
        op_ctx_deinit(&ctx);
        ck_assert_uint_eq(locks_held(), 0);
}
END_TEST

START_TEST(deadline) {
        uint64_t before = clock_now_ns(), took;
        struct op_ctx ctx;
        struct error e;

        op_ctx_init(&ctx, "read", 30 * NS_PER_MS);
        ck_assert_int_eq(op_ctx_check(&ctx, &e), 0);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, before + 60 * NS_PER_S, &e), -ETIMEDOUT);
        took = clock_now_ns() - before;
        ck_assert(took >= 30 * NS_PER_MS && took < 10 * NS_PER_S);
        ck_assert_int_eq(e.kind, ERR_TIMEOUT);
        ck_assert_int_eq(op_ctx_check(&ctx, NULL), -ETIMEDOUT);
        op_ctx_cancel(&ctx); /* the person's wish is the better reason */
        ck_assert_int_eq(op_ctx_check(&ctx, NULL), -EINTR);
        op_ctx_deinit(&ctx);
}
END_TEST

START_TEST(an_undisturbed_sleep) {
        uint64_t before = clock_now_ns();
        struct op_ctx ctx;

        op_ctx_init(&ctx, "read", 60 * NS_PER_S);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, before + 30 * NS_PER_MS, NULL), 0);
        ck_assert_uint_ge(clock_now_ns(), before + 30 * NS_PER_MS);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, before, NULL), 0); /* the past */
        op_ctx_deinit(&ctx);
}
END_TEST

START_TEST(fake_clocks_do_not_wait) {
        struct op_ctx ctx;

        clock_fake(NS_PER_S, NS_PER_S);
        op_ctx_init(&ctx, "read", 1000 * NS_PER_S);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, 500 * NS_PER_S, NULL), 0);
        ck_assert_uint_eq(clock_now_ns(), 500 * NS_PER_S);
        ck_assert_int_eq(op_ctx_sleep_until(&ctx, 5000 * NS_PER_S, NULL), -ETIMEDOUT);
        ck_assert_uint_eq(clock_now_ns(), 1001 * NS_PER_S);
        clock_real();
        op_ctx_deinit(&ctx);
}
END_TEST

static void note(void *arg) {
        ck_assert_uint_eq(locks_held(), 1);
        atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(wakers) {
        atomic_int calls = 0;
        struct op_ctx ctx;
        pthread_t thread;

        op_ctx_init(&ctx, "read", 0);
        op_ctx_set_waker(&ctx, note, &calls);
        op_ctx_clear_waker(&ctx);
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(calls, 0);
        op_ctx_set_waker(&ctx, note, &calls); /* cancelled already: at once */
        ck_assert_int_eq(calls, 1);
        op_ctx_clear_waker(&ctx);
        op_ctx_deinit(&ctx);

        op_ctx_init(&ctx, "read", 0);
        op_ctx_set_waker(&ctx, note, &calls);
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, &ctx), 0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(calls, 2);
        op_ctx_clear_waker(&ctx);
        op_ctx_deinit(&ctx);
        ck_assert_uint_eq(locks_held(), 0);
}
END_TEST

int main(void) {
        Suite *s = suite_create("op_ctx");
        TCase *t = tcase_create("op_ctx");

        suite_add_tcase(s, t);
        tcase_set_timeout(t, 60);
        tcase_add_test(t, a_new_one);
        tcase_add_loop_test(t, cancelled_by_another_thread, 0, (int)ARRAY_LEN(long_sleeps));
        tcase_add_test(t, deadline);
        tcase_add_test(t, an_undisturbed_sleep);
        tcase_add_test(t, fake_clocks_do_not_wait);
        tcase_add_test(t, wakers);
        return suite_run(s);
}
