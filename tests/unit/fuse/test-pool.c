/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: interrupts, all of them busy, deadlines, the end. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include "wire.h"
#include "ddbfs/base/clock.h"
#include "../suite.h"

static struct wire *w;

static void set_up(void) {
        w = NULL;
}

static void tear_down(void) {
        w = wire_free(w);
}

static uint64_t slow_lookup(void) {
        return wire_send(w, FUSE_LOOKUP, 1, "hang", 5);
}

static uint64_t interrupt(uint64_t unique) {
        struct fuse_interrupt_in in = { .unique = unique };

        return wire_send(w, FUSE_INTERRUPT, 0, &in, sizeof(in));
}

static void wait_until(int waiting) {
        uint64_t until = clock_now_ns() + 3 * NS_PER_S;

        while (fake_counts(w->fs).waiting != waiting) {
                ck_assert_msg(clock_now_ns() < until, "%d instead of %d", fake_counts(w->fs).waiting, waiting);
                (void)poll(NULL, 0, 1);
        }
}

static void start(unsigned max_threads, uint64_t timeout_ns) {
        w = wire_start(&(struct session_options){ .max_threads = max_threads, .op_timeout_ns = timeout_ns });
}

static unsigned count_threads(void) {
        DIR *d = opendir("/proc/self/task");
        unsigned n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n - 2;
}

/* The n-th answer comes for this request, with this error. */
static void expect(uint64_t unique, int error, int ms) {
        ck_assert_msg(wire_receive(w, ms), "no answer within %d ms", ms);
        ck_assert_uint_eq(w->out.unique, unique);
        ck_assert_int_eq(w->out.error, error);
}

START_TEST(test_interrupt) {
        uint64_t unique, t;

        start(0, 5 * NS_PER_S);
        unique = slow_lookup();
        wait_until(1);
        t = clock_now_ns();
        interrupt(unique);
        expect(unique, -EINTR, 2000);
        ck_assert_uint_lt(clock_now_ns() - t, 50 * NS_PER_MS);
        ck_assert_int_eq(fake_counts(w->fs).cancelled, 1);
}
END_TEST

/* The interrupt is read before the request: libfuse keeps it, and the operation starts out cancelled. */
START_TEST(test_interrupt_first) {
        uint64_t t = clock_now_ns();

        start(0, 5 * NS_PER_S);
        interrupt(w->unique + 4);
        expect(slow_lookup(), -EINTR, 2000);
        ck_assert_uint_lt(clock_now_ns() - t, NS_PER_S);
}
END_TEST

START_TEST(test_deadline) {
        start(0, 50 * NS_PER_MS);
        expect(slow_lookup(), -ETIMEDOUT, 2000);
}
END_TEST

/* Interrupt those and receive their answers.  EAGAIN asks for an INTERRUPT once more: it met its request half way. */
static void interrupt_all(uint64_t *unique, size_t n) {
        uint64_t sent[64];
        size_t left = n;

        for (size_t i = 0; i < n; i++)
                sent[i] = interrupt(unique[i]);
        while (left > 0) {
                ck_assert_msg(wire_receive(w, 3000), "%zu are not answered", left);
                for (size_t i = 0; i < n; i++) {
                        if (w->out.unique == sent[i] && unique[i]) {
                                ck_assert_int_eq(w->out.error, -EAGAIN);
                                sent[i] = interrupt(unique[i]);
                        } else if (w->out.unique == unique[i]) {
                                ck_assert_int_eq(w->out.error, -EINTR);
                                unique[i] = 0;
                                left--;
                        }
                }
        }
}

static const unsigned limits[] = { 1, 2, 5 };

/* More requests than threads: the others wait their turn, and interrupts are heard all the same. */
START_TEST(test_all_busy) {
        unsigned max = limits[_i];
        uint64_t unique[12], t;

        start(max, 5 * NS_PER_S);
        for (size_t i = 0; i < ARRAY_LEN(unique); i++)
                unique[i] = slow_lookup();
        wait_until((int)max);
        ck_assert(!wire_receive(w, 20)); /* nothing else is served */
        ck_assert_int_eq(fake_counts(w->fs).waiting, (int)max);
        t = clock_now_ns();
        interrupt(unique[0]);
        expect(unique[0], -EINTR, 2000);
        ck_assert_uint_lt(clock_now_ns() - t, 50 * NS_PER_MS);
        wait_until((int)max);  /* the next in turn */
        interrupt(unique[11]); /* one whose turn has not come */
        expect(unique[11], -EINTR, 2000);
        ck_assert_int_eq(fake_counts(w->fs).waiting, (int)max);
        interrupt_all(unique + 1, ARRAY_LEN(unique) - 2);
        wait_until(0);
        (void)wire_send(w, FUSE_STATFS, 1, NULL, 0);
        do {
                ck_assert(wire_receive(w, 2000));
        } while (w->out.unique != w->unique);
        ck_assert_int_eq(w->out.error, 0);
}
END_TEST

