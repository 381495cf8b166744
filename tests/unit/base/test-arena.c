/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/arena.h"
#include "../suite.h"

/* Objects of all sizes are aligned, do not overlap and keep what is written to them. */
START_TEST(objects_keep_their_bytes) {
        static struct {
                unsigned char *p;
                size_t n;
        } objects[3000];
        struct arena a = ARENA_INIT(64 * MIB);

        for (unsigned round = 0; round < 3; round++) {
                for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
                        objects[i].n = i % 97 == 0 ? i * 50 : i % 131;
                        objects[i].p =
                                i % 3 ? (unsigned char *)arena_bytes(&a, objects[i].n) : arena_alloc(&a, objects[i].n);
                        ck_assert_ptr_nonnull(objects[i].p);
                        ck_assert(i % 3 || (uintptr_t)objects[i].p % 16 == 0);
                        memset(objects[i].p, (int)(i & 0xff), objects[i].n);
                }
                for (size_t i = 0; i < ARRAY_LEN(objects); i++)
                        for (size_t k = 0; k < objects[i].n; k++)
                                if (objects[i].p[k] != (i & 0xff))
                                        ck_abort_msg("object %zu", i);
                arena_reset(&a);
        }
        arena_deinit(&a);
        ck_assert_uint_eq(a.total, 0);
        ck_assert_ptr_nonnull(arena_alloc(&a, 1)); /* usable again */
        arena_deinit(&a);
}
END_TEST

static const size_t caps[] = { 0, 1, 40, 100, 1024, 1100, 4000, 100000, 1000000 };

START_TEST(the_cap_holds) {
        struct arena a = ARENA_INIT(caps[_i]);
        size_t got = 0;

        ck_assert_ptr_null(arena_alloc(&a, caps[_i] + 1));
        ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
        ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 100));
        while (arena_alloc(&a, 16)) {
                got += 16;
                ck_assert_uint_le(a.total, caps[_i]);
                ck_assert_uint_le(got, caps[_i]);
        }
        if (caps[_i] > 1000)
                ck_assert_uint_ge(got, caps[_i] / 10 * 9 - 64); /* the cap is usable, not just respected */
        arena_reset(&a);
        ck_assert_uint_le(a.total, caps[_i]);
        arena_deinit(&a);
}
END_TEST

START_TEST(arrays_and_copies) {
        struct arena a = ARENA_INIT(MIB);
        struct str s = STR("unchanged");

        ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 3));
        ck_assert_ptr_nonnull(arena_array(&a, 10, 8));
        ck_assert_ptr_nonnull(arena_array(&a, 0, 8));
        ck_assert_int_eq(arena_dup(&a, str_make("", SIZE_MAX), &s), -ENOMEM);
        ck_assert_str_eq(s.p, "unchanged");
        ck_assert_int_eq(arena_dup(&a, STR("a\0b"), &s), 0);
        ck_assert_uint_eq(s.n, 3);
        ck_assert_mem_eq(s.p, "a\0b", 4);
        ck_assert_int_eq(arena_dup(&a, STR_NULL, &s), 0);
        ck_assert_str_eq(s.p, "");
        arena_deinit(&a);
}
END_TEST

START_TEST(out_of_memory) {
        struct arena a = ARENA_INIT(MIB);
        struct str s;
        char *p;

        mem_fail_at(1);
        ck_assert_ptr_null(arena_alloc(&a, 8));
        mem_fail_at(1);
        ck_assert_int_eq(arena_dup(&a, STR("x"), &s), -ENOMEM);
        p = arena_bytes(&a, 3);
        ck_assert_ptr_nonnull(p);
        memcpy(p, "ab", 3);
        mem_fail_at(1);
        ck_assert_ptr_null(arena_alloc(&a, 100000));
        mem_fail_at(0);
        ck_assert_str_eq(p, "ab");
        ck_assert_ptr_nonnull(arena_alloc(&a, 100000));
        ck_assert_str_eq(p, "ab");
        arena_deinit(&a);
}
END_TEST

START_TEST(reset_keeps_one_chunk) {
        struct arena a = ARENA_INIT(MIB);
        size_t total;

        arena_reset(&a);
        ck_assert_uint_eq(a.total, 0);
        ck_assert_ptr_nonnull(arena_bytes(&a, 10));
        total = a.total;
        for (unsigned i = 0; i < 1000; i++) {
                arena_reset(&a);
                ck_assert_ptr_nonnull(arena_bytes(&a, 200));
                ck_assert_ptr_nonnull(arena_bytes(&a, 200));
                ck_assert_uint_eq(a.total, total);
        }
        ck_assert_ptr_nonnull(arena_bytes(&a, 1000));
        ck_assert_uint_gt(a.total, total);
        arena_reset(&a);
        ck_assert_uint_gt(a.total, 0);
        arena_deinit(&a);
}
END_TEST

/* A large object does not waste the rest of the current chunk. */
START_TEST(large_objects_stand_aside) {
        struct arena a = ARENA_INIT(MIB);
        char *first = arena_bytes(&a, 8), *second;

        ck_assert_ptr_nonnull(arena_alloc(&a, 50000));
        second = arena_bytes(&a, 8);
        ck_assert_ptr_eq(second, first + 8);
        arena_deinit(&a);
}
END_TEST

int main(void) {
        Suite *s = suite_create("arena");
        TCase *t = tcase_create("arena");

        suite_add_tcase(s, t);
        tcase_add_test(t, objects_keep_their_bytes);
        tcase_add_loop_test(t, the_cap_holds, 0, (int)ARRAY_LEN(caps));
        tcase_add_test(t, arrays_and_copies);
        tcase_add_test(t, out_of_memory);
        tcase_add_test(t, reset_keeps_one_chunk);
        tcase_add_test(t, large_objects_stand_aside);
        return suite_run(s);
}
