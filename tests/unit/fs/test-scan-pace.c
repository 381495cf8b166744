/* SPDX-License-Identifier: Apache-2.0 */
/* What listings of partitions cost: the pace played against tables that are only sizes (PRODUCT section 5). */
#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/base/macros.h"
#include "ddbfs/base/alloc.h"
#include "../../../src/fs/scan_pace.h"
#include "../suite.h"

#define PAGE (1024 * 1024)

struct table {
        unsigned n;
        unsigned *items;  /* of each partition */
        unsigned *bytes;  /* of each of its items */
};

struct cost {
        double units;
        unsigned requests, found;
};

static double billed(uint64_t bytes) {
        return 0.5 * (double)((bytes + 4095) / 4096);
}

static double total_units(const struct table *t) {
        uint64_t all = 0;

        for (unsigned i = 0; i < t->n; i++)
                all += (uint64_t)t->items[i] * t->bytes[i];
        return billed(all);
}

/* One request from the first item of partition *at; *at becomes the next that has not been seen. */
static void ask(const struct table *t, struct scan_pace *p, unsigned *at, struct cost *c) {
        uint64_t bytes = 0, items = 0, limit = scan_pace_limit(p);
        unsigned first = *at, item = 0;

        while (*at < t->n && bytes < PAGE && (limit == 0 || items < limit)) {
                bytes += t->bytes[*at];
                items++;
                if (++item == t->items[*at]) {
                        (*at)++;
                        item = 0;
                }
        }
        if (item > 0)
                (*at)++; /* the rest of it is skipped */
        c->found += *at - first;
        c->units += billed(bytes);
        c->requests++;
        scan_pace_seen(p, items, *at - first, billed(bytes), false);
}

static struct cost list(const struct table *t, bool hint) {
        struct cost c = { 0 };
        struct scan_pace p;
        uint64_t items = 0, bytes = 0;
        unsigned at = 0;

        for (unsigned i = 0; i < t->n; i++) {
                items += t->items[i];
                bytes += (uint64_t)t->items[i] * t->bytes[i];
        }
        scan_pace_init(&p, hint ? items : 0, hint ? bytes : 0);
        while (at < t->n)
                ask(t, &p, &at, &c);
        c.requests++; /* the page that says that there is nothing behind */
        ck_assert_uint_eq(c.found, t->n);
        return c;
}

static struct table table_new(unsigned n, unsigned items, unsigned bytes) {
        struct table t = { .n = n, .items = calloc(n, sizeof(unsigned)), .bytes = calloc(n, sizeof(unsigned)) };

        ck_assert(t.items && t.bytes);
        for (unsigned i = 0; i < n; i++) {
                t.items[i] = items;
                t.bytes[i] = bytes;
        }
        return t;
}

static void table_free(struct table *t) {
        free(t->items);
        free(t->bytes);
}

/* issue: 300 x 100 x 4 KB in 160 units; the least there could be is 150 */
START_TEST(test_large) {
        struct table t = table_new(300, 100, 4000 + (unsigned)_i / 2 * 96);
        struct cost c = list(&t, _i % 2);

        ck_assert_msg(c.units <= 160 && c.requests <= 310, "%.1f units, %u requests", c.units, c.requests);
        table_free(&t);
}
END_TEST

/* issue: 2,000 partitions of one item at the price of the plain scan + 5 % */
START_TEST(test_small) {
        static const unsigned sizes[] = { 100, 200, 430, 1000, 2100, 4000 };
        struct table t = table_new(2000, 1, sizes[_i / 2]);
        struct cost c = list(&t, _i % 2);

        ck_assert_msg(c.units <= 1.05 * total_units(&t), "%.1f units, plain %.1f", c.units, total_units(&t));
        ck_assert_msg(c.requests <= 5 + total_units(&t) / 128, "%u requests", c.requests);
        table_free(&t);
}
END_TEST

static unsigned random_below(unsigned *state, unsigned n) {
        *state = *state * 1664525 + 1013904223;
        return (*state >> 8) % n;
}

/* Tables of all kinds of mixtures: never costlier than the plain scan, but for a request's rounding. */
START_TEST(test_random) {
        unsigned state = (unsigned)_i * 7919 + 1;
        unsigned n = 1 + random_below(&state, 5000), kind = random_below(&state, 5);
        struct table t = table_new(n, 1, 100);
        struct cost c;

        for (unsigned i = 0; i < n; i++) {
                static const unsigned most[] = { 2, 20, 300, 3000 };
                unsigned size = kind < 4 ? kind : random_below(&state, 4); /* the last kind: of every size */

                t.items[i] = 1 + random_below(&state, most[size]);
                t.bytes[i] = 50 + random_below(&state, _i % 3 ? 400 : 8000);
        }
        c = list(&t, _i % 2);
        ck_assert_msg(c.units <= 1.05 * total_units(&t) + 1.5, "%u partitions: %.1f units, plain %.1f", n, c.units,
                      total_units(&t));
        ck_assert_msg(c.requests <= n + total_units(&t) / 100 + 10, "%u requests for %u partitions", c.requests, n);
        table_free(&t);
}
END_TEST

/* Small ones behind a long run of large ones: noticed, and the other way round. */
START_TEST(test_change) {
        struct table t = table_new(4000, 1, 3000);
        struct cost c;

        for (unsigned i = 0; i < 1000; i++)
                t.items[_i ? 3000 + i : i] = 200;
        c = list(&t, false);
        ck_assert_msg(c.units <= 500 + 1.05 * 3000 * 3000 / 8192 + 260, "%.1f units", c.units);
        ck_assert_msg(c.requests <= 1000 + 150, "%u requests", c.requests);
        table_free(&t);
}
END_TEST

/* A server that counts no capacity, and pages without items. */
START_TEST(test_odd) {
        struct scan_pace p;

        scan_pace_init(&p, 0, 0);
        for (unsigned i = 0; i < 1000; i++) {
                scan_pace_seen(&p, i % 7, i % 3, i % 5 ? 0 : 1e9, i % 2);
                ck_assert_uint_le(scan_pace_limit(&p), 100000);
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("scan-pace");
        TCase *tc = tcase_create("pace");

        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_large, 0, 4);
        tcase_add_loop_test(tc, test_small, 0, 12);
        tcase_add_loop_test(tc, test_random, 0, 300);
        tcase_add_loop_test(tc, test_change, 0, 2);
        tcase_add_test(tc, test_odd);
        suite_add_tcase(s, tc);
        return suite_run(s);
}