/* Big requests parked up to the limit, and beyond. */
START_TEST(test_queue_full) {
        enum { N = 12 };
        static struct {
                struct fuse_write_in in;
                char data[1 << 20];
        } write;
        uint64_t unique[2];
        pthread_t sender;
        int n = 0;

        write.in = (struct fuse_write_in){ .size = sizeof(write.data) - 4096 };
        start(1, 300 * NS_PER_MS);
        unique[0] = slow_lookup();
        unique[1] = slow_lookup();
        (void)unique, (void)sender;
        for (int i = 0; i < N; i++) /* blocks while neither the socket nor the queue has room: until the time-outs */
                wire_send(w, FUSE_WRITE, 1, &write, sizeof(write.in) + write.in.size);
        while (n < N + 2 && wire_receive(w, 3000)) {
                ck_assert_int_eq(w->out.error, n < 2 ? -ETIMEDOUT : -EBADF);
                n++;
        }
        ck_assert_int_eq(n, N + 2);
}
END_TEST

/* Threads come as they are needed and most of them go again. */
START_TEST(test_threads) {
        unsigned before = count_threads();
        uint64_t unique[40];

        start(0, 5 * NS_PER_S);
        ck_assert_uint_le(count_threads() - before, 6); /* runner, notifier, two or three workers; a sanitizer's own */
        for (size_t i = 0; i < ARRAY_LEN(unique); i++)
                unique[i] = slow_lookup();
        wait_until(ARRAY_LEN(unique));
        ck_assert_uint_ge(count_threads() - before, ARRAY_LEN(unique));
        interrupt_all(unique, ARRAY_LEN(unique));
        for (int i = 0; i < 200 && count_threads() - before > 12; i++)
                (void)poll(NULL, 0, 5);
        ck_assert_uint_le(count_threads() - before, 12);
        wire_stop(w);
        ck_assert_uint_eq(count_threads(), before);
}
END_TEST

START_TEST(test_stop_idle) {
        uint64_t t;

        start(0, 5 * NS_PER_S);
        t = clock_now_ns();
        session_stop(w->session);
        pthread_join(w->runner, NULL);
        w->running = false;
        ck_assert_int_eq(w->result, 0);
        ck_assert_uint_lt(clock_now_ns() - t, NS_PER_S);
}
END_TEST

/* What is under way is answered; what comes later is not. */
START_TEST(test_stop_busy) {
        uint64_t unique;

        start(0, 300 * NS_PER_MS);
        unique = slow_lookup();
        wait_until(1);
        session_stop(w->session);
        expect(unique, -ETIMEDOUT, 3000);
        pthread_join(w->runner, NULL);
        w->running = false;
        ck_assert_int_eq(w->result, 0);
        wire_send(w, FUSE_STATFS, 1, NULL, 0);
        ck_assert(!wire_receive(w, 30));
}
END_TEST

/* ... and however much comes meanwhile does not put off the end. */
START_TEST(test_stop_flooded) {
        uint64_t t;

        start(2, 200 * NS_PER_MS);
        for (int i = 0; i < 60; i++)
                slow_lookup();
        wait_until(2);
        t = clock_now_ns();
        session_stop(w->session);
        pthread_join(w->runner, NULL);
        w->running = false;
        ck_assert_uint_lt(clock_now_ns() - t, 2 * NS_PER_S);
}
END_TEST

START_TEST(test_stop_before_run) {
        w = wire_new(&(struct session_options){ 0 });
        session_stop(w->session);
        wire_run(w);
        pthread_join(w->runner, NULL);
        w->running = false;
        ck_assert_int_eq(w->result, 0);
}
END_TEST

START_TEST(test_never_run) {
        w = wire_new(&(struct session_options){ 0 });
        wire_stop(w);
        ck_assert_int_eq(fake_counts(w->fs).shutdowns, 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("pool");
        TCase *t = tcase_create("pool");

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_interrupt);
        tcase_add_test(t, test_interrupt_first);
        tcase_add_test(t, test_deadline);
        tcase_add_loop_test(t, test_all_busy, 0, ARRAY_LEN(limits));
        tcase_add_test(t, test_queue_full);
        tcase_add_test(t, test_threads);
        tcase_add_test(t, test_stop_idle);
        tcase_add_test(t, test_stop_busy);
        tcase_add_test(t, test_stop_flooded);
        tcase_add_test(t, test_stop_before_run);
        tcase_add_test(t, test_never_run);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
