/* SPDX-License-Identifier: Apache-2.0 */
/* Where readers wait. */
#include <linux/fuse.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "fuse_internal.h"
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/base/thread.h"
#include "../suite.h"

static struct follow f;
static struct {
        struct fuse_in_header in;
        struct fuse_read_in read;
} m;

static void set_up(void) {
        follow_init(&f);
        f.usable = true; /* on a machine with one processor too */
        m.in = (struct fuse_in_header){ .len = sizeof(m), .opcode = FUSE_READ, .pid = (uint32_t)gettid() };
        m.read = (struct fuse_read_in){ .size = 4096 };
}

static void tear_down(void) {
        follow_leave(&f);
        (void)sched_setaffinity(0, sizeof(f.all), &f.all);
}

/* The processors this thread may run on: as many, and, when it is one, which. */
static int bound(int *ret_cpu) {
        cpu_set_t now;

        ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
        for (*ret_cpu = 0; *ret_cpu < CPU_SETSIZE && !CPU_ISSET(*ret_cpu, &now); (*ret_cpu)++)
                ;
        return CPU_COUNT(&now);
}

static void requests(int n) {
        for (int i = 0; i < n; i++)
                follow_request(&f, &m, sizeof(m), true);
}

/* Makes this thread run on its n-th processor, as far as there are so many; which one that is. */
static int run_on(int nth) {
        cpu_set_t one;
        int cpu = -1;

        for (int i = 0; i < CPU_SETSIZE && nth >= 0; i++)
                if (CPU_ISSET(i, &f.all)) {
                        cpu = i;
                        nth--;
                }
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
        return cpu;
}

static void spread(void) {
        ck_assert_int_eq(sched_setaffinity(0, sizeof(f.all), &f.all), 0);
}

START_TEST(test_follows) {
        int cpu, at;

        (void)prctl(PR_SET_NAME, "a) b (c d");
        cpu = run_on(_i);
        requests(3);
        ck_assert_int_eq(f.cpu, -1);
        requests(1);
        ck_assert_int_eq(f.cpu, cpu);
        spread();
        follow_wait(&f);
        ck_assert_int_eq(bound(&at), 1);
        ck_assert_int_eq(at, cpu);
        follow_wait(&f); /* and stays */
        ck_assert_int_eq(bound(&at), 1);
        follow_leave(&f);
        ck_assert_int_eq(bound(&at), CPU_COUNT(&f.all));
}
END_TEST

static void no_waker(void *arg) {
        (void)arg;
}

/* What lasts is done anywhere; the next wait is where the program is. */
START_TEST(test_what_lasts) {
        struct op_ctx ctx;
        int at;

        op_ctx_init(&ctx, "test", 0);
        thread_lasts(); /* not bound: nothing to let go */
        (void)run_on(0);
        requests(4);
        spread();
        follow_wait(&f);
        ck_assert_int_eq(bound(&at), 1);
        if (_i == 0)
                thread_lasts();
        else if (_i == 1)
                op_ctx_set_waker(&ctx, no_waker, NULL);
        else
                f.cpu = -1;
        if (_i == 2)
                follow_wait(&f);
        ck_assert_int_eq(bound(&at), CPU_COUNT(&f.all));
        (void)run_on(0);
        requests(8);
        spread();
        follow_wait(&f);
        ck_assert_int_eq(bound(&at), 1);
        op_ctx_deinit(&ctx);
}
END_TEST

/* The longer the program stays where it is the less often it is looked at; another one is looked at soon. */
START_TEST(test_looks_less_often) {
        int cpu = run_on(0);

        requests(4 + 8 + 16 + 32 + 64);
        ck_assert_uint_eq(f.step, 128);
        f.cpu = 1000; /* until the next look */
        requests(127);
        ck_assert_int_eq(f.cpu, 1000);
        requests(1);
        ck_assert_int_eq(f.cpu, cpu);
        ck_assert_uint_eq(f.step, 128);
        f.cpu = 1000;
        m.in.pid = (uint32_t)getppid();
        requests(4);
        ck_assert_int_ne(f.cpu, 1000);
}
END_TEST

