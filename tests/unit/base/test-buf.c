/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "ddbfs/base/buf.h"
#include "../suite.h"

static void append(struct buf *b) {
        buf_append(b, "12345678", 8);
}
static void str(struct buf *b) {
        buf_str(b, STR("1234\0"
                       "678"));
}
static void puts8(struct buf *b) {
        buf_puts(b, "12345678");
}
static void putc1(struct buf *b) {
        buf_putc(b, 'x');
}
static void fill(struct buf *b) {
        buf_fill(b, ' ', 8);
}
static void print(struct buf *b) {
        buf_printf(b, "%d%s", 1234, "5678");
}
static void reserve(struct buf *b) {
        char *p = buf_reserve(b, 8);

        if (p)
                memset(p, 'r', 8);
        buf_commit(b, 8);
}

static const struct {
        void (*fn)(struct buf *b);
        size_t n;
} writers[] = {
        { append, 8 }, { str, 8 }, { puts8, 8 }, { putc1, 1 }, { fill, 8 }, { print, 8 }, { reserve, 8 },
};

/* Up to max and not one byte further; then the error sticks. */
START_TEST(the_cap_is_exact) {
        for (size_t max = 0; max < 300; max += 7) {
                struct buf b = BUF_INIT(max);
                size_t whole = max / writers[_i].n * writers[_i].n;

                for (size_t n = 0; n < whole; n += writers[_i].n) {
                        writers[_i].fn(&b);
                        ck_assert_int_eq(buf_status(&b), 0);
                        ck_assert_uint_eq(b.n, n + writers[_i].n);
                        ck_assert_int_eq(b.p[b.n], 0);
                        ck_assert_uint_le(b.cap, max);
                }
                writers[_i].fn(&b);
                ck_assert_int_eq(buf_status(&b), -EFBIG);
                ck_assert_uint_eq(b.n, whole);
                for (size_t i = 0; i < ARRAY_LEN(writers); i++)
                        writers[i].fn(&b);
                ck_assert_ptr_null(buf_reserve(&b, 0));
                ck_assert_int_eq(buf_status(&b), -EFBIG);
                ck_assert_uint_eq(buf_view(&b).n, whole);
                ck_assert_int_eq(buf_view(&b).p[whole], 0);
                ck_assert_ptr_null(buf_steal(&b, NULL));
                ck_assert_int_eq(buf_status(&b), -EFBIG);
                buf_reset(&b);
                ck_assert_int_eq(buf_status(&b), 0);
                buf_deinit(&b);
        }
}
END_TEST

START_TEST(out_of_memory_sticks) {
        struct buf b;

        buf_init(&b, 1000);
        mem_fail_at(1);
        writers[_i].fn(&b);
        ck_assert_int_eq(buf_status(&b), -ENOMEM);
        ck_assert_uint_eq(b.n, 0);
        writers[_i].fn(&b);
        ck_assert_int_eq(buf_status(&b), -ENOMEM);
        ck_assert_uint_eq(buf_view(&b).n, 0);
        buf_reset(&b);
        buf_fill(&b, 'a', 60);
        mem_fail_at(1);
        for (unsigned i = 0; i < 10; i++)
                writers[_i].fn(&b);
        ck_assert_int_eq(buf_status(&b), -ENOMEM);
        ck_assert_mem_eq(b.p, "aaaaaaaaaaaaaaaa", 16);
        ck_assert_int_eq(b.p[b.n], 0);
        buf_deinit(&b);
        ck_assert_int_eq(buf_status(&b), 0);
        writers[_i].fn(&b);
        ck_assert_uint_eq(b.n, writers[_i].n);
        buf_deinit(&b);
        mem_fail_at(0);
}
END_TEST

