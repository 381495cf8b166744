/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "ddbfs/base/alloc.h"
#include "../suite.h"

START_TEST(sizes_of_zero_are_memory_too) {
        void *a = mem_alloc(0), *b = mem_calloc(0, 8), *c = mem_calloc(8, 0), *d = mem_zalloc(0), *e = mem_alloc_huge(0);

        ck_assert(a && b && c && d && e && a != b);
        a = mem_realloc(a, 0);
        ck_assert_ptr_nonnull(a);
        mem_free(a);
        mem_free(b);
        mem_free(c);
        mem_free(e);
        ck_assert_ptr_null(mem_free(d));
        ck_assert_ptr_null(mem_free(NULL));
}
END_TEST

START_TEST(impossible_sizes_fail) {
        char *p = mem_alloc(8);
        volatile size_t huge = SIZE_MAX;

        ck_assert_ptr_null(mem_alloc(huge));
        ck_assert_ptr_null(mem_zalloc(huge));
        ck_assert_ptr_null(mem_alloc_huge(huge));
        ck_assert_ptr_null(mem_calloc(huge / 2, 3));
        ck_assert_ptr_null(mem_calloc(huge / 4, 3));
        ck_assert_ptr_null(mem_dup("", huge));
        ck_assert_ptr_nonnull(p);
        memcpy(p, "1234567", 8);
        ck_assert_ptr_null(mem_realloc(p, huge - 8));
        ck_assert_str_eq(p, "1234567");
        mem_free(p);
}
END_TEST

START_TEST(copies) {
        char *a = mem_dup("a\0b", 3), *b = mem_dup(NULL, 0), *c = mem_strdup("text");
        char *zeros = mem_zalloc(100);

        ck_assert(a && b && c && zeros);
        ck_assert_mem_eq(a, "a\0b", 4);
        ck_assert_str_eq(b, "");
        ck_assert_str_eq(c, "text");
        ck_assert_ptr_null(mem_strdup(NULL));
        for (unsigned i = 0; i < 100; i++)
                ck_assert_int_eq(zeros[i], 0);
        mem_free(a);
        mem_free(b);
        mem_free(zeros);
        ck_assert_ptr_null(mem_free_secret(c, 4));
        ck_assert_ptr_null(mem_free_secret(NULL, 4));
}
END_TEST

START_TEST(the_chosen_allocation_fails_once) {
        void *p[5];

        mem_fail_at(3);
        for (int i = 0; i < 5; i++) {
                p[i] = mem_alloc(1);
                ck_assert_int_eq(p[i] == NULL, i == 2);
                mem_free(p[i]);
        }
        mem_fail_at(1);
        mem_fail_at(0);
        p[0] = mem_zalloc(1);
        ck_assert_ptr_nonnull(p[0]);
        mem_fail_at(1);
        ck_assert_ptr_null(mem_realloc(p[0], 100));
        mem_fail_at(1);
        ck_assert_ptr_null(mem_calloc(1, 1));
        mem_fail_at(1);
        ck_assert_ptr_null(mem_strdup("x"));
        mem_free(p[0]);
}
END_TEST

START_TEST(cleanup_handler) {
        {
                _cleanup_(mem_freep) char *owned = mem_strdup("freed at the end of the block");
                _cleanup_(mem_freep) char *none = NULL;

                ck_assert(owned && !none);
        }
        {
                _cleanup_(mem_freep) char *owned = mem_strdup("x");
                char *taken = TAKE(owned);

                ck_assert(taken && !owned);
                mem_free(taken);
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("alloc");
        TCase *t = tcase_create("alloc");

        suite_add_tcase(s, t);
        tcase_add_test(t, sizes_of_zero_are_memory_too);
        tcase_add_test(t, impossible_sizes_fail);
        tcase_add_test(t, copies);
        tcase_add_test(t, the_chosen_allocation_fails_once);
        tcase_add_test(t, cleanup_handler);
        return suite_run(s);
}
