/* SPDX-License-Identifier: Apache-2.0 */
/* Where readers wait. */
#include <check.h>
#include <linux/fuse.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "fuse_internal.h"

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
        follow_unbind(&f);
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

START_TEST(test_follows) {
        cpu_set_t now;
        int cpu;

        (void)prctl(PR_SET_NAME, "a) b (c d");
        cpu = run_on(_i);
        ck_assert(!follow_bind(&f));
        requests(15);
        ck_assert_int_eq(f.cpu, -1);
        requests(1);
        ck_assert_int_eq(f.cpu, cpu);
        follow_unbind(&f);
        ck_assert(follow_bind(&f));
        ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
        ck_assert_int_eq(CPU_COUNT(&now), 1);
        ck_assert(CPU_ISSET(cpu, &now));
        follow_unbind(&f);
        ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
        ck_assert(CPU_EQUAL(&now, &f.all));
}
END_TEST

START_TEST(test_lets_go) {
        requests(16);
        ck_assert_int_ge(f.cpu, 0);
        m.read.size = 128 * 1024;
        requests(1);
        ck_assert_int_eq(f.cpu, -1);
        m.read.size = 4096;
        requests(16);
        ck_assert_int_ge(f.cpu, 0);
        follow_request(&f, &m, sizeof(m), false);
        ck_assert_int_eq(f.cpu, -1);
        requests(15);
        ck_assert_int_eq(f.cpu, -1);
}
END_TEST

START_TEST(test_nobody) {
        m.in.pid = 0; /* neither counts nor lets go */
        requests(100);
        ck_assert_int_eq(f.cpu, -1);
        m.in.pid = 0x7fffffff;
        requests(100);
        ck_assert_int_eq(f.cpu, -1);
        ck_assert(!follow_bind(&f));
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
        SRunner *sr;
        int failed;

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_loop_test(t, test_follows, 0, 2);
        tcase_add_test(t, test_lets_go);
        tcase_add_test(t, test_nobody);
        suite_add_tcase(suite, t);
        sr = srunner_create(suite);
        srunner_run_all(sr, CK_ENV);
        failed = srunner_ntests_failed(sr);
        srunner_free(sr);
        return failed != 0;
}
