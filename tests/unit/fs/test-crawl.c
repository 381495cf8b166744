/* SPDX-License-Identifier: Apache-2.0 */
/* Items read one after the other, longer than cache_ttl: few large requests, whatever the reader's speed. */
#include "fixture.h"

#define ITEMS 5000

static void begin(struct fx *x) {
        fx_init(x);
        fx_clock(x);
        for (unsigned i = 0; i < ITEMS; i++)
                mem_putf(x->m, "Music", "{\"Artist\":\"P\",\"Song\":\"s%05u\"}", i);
        fx_start(x);
}

static const char *item(unsigned i) {
        static char path[64];

        snprintf(path, sizeof(path), "Music/P/s%05u.json", i);
        return path;
}

/* Reads all, in that many per second. */
static void read_all(struct fx *x, unsigned per_second) {
        struct fs_attr attr;

        for (unsigned i = 0; i < ITEMS; i++) {
                ck_assert_int_eq(fx_stat(x, item(i), &attr), 0);
                fx_advance(NS_PER_S / per_second);
        }
}

/* What is brought is what can be used before it goes stale, and single requests stay the exception. */
START_TEST(test_slow_reader) {
        static const unsigned speeds[] = { 100, 300, 1000, 20000 };
        unsigned per_second = speeds[_i];
        struct fx x;

        begin(&x);
        read_all(&x, per_second);
        ck_assert_uint_le(mem_calls(x.m, MEM_GET), 16);
        ck_assert_uint_le(mem_calls(x.m, MEM_QUERY), 16 + 3 * ITEMS / per_second);
        fx_end(&x);
}
END_TEST

/* Who jumps about pays for what he asks for, and for a few guesses. */
START_TEST(test_random_reader) {
        struct fs_attr attr;
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < 1000; i++) {
                ck_assert_int_eq(fx_stat(&x, item((i * 2654435761u >> 8) % ITEMS), &attr), 0);
                fx_advance(5 * NS_PER_MS);
        }
        ck_assert_uint_le(mem_calls(x.m, MEM_QUERY), 8);
        ck_assert_uint_ge(mem_calls(x.m, MEM_GET), 900);
        fx_end(&x);
}
END_TEST

/* Every fifth or fourth: reading ahead is worth a little more read units where it spares most of the requests, not many
 * times more.  GetItem of each would be 1,000 requests, or 1,250. */
static void read_some(struct fx *x, unsigned item_bytes, unsigned each) {
        struct fs_attr attr;

        begin(x);
        mem_set_item_bytes(x->m, item_bytes);
        mem_reset_calls(x->m);
        for (unsigned i = 0; i < ITEMS; i += each) {
                ck_assert_int_eq(fx_stat(x, item(i), &attr), 0);
                fx_advance(NS_PER_MS / 10);
        }
}

START_TEST(test_small_fifths) {
        struct fx x;

        read_some(&x, 1024, 5);
        ck_assert_uint_le(mem_calls(x.m, MEM_GET), 16);
        ck_assert_uint_le(mem_calls(x.m, MEM_QUERY), 16);
        fx_end(&x);
}
END_TEST

START_TEST(test_large_fourths) {
        struct fx x;

        read_some(&x, 4096, 4);
        ck_assert_uint_ge(mem_calls(x.m, MEM_GET), 1200);
        ck_assert_uint_le(mem_calls(x.m, MEM_QUERY), 4);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("crawl");
        TCase *t = tcase_create("crawl");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_slow_reader, 0, 4);
        tcase_add_test(t, test_random_reader);
        tcase_add_test(t, test_small_fifths);
        tcase_add_test(t, test_large_fourths);
        suite_add_tcase(s, t);
        return fx_run(s);
}