START_TEST(contents) {
        struct buf b = BUF_INIT(SIZE_MAX);
        char *p;
        size_t n;

        ck_assert(buf_view(&b).p != NULL);
        buf_append(&b, NULL, 0);
        buf_puts(&b, "a");
        buf_putc(&b, 'b');
        buf_str(&b, STR_NULL);
        buf_fill(&b, '-', 3);
        buf_printf(&b, "%s", "");
        buf_printf(&b, "%0100d|", 7);
        ck_assert_uint_eq(b.n, 106);
        ck_assert_mem_eq(b.p, "ab---000", 8);
        ck_assert_str_eq(b.p + 104, "7|");
        buf_truncate(&b, 200);
        ck_assert_uint_eq(b.n, 106);
        buf_truncate(&b, 2);
        ck_assert_str_eq(b.p, "ab");
        ck_assert_ptr_nonnull(buf_reserve(&b, 5));
        buf_commit(&b, 0);
        p = buf_steal(&b, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(p, "ab");
        mem_free(p);
        ck_assert_ptr_null(b.p);
        ck_assert_uint_eq(b.n, 0);
        p = buf_steal(&b, &n); /* an empty one is an empty text */
        ck_assert_uint_eq(n, 0);
        ck_assert_str_eq(p, "");
        mem_free(p);
}
END_TEST

START_TEST(sizes_that_overflow) {
        struct buf b = BUF_INIT(SIZE_MAX);

        buf_puts(&b, "abc");
        ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX - 2));
        ck_assert_int_eq(buf_status(&b), -EFBIG);
        buf_reset(&b);
        ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX / 2 + 1));
        ck_assert_int_eq(buf_status(&b), -ENOMEM);
        buf_deinit(&b);
        buf_commit(&b, 10); /* nothing was reserved */
        ck_assert_uint_eq(b.n, 0);
}
END_TEST

START_TEST(huge_pages) {
        struct buf b = BUF_INIT(5 * MIB);

        ck_assert(buf_reserve_huge(&b, 4 * MIB - 1));
        ck_assert_uint_eq(b.n, 0);
        ck_assert_uint_eq(b.cap, 4 * MIB - 1);
        buf_fill(&b, 'x', 4 * MIB - 1);
        ck_assert_uint_eq(b.cap, 4 * MIB - 1);
        ck_assert(buf_reserve_huge(&b, MIB));
        buf_fill(&b, 'y', MIB);
        ck_assert_int_eq(buf_status(&b), 0);
        ck_assert(b.p[0] == 'x' && b.p[4 * MIB - 2] == 'x' && b.p[4 * MIB - 1] == 'y' && b.p[5 * MIB - 1] == '\0');
        buf_deinit(&b);
        ck_assert(!buf_reserve_huge(&b, 5 * MIB + 1));
        ck_assert_int_eq(buf_status(&b), -EFBIG);
        buf_deinit(&b);
        mem_fail_at(1);
        ck_assert(!buf_reserve_huge(&b, MIB));
        ck_assert_int_eq(buf_status(&b), -ENOMEM);
        buf_deinit(&b);
}
END_TEST

START_TEST(stealing) {
        struct buf b = BUF_INIT(100000);
        char *p;
        size_t n;

        buf_fill(&b, 'x', 70000);
        buf_truncate(&b, 40000);
        mem_fail_at(1); /* not fitting it is no failure */
        p = buf_steal(&b, &n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq(n, 40000);
        ck_assert_int_eq(p[40000], 0);
        mem_free(p);
        buf_fill(&b, 'x', 70000);
        buf_truncate(&b, 10);
        p = buf_steal(&b, NULL);
        ck_assert_str_eq(p, "xxxxxxxxxx");
        mem_free(p);
        mem_fail_at(1);
        ck_assert_ptr_null(buf_steal(&b, &n));
        ck_assert_int_eq(buf_status(&b), -ENOMEM);
        mem_fail_at(0);
        buf_deinit(&b);
}
END_TEST

int main(void) {
        Suite *s = suite_create("buf");
        TCase *t = tcase_create("buf");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, the_cap_is_exact, 0, (int)ARRAY_LEN(writers));
        tcase_add_loop_test(t, out_of_memory_sticks, 0, (int)ARRAY_LEN(writers));
        tcase_add_test(t, contents);
        tcase_add_test(t, sizes_that_overflow);
        tcase_add_test(t, huge_pages);
        tcase_add_test(t, stealing);
        return suite_run(s);
}