/* Some moves are followed at once; each long stay makes up for one. */
START_TEST(test_patience) {
        int cpu = run_on(0);

        requests(4);
        f.seen = 1000;
        requests(8);
        for (unsigned moves = 1; moves < FOLLOW_PATIENCE; moves++) {
                ck_assert_uint_eq(f.moves, moves);
                ck_assert_int_eq(f.cpu, cpu);
                f.seen = 1000;
                requests(4);
        }
        ck_assert_int_eq(f.cpu, cpu);
        requests(4 + 8 + 16 + 32 + 64);
        ck_assert_uint_eq(f.moves, FOLLOW_PATIENCE);
        requests(128);
        ck_assert_uint_eq(f.moves, FOLLOW_PATIENCE - 1);
        requests(128);
        ck_assert_uint_eq(f.moves, FOLLOW_PATIENCE - 2);
}
END_TEST

/* One that keeps moving is not followed, and looked at ever less often, until it has stayed. */
START_TEST(test_restless) {
        int cpu = run_on(0);

        requests(4);
        ck_assert_int_eq(f.cpu, cpu);
        f.moves = FOLLOW_PATIENCE;
        for (unsigned step = 8; step < 4096; step *= 2) {
                f.seen = 1000; /* as if it had been there */
                requests((int)MIN(step, 1024U));
                ck_assert_int_eq(f.cpu, -1);
                ck_assert_uint_eq(f.step, MIN(2 * step, 1024U));
        }
        requests(1024); /* has stayed once */
        ck_assert_int_eq(f.cpu, -1);
        requests(1023);
        ck_assert_int_eq(f.cpu, -1);
        requests(1); /* and again */
        ck_assert_int_eq(f.cpu, cpu);
        ck_assert_uint_eq(f.step, 128);
}
END_TEST

/* Several requests at once do not make it worth another look sooner: one that asks on while the thread that has answered
 * it is not through yet is on another processor. */
START_TEST(test_restless_and_quick) {
        (void)run_on(0);
        requests(4);
        f.moves = FOLLOW_PATIENCE;
        f.seen = 1000;
        requests(8);
        ck_assert_uint_eq(f.step, 16);
        for (int i = 0; i < 100; i++) {
                follow_request(&f, &m, sizeof(m), false);
                requests(15);
        }
        ck_assert_int_eq(f.cpu, -1);
        ck_assert_uint_eq(f.step, 16);
}
END_TEST

/* What one program does is not held against another. */
START_TEST(test_another_program) {
        int cpu = run_on(0);

        m.in.pid = (uint32_t)getppid();
        requests(4);
        f.moves = FOLLOW_PATIENCE;
        f.seen = 1000;
        requests(8);
        ck_assert_int_eq(f.cpu, -1);
        m.in.pid = (uint32_t)gettid();
        requests(4);
        ck_assert_int_eq(f.cpu, cpu);
}
END_TEST

START_TEST(test_lets_go) {
        (void)run_on(0);
        requests(4);
        ck_assert_int_ge(f.cpu, 0);
        m.read.size = 128 * 1024;
        requests(1);
        ck_assert_int_eq(f.cpu, -1);
        m.read.size = 4096;
        requests(4);
        ck_assert_int_ge(f.cpu, 0);
        follow_request(&f, &m, sizeof(m), false);
        ck_assert_int_eq(f.cpu, -1);
        requests(3);
        ck_assert_int_eq(f.cpu, -1);
}
END_TEST

START_TEST(test_nobody) {
        int at;

        m.in.pid = 0; /* neither counts nor lets go */
        requests(100);
        ck_assert_int_eq(f.cpu, -1);
        m.in.pid = 0x7fffffff;
        requests(100);
        ck_assert_int_eq(f.cpu, -1);
        follow_wait(&f);
        ck_assert_int_eq(bound(&at), CPU_COUNT(&f.all));
        m.in.pid = (uint32_t)gettid();
        for (int i = 0; i < 100; i++)
                follow_request(&f, &m, sizeof(m.in) - 1, true);
        ck_assert_int_eq(f.cpu, -1);
        f.usable = false;
        requests(100);
        ck_assert_int_eq(f.cpu, -1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("follow");
        TCase *t = tcase_create("follow");

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_loop_test(t, test_follows, 0, 2);
        tcase_add_loop_test(t, test_what_lasts, 0, 3);
        tcase_add_test(t, test_looks_less_often);
        tcase_add_test(t, test_patience);
        tcase_add_test(t, test_restless);
        tcase_add_test(t, test_restless_and_quick);
        tcase_add_test(t, test_another_program);
        tcase_add_test(t, test_lets_go);
        tcase_add_test(t, test_nobody);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
