/* SPDX-License-Identifier: Apache-2.0 */
/* A long listing of partitions by several requests at once (dir_lanes.c): always the one that is made by one after the
 * other, whatever the engine's segments are. */
#include "dir_reader.h"

#define PARTITIONS 300
#define ITEMS 10 /* of a partition: it is worth skipping */
#define SLOW_US 1200 /* a request: worth waiting for several at once */

static void start(struct fx *x, bool off, enum mem_segments segments) {
        fx_init(x);
        x->o.no_readahead = off;
        fx_start(x);
        mem_set_page_size(x->m, 1000);
        mem_set_segments(x->m, segments);
        mem_set_item_bytes(x->m, 4000);
        mem_set_delay_us(x->m, off ? 0 : SLOW_US);
        for (unsigned p = 0; p < PARTITIONS; p++) {
                char hash[16], range[16];

                (void)snprintf(hash, sizeof(hash), "p%u", p);
                for (unsigned i = 0; i < (p % 50 == 7 ? 1 : ITEMS); i++) {
                        (void)snprintf(range, sizeof(range), "s%u", i);
                        mem_put_key(x->m, "Music", str_make(hash, strlen(hash)), str_make(range, strlen(range)));
                }
        }
        mem_reset_calls(x->m);
}

/* The names of the table, and the requests. */
static unsigned list(struct fx *x, struct fx_listing *l) {
        *l = (struct fx_listing){ .names = BUF_INIT(MIB), .budget = 40 };
        ck_assert_ok(fx_ls(x, "Music", l));
        return mem_calls(x->m, MEM_SCAN);
}

/* As by one request after the other, in the same order, for hardly more requests. */
START_TEST(test_the_same) {
        struct fx_listing serial, lanes;
        unsigned wanted, made;
        struct fx x;

        start(&x, true, MEM_SEGMENTS_RANGES);
        wanted = list(&x, &serial);
        ck_assert_uint_eq(serial.n, PARTITIONS);
        fx_end(&x);
        start(&x, false, (enum mem_segments)_i);
        made = list(&x, &lanes);
        ck_assert_uint_eq(lanes.n, PARTITIONS);
        ck_assert(str_eq(buf_view(&lanes.names), buf_view(&serial.names)));
        ck_assert_uint_le(made, wanted + wanted / 20);
        if (_i == MEM_SEGMENTS_RANGES)
                ck_assert_uint_gt(made, wanted); /* there were lanes */
        fx_end(&x);
        buf_deinit(&serial.names);
        buf_deinit(&lanes.names);
}
END_TEST

