/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/base/clock.h"
#include "ddbfs/base/mutex.h"
#include "../suite.h"

#define N_THREADS 4
#define N_ROUNDS 20000

static struct mutex lock = MUTEX_INIT;
static struct cond changed;
static unsigned counter; /* lock */

static void start(pthread_t *thread, void *(*fn)(void *), void *arg) {
        ck_assert_int_eq(pthread_create(thread, NULL, fn, arg), 0);
}

static void *count(void *arg) {
        for (unsigned i = 0; i < N_ROUNDS; i++) {
                mutex_lock(&lock);
                counter++;
                mutex_unlock(&lock);
        }
        *(unsigned *)arg = locks_held();
        return NULL;
}

START_TEST(exclusion) {
        unsigned held[N_THREADS];
        pthread_t threads[N_THREADS];

        counter = 0;
        for (unsigned i = 0; i < N_THREADS; i++)
                start(&threads[i], count, &held[i]);
        for (unsigned i = 0; i < N_THREADS; i++) {
                pthread_join(threads[i], NULL);
                ck_assert_uint_eq(held[i], 0);
        }
        ck_assert_uint_eq(counter, N_THREADS * N_ROUNDS);
}
END_TEST

static void *report_held(void *arg) {
        *(unsigned *)arg = locks_held();
        return NULL;
}

START_TEST(locks_held_per_thread) {
        unsigned elsewhere = 99;
        struct mutex second;
        pthread_t thread;

        mutex_init(&second);
        ck_assert_uint_eq(locks_held(), 0);
        mutex_lock(&lock);
        mutex_lock(&second);
        ck_assert_uint_eq(locks_held(), 2);
        start(&thread, report_held, &elsewhere);
        pthread_join(thread, NULL);
        ck_assert_uint_eq(elsewhere, 0);
        mutex_unlock(&lock);
        ck_assert_uint_eq(locks_held(), 1);
        mutex_unlock(&second);
        ck_assert_uint_eq(locks_held(), 0);
        mutex_deinit(&second);
}
END_TEST

/* A lock or unlock that fails does not go into the count. */
NO_ANALYSIS static void lock_twice(struct mutex *m) {
        mutex_lock(m);
        mutex_lock(m);
        ck_assert_uint_eq(locks_held(), 1);
        mutex_unlock(m);
#if !defined(__SANITIZE_THREAD__) /* which reports the misuse */
        mutex_unlock(m);
#endif
        ck_assert_uint_eq(locks_held(), 0);
}

START_TEST(failures_are_not_counted) {
        pthread_mutexattr_t attr;
        struct mutex checking;

        pthread_mutexattr_init(&attr);
        pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
        pthread_mutex_init(&checking.m, &attr);
        pthread_mutexattr_destroy(&attr);
        lock_twice(&checking);
        mutex_deinit(&checking);
}
END_TEST

static void *bump(void *arg) {
        mutex_lock(&lock);
        counter++;
        if (arg)
                cond_broadcast(&changed);
        else
                cond_signal(&changed);
        mutex_unlock(&lock);
        return NULL;
}

START_TEST(waiting_and_waking) {
        pthread_t thread;
        bool woken = true;

        cond_init(&changed);
        mutex_lock(&lock);
        counter = 0;
        start(&thread, bump, NULL);
        while (counter == 0)
                cond_wait(&changed, &lock);
        ck_assert_uint_eq(locks_held(), 1);
        mutex_unlock(&lock);
        pthread_join(thread, NULL);

        mutex_lock(&lock);
        start(&thread, bump, &thread);
        while (counter == 1 && woken)
                woken = cond_wait_until(&changed, &lock, _i ? UINT64_MAX : clock_now_ns() + 60 * NS_PER_S);
        ck_assert(woken);
        mutex_unlock(&lock);
        pthread_join(thread, NULL);
        cond_deinit(&changed);
}
END_TEST

START_TEST(time_is_up) {
        uint64_t before = clock_now_ns();
        bool woken = true;

        cond_init(&changed);
        mutex_lock(&lock);
        while (woken) /* spurious wake-ups are allowed */
                woken = cond_wait_until(&changed, &lock, before + 30 * NS_PER_MS);
        ck_assert_uint_ge(clock_now_ns(), before + 30 * NS_PER_MS);
        ck_assert(!cond_wait_until(&changed, &lock, 0));
        ck_assert_uint_eq(locks_held(), 1);
        mutex_unlock(&lock);
        cond_deinit(&changed);
}
END_TEST

int main(void) {
        Suite *s = suite_create("mutex");
        TCase *t = tcase_create("mutex");

        suite_add_tcase(s, t);
        tcase_set_timeout(t, 60);
        tcase_add_test(t, exclusion);
        tcase_add_test(t, locks_held_per_thread);
        tcase_add_test(t, failures_are_not_counted);
        tcase_add_loop_test(t, waiting_and_waking, 0, 2);
        tcase_add_test(t, time_is_up);
        return suite_run(s);
}
