/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "ddbfs/base/rng.h"
#include "../suite.h"

START_TEST(unit_is_uniform) {
        unsigned counts[10] = { 0 };

        rng_seed((uint64_t)_i); /* 0: the kernel's */
        for (unsigned i = 0; i < 10000; i++) {
                double x = rng_unit();

                ck_assert(x >= 0 && x < 1);
                counts[(unsigned)(x * 10)]++;
        }
        for (unsigned i = 0; i < 10; i++)
                ck_assert_msg(counts[i] > 800 && counts[i] < 1200, "%u: %u", i, counts[i]);
        rng_seed(0);
}
END_TEST

START_TEST(seeds) {
        uint64_t a[3], b[3];

        rng_seed(42);
        for (unsigned i = 0; i < 3; i++)
                a[i] = rng_u64();
        rng_seed(42);
        for (unsigned i = 0; i < 3; i++)
                b[i] = rng_u64();
        ck_assert_mem_eq(a, b, sizeof(a));
        ck_assert(a[0] != a[1] && a[1] != a[2]);
        rng_seed(0);
        ck_assert(rng_u64() != a[0]);
        ck_assert(rng_u64() != rng_u64());
}
END_TEST

START_TEST(uuids) {
        char a[UUID_LEN], b[UUID_LEN];

        for (unsigned i = 0; i < 1000; i++) {
                rng_uuid(a);
                ck_assert_uint_eq(strlen(a), 36);
                ck_assert_uint_eq(strspn(a, "0123456789abcdef-"), 36);
                ck_assert(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
                ck_assert_int_eq(a[14], '4');
                ck_assert_ptr_nonnull(strchr("89ab", a[19]));
                rng_uuid(b);
                ck_assert_str_ne(a, b);
        }
}
END_TEST

START_TEST(kernel_ignores_the_seed) {
        uint8_t a[37] = { 0 }, b[37] = { 0 };

        rng_seed(1);
        ck_assert(rng_kernel(a, 36));
        rng_seed(1);
        ck_assert(rng_kernel(b, 36));
        rng_seed(0);
        ck_assert_mem_ne(a, b, 36);
        ck_assert_int_eq(a[36], 0);
        ck_assert(rng_kernel(NULL, 0));
}
END_TEST

int main(void) {
        Suite *s = suite_create("rng");
        TCase *t = tcase_create("rng");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, unit_is_uniform, 0, 3);
        tcase_add_test(t, seeds);
        tcase_add_test(t, uuids);
        tcase_add_test(t, kernel_ignores_the_seed);
        return suite_run(s);
}