/* Whichever request fails, once or for good, the names that are shown are right. */
START_TEST(test_failures) {
        struct fx_listing l;
        struct fx x;

        start(&x, false, MEM_SEGMENTS_RANGES);
        mem_fail(x.m, MEM_SCAN, 34 + 18 * (unsigned)_i, 1, ERR_VALIDATION, _i % 2);
        l = (struct fx_listing){ .names = BUF_INIT(MIB), .budget = 40 };
        if (fx_ls(&x, "Music", &l) == 0)
                ck_assert_uint_eq(l.n, PARTITIONS);
        l.n = 0;
        buf_reset(&l.names);
        ck_assert_ok(fx_ls(&x, "Music", &l));
        ck_assert_uint_eq(l.n, PARTITIONS);
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

START_TEST(test_empty_pages) {
        struct fx_listing l;
        struct fx x;

        start(&x, false, (enum mem_segments)_i);
        mem_set_empty_pages(x.m, true);
        (void)list(&x, &l);
        ck_assert_uint_eq(l.n, PARTITIONS);
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

/* Closing the directory cancels what is under way, and waits for none of it. */
START_TEST(test_close) {
        struct fx x;
        struct dir d;
        struct got g;
        int r = 0;

        start(&x, false, MEM_SEGMENTS_RANGES);
        dir_open(&x, "Music", &d);
        ck_assert_ok(dir_read(&d, 0, 30 + 20 * (unsigned)_i, &g));
        mem_hold(x.m, MEM_SCAN, _i % 2);
        while (r == 0) {
                struct got more = { .want = 10, .next = g.next };
                struct op_ctx ctx;

                op_ctx_init(&ctx, "readdir", 200 * NS_PER_MS);
                r = fs_readdir(x.fs, &ctx, d.d, g.next, false, take, &more);
                op_ctx_deinit(&ctx);
                ck_assert(r || more.n > 0);
                g.next = more.next;
        }
        ck_assert_int_eq(r, -ETIMEDOUT);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* Who stops reading is not read on for. */
START_TEST(test_abandoned) {
        struct fx x;
        struct dir d;
        struct got g;
        unsigned before;

        start(&x, false, MEM_SEGMENTS_RANGES);
        dir_open(&x, "Music", &d);
        ck_assert_ok(dir_read(&d, 0, 100, &g));
        for (unsigned i = 0; i < 100; i++)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        before = mem_calls(x.m, MEM_SCAN);
        for (unsigned i = 0; i < 50; i++)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        ck_assert_uint_eq(mem_calls(x.m, MEM_SCAN), before);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* From any offset, forwards and back, and after rewinddir: the same names. */
START_TEST(test_seek) {
        static const unsigned from[] = { 150, 20, 250, 90, 0, 280 };
        char all[PARTITIONS][16] = { { 0 } };
        struct got g;
        struct dir d;
        struct fx x;
        uint64_t at = 0;

        start(&x, false, MEM_SEGMENTS_RANGES);
        dir_open(&x, "Music", &d);
        ck_assert_ok(dir_read(&d, 0, 2, &g));
        at = g.next;
        for (unsigned i = 0; i < PARTITIONS; i++) {
                ck_assert_ok(dir_read(&d, at, 1, &g));
                ck_assert_uint_eq(g.n, 1);
                (void)snprintf(all[i], sizeof(all[i]), "%.15s", g.names);
                at = g.next;
        }
        for (size_t k = 0; k < sizeof(from) / sizeof(*from); k++) {
                ck_assert_ok(dir_read(&d, 2 + from[k], 1, &g));
                ck_assert_str_eq(g.names, all[from[k]]);
        }
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* Where requests take no time, several at once gain nothing, and what they cost is saved. */
START_TEST(test_fast) {
        struct fx_listing serial, listing;
        struct fx x;
        unsigned wanted;

        start(&x, true, MEM_SEGMENTS_RANGES);
        wanted = list(&x, &serial);
        fx_end(&x);
        start(&x, false, MEM_SEGMENTS_RANGES);
        mem_set_delay_us(x.m, 1);
        ck_assert_uint_eq(list(&x, &listing), wanted);
        ck_assert_uint_eq(listing.n, PARTITIONS);
        buf_deinit(&serial.names);
        buf_deinit(&listing.names);
        fx_end(&x);
}
END_TEST

/* A shorter table, of which lanes bring nothing, is listed again and again: the long one still has them. */
START_TEST(test_of_another_table) {
        struct fx_listing l, listing;
        unsigned wanted = 0;
        struct fx x;

        start(&x, true, MEM_SEGMENTS_RANGES);
        wanted = list(&x, &listing);
        buf_deinit(&listing.names);
        fx_end(&x);
        start(&x, false, MEM_SEGMENTS_RANGES);
        x.fs = fs_free(x.fs);
        x.o.cache_ttl_ns = 1;
        fx_start(&x);
        for (unsigned i = 0; i < 40 * ITEMS; i++) {
                char hash[16], range[16];

                (void)snprintf(hash, sizeof(hash), "%u", 1 + i / ITEMS);
                (void)snprintf(range, sizeof(range), "%u", i % ITEMS);
                mem_put_key(x.m, "Num", str_make(hash, strlen(hash)), str_make(range, strlen(range)));
        }
        for (unsigned i = 0; i < 20; i++) {
                l = (struct fx_listing){ .names = BUF_INIT(MIB), .budget = 40 };
                ck_assert_ok(fx_ls(&x, "Num", &l));
                ck_assert_uint_eq(l.n, 40);
                buf_deinit(&l.names);
        }
        mem_reset_calls(x.m);
        ck_assert_uint_gt(list(&x, &listing), wanted);
        buf_deinit(&listing.names);
        fx_end(&x);
}
END_TEST

/* Partitions made and removed by others while it is read, lanes' first ones too: those that stay are all shown, once. */
START_TEST(test_changes) {
        struct got g;
        struct dir d;
        struct fx x;
        bool shown[PARTITIONS] = { false };
        uint64_t at = 0;

        start(&x, false, MEM_SEGMENTS_RANGES);
        dir_open(&x, "Music", &d);
        for (unsigned n = 0;; n++) {
                unsigned p, gone = n * 3 % PARTITIONS;
                char hash[16], range[16];

                ck_assert_ok(dir_read(&d, at, 1, &g));
                if (g.n == 0)
                        break;
                at = g.next;
                if (sscanf(g.names, "p%u", &p) == 1) {
                        ck_assert_uint_lt(p, PARTITIONS);
                        ck_assert(!shown[p]);
                        shown[p] = true;
                }
                (void)snprintf(hash, sizeof(hash), "p%u", gone);
                for (unsigned i = 0; n < 100 && i < ITEMS; i++) {
                        (void)snprintf(range, sizeof(range), "s%u", i);
                        (void)mem_delete(x.m, "Music", hash, range);
                }
                mem_putf(x.m, "Music", "{\"Artist\":\"new%u\",\"Song\":\"x\"}", n % 100);
        }
        for (unsigned p = 0; p < PARTITIONS; p++)
                ck_assert(shown[p] || p % 3 == 0);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("dir-lanes");
        TCase *t = tcase_create("dir-lanes");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_the_same, MEM_SEGMENTS_RANGES, MEM_SEGMENTS_IGNORED + 1);
        tcase_add_loop_test(t, test_failures, 0, 8);
        tcase_add_loop_test(t, test_empty_pages, MEM_SEGMENTS_RANGES, MEM_SEGMENTS_IGNORED + 1);
        tcase_add_loop_test(t, test_close, 0, 4);
        tcase_add_test(t, test_abandoned);
        tcase_add_test(t, test_seek);
        tcase_add_test(t, test_changes);
        tcase_add_test(t, test_fast);
        tcase_add_test(t, test_of_another_table);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
