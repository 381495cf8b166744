/* SPDX-License-Identifier: Apache-2.0 */
/* Crawls: partition after partition, the next ones read ahead (tour.c, tour_lane.c). */
#include <pthread.h>
#include <stdlib.h>
#include "fixture.h"

#define PARTITIONS 40

enum order { LISTING, INODE, NAME };

struct tour_fx {
        struct fx x;
        unsigned items;
        char names[PARTITIONS][16]; /* in the order in which they are visited */
        uint64_t inos[PARTITIONS];
};

static int by_name(const void *a, const void *b) {
        return strcmp(a, b);
}

static void sort_by_ino(struct tour_fx *f) {
        for (unsigned i = 0; i < PARTITIONS; i++)
                for (unsigned k = i + 1; k < PARTITIONS; k++)
                        if (f->inos[k] < f->inos[i]) {
                                char name[16];
                                uint64_t ino = f->inos[i];

                                memcpy(name, f->names[i], sizeof(name));
                                memcpy(f->names[i], f->names[k], sizeof(name));
                                memcpy(f->names[k], name, sizeof(name));
                                f->inos[i] = f->inos[k];
                                f->inos[k] = ino;
                        }
}

/* The table is listed: from now on its partitions have an order. */
static void list_table(struct tour_fx *f, enum order order) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };
        char *save = NULL, path[64];
        unsigned n = 0;

        ck_assert_ok(fx_ls(&f->x, "Music", &l));
        for (char *p = strtok_r(l.names.p, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
                ck_assert_uint_lt(n, PARTITIONS);
                (void)snprintf(f->names[n], sizeof(f->names[n]), "%s", p);
                n++;
        }
        ck_assert_uint_eq(n, PARTITIONS);
        buf_deinit(&l.names);
        for (unsigned i = 0; order == INODE && i < n; i++) {
                (void)snprintf(path, sizeof(path), "Music/%s", f->names[i]);
                f->inos[i] = fx_ino(&f->x, path);
        }
        if (order == INODE)
                sort_by_ino(f);
        if (order == NAME)
                qsort(f->names, n, sizeof(f->names[0]), by_name);
        mem_reset_calls(f->x.m);
}

/* Partitions of `items` items with a text of `size` bytes; change f->x.o between this and start(). */
static void init(struct tour_fx *f, unsigned items, int size) {
        *f = (struct tour_fx){ .items = items };
        fx_init(&f->x);
        f->x.o.cache_ttl_ns = FS_FOREVER;
        for (unsigned p = 0; p < PARTITIONS; p++)
                for (unsigned i = 0; i < items; i++)
                        mem_putf(f->x.m, "Music", "{\"Artist\":\"p%02u\",\"Song\":\"%04u\",\"v\":\"%0*u\"}", p, i, size, i);
}

static void start(struct tour_fx *f, enum order order) {
        fx_start(&f->x);
        list_table(f, order);
}

static int visit_named(struct tour_fx *f, const char *name, struct fx_listing *l) {
        char path[64];

        (void)snprintf(path, sizeof(path), "Music/%s", name);
        *l = (struct fx_listing){ .names = BUF_INIT(MIB) };
        return fx_ls(&f->x, path, l);
}

static void visit(struct tour_fx *f, unsigned i) {
        struct fx_listing l;

        ck_assert_ok(visit_named(f, f->names[i], &l));
        ck_assert_msg(l.n == f->items, "%s: %u", f->names[i], l.n);
        buf_deinit(&l.names);
}

static void visit_some(struct tour_fx *f, unsigned from, unsigned end) {
        for (unsigned i = from; i < end; i++)
                visit(f, i);
}

static unsigned queries(struct tour_fx *f) {
        return mem_calls(f->x.m, MEM_QUERY);
}
static unsigned scans(struct tour_fx *f) {
        return mem_calls(f->x.m, MEM_SCAN);
}

static void nap(void) {
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* Until the background has sent this many. */
static void wait_calls(struct tour_fx *f, enum mem_op op, unsigned n) {
        for (unsigned i = 0; i < 2500 && mem_calls(f->x.m, op) < n; i++)
                nap();
        ck_assert_uint_ge(mem_calls(f->x.m, op), n);
}

/* Until nothing has been sent for a while.  Too short a while only makes the checks of upper bounds weaker. */
static void settle(struct tour_fx *f) {
        unsigned before, same = 0;

        do {
                before = mem_all_calls(f->x.m);
                nap();
                same = mem_all_calls(f->x.m) == before ? same + 1 : 0;
        } while (same < 20);
}

/* ---- recognition ---- */

/* In the order of the listing: by Scans, whatever their pages. */
START_TEST(test_listing_order) {
        static const unsigned pages[] = { 1000, 100, 7, 1 };
        struct tour_fx f;
        char path[64], text[FX_TEXT_MAX];

        init(&f, 5, 10);
        mem_set_page_size(f.x.m, pages[_i % 4]);
        mem_set_empty_pages(f.x.m, _i >= 4);
        start(&f, LISTING);
        visit_some(&f, 0, PARTITIONS);
        if (_i == 0) {
                ck_assert_uint_eq(queries(&f), 3);
                ck_assert_uint_le(scans(&f), 3);
        }
        mem_reset_calls(f.x.m);
        for (unsigned i = 0; i < PARTITIONS; i++) {
                (void)snprintf(path, sizeof(path), "Music/%s/0003.json", f.names[i]);
                ck_assert_ok(fx_cat(&f.x, path, text));
                ck_assert_ptr_nonnull(strstr(text, "0000000003"));
        }
        visit_some(&f, 0, PARTITIONS);
        ck_assert_uint_eq(mem_all_calls(f.x.m), 0);
        fx_end(&f.x);
}
END_TEST

/* In that of inode numbers (cp) or names (rsync): a Query each, and no partition twice. */
START_TEST(test_other_orders) {
        struct tour_fx f;

        init(&f, 5, 10);
        start(&f, _i ? NAME : INODE);
        visit_some(&f, 0, 4);
        wait_calls(&f, MEM_QUERY, PARTITIONS);
        visit_some(&f, 4, PARTITIONS);
        ck_assert_uint_eq(queries(&f), PARTITIONS);
        ck_assert_uint_eq(scans(&f), 0);
        fx_end(&f.x);
}
END_TEST

/* And a while of real time, so that no lane is left standing for a minute of the clock's. */
static void two_seconds_each(struct mem_store *m, void *arg) {
        for (unsigned i = 0; i < 5; i++)
                nap();
        fx_advance(2 * NS_PER_S);
        mem_before(m, MEM_QUERY, 1, two_seconds_each, arg);
}

/* Longer than one job may take: stretch after stretch, each in its time. */
START_TEST(test_longer_than_a_minute) {
        struct tour_fx f;

        init(&f, 20, 2000);
        fx_clock(&f.x);
        start(&f, NAME);
        mem_before(f.x.m, MEM_QUERY, 1, two_seconds_each, NULL);
        visit_some(&f, 0, 3);
        wait_calls(&f, MEM_QUERY, PARTITIONS);
        fx_end(&f.x);
}
END_TEST

START_TEST(test_no_order) {
        static const unsigned visits[] = { 20, 3, 30, 11, 38, 7, 0, 25 };
        struct tour_fx f;

        init(&f, 5, 10);
        start(&f, LISTING);
        for (unsigned i = 0; i < ARRAY_LEN(visits); i++)
                visit(&f, visits[i]);
        settle(&f);
        ck_assert_uint_eq(mem_all_calls(f.x.m), ARRAY_LEN(visits));
        fx_end(&f.x);
}
END_TEST

START_TEST(test_option) {
        struct tour_fx f;

        init(&f, 5, 10);
        f.x.o.no_readahead = true;
        start(&f, LISTING);
        visit_some(&f, 0, 10);
        settle(&f);
        ck_assert_uint_eq(mem_all_calls(f.x.m), 10);
        fx_end(&f.x);
}
END_TEST

/* Visits further apart than a minute are no crawl. */
START_TEST(test_too_slow) {
        struct tour_fx f;

        init(&f, 5, 10);
        fx_clock(&f.x);
        start(&f, NAME);
        for (unsigned i = 0; i < 6; i++) {
                visit(&f, i);
                fx_advance(61 * NS_PER_S);
        }
        settle(&f);
        ck_assert_uint_eq(queries(&f), 6);
        fx_end(&f.x);
}
END_TEST

/* ---- the window ---- */

/* A quarter of cache_size is 256 KB, six partitions of 40 KB: who stops visiting stops the reading. */
START_TEST(test_window) {
        struct tour_fx f;

        init(&f, 20, 2000);
        f.x.o.cache_size = MIB;
        start(&f, NAME);
        visit_some(&f, 0, 3);
        wait_calls(&f, MEM_QUERY, 4);
        settle(&f);
        ck_assert_uint_le(queries(&f), 3 + 7);
        visit_some(&f, 3, 6);
        settle(&f);
        ck_assert_uint_le(queries(&f), 6 + 7);
        visit_some(&f, 6, PARTITIONS);
        ck_assert_uint_eq(queries(&f), PARTITIONS);
        fx_end(&f.x);
}
END_TEST

/* Partitions larger than half of the window: each when it is asked for. */
START_TEST(test_too_large) {
        struct tour_fx f;

        init(&f, 80, 2000);
        f.x.o.cache_size = MIB;
        start(&f, NAME);
        visit_some(&f, 0, 6);
        settle(&f);
        ck_assert_uint_eq(queries(&f), 6);
        fx_end(&f.x);
}
END_TEST

/* ---- what changes meanwhile ---- */

static void expect(struct tour_fx *f, unsigned i, const char *wanted) {
        char path[64];

        (void)snprintf(path, sizeof(path), "Music/%s", f->names[i]);
        ck_assert_str_eq(fx_names(&f->x, path), wanted);
}

/* Nothing is shown that is older than cache_ttl, and what has expired is not read ahead again. */
START_TEST(test_expired) {
        struct tour_fx f;
        unsigned before;

        init(&f, 1, 10);
        f.x.o.cache_ttl_ns = NS_PER_S;
        fx_clock(&f.x);
        start(&f, LISTING);
        visit_some(&f, 0, 3);
        wait_calls(&f, MEM_SCAN, 1);
        visit(&f, 4); /* waits for what is under way */
        settle(&f);
        mem_putf(f.x.m, "Music", "{\"Artist\":\"%s\",\"Song\":\"new\"}", f.names[5]);
        expect(&f, 5, "0000.json"); /* read ahead, and young enough */
        before = scans(&f);
        fx_advance(2 * NS_PER_S);
        expect(&f, 5, "0000.json new.json");
        visit_some(&f, 6, 12);
        ck_assert_uint_eq(scans(&f), before);
        fx_end(&f.x);
}
END_TEST

static void save(struct tour_fx *f, unsigned i, const char *name) {
        char path[64];

        (void)snprintf(path, sizeof(path), "Music/%s/%s", f->names[i], name);
        ck_assert_ok(fx_save(&f->x, path, "{\"v\":1}"));
}

START_TEST(test_own_writes) {
        struct tour_fx f;
        char path[64];

        init(&f, 2, 10);
        start(&f, LISTING);
        visit_some(&f, 0, 4);
        save(&f, 10, "new.json");
        (void)snprintf(path, sizeof(path), "Music/%s/0001.json", f.names[11]);
        ck_assert_ok(fx_rm(&f.x, path));
        expect(&f, 10, "0000.json 0001.json new.json");
        expect(&f, 11, "0000.json");
        fx_end(&f.x);
}
END_TEST

/* A write while the answer that does not show it is on its way. */
START_TEST(test_own_write_overtakes) {
        struct tour_fx f;
        struct fx_file file;
        char path[64];

        init(&f, 1, 10);
        start(&f, LISTING);
        (void)snprintf(path, sizeof(path), "Music/%s/new.json", f.names[10]);
        ck_assert_ok(fx_open(&f.x, path, O_WRONLY | O_CREAT, &file));
        ck_assert_ok(fx_write(&file, "{\"v\":1}"));
        mem_hold(f.x.m, MEM_SCAN, true);
        visit_some(&f, 0, 3);
        mem_wait_held(f.x.m, MEM_SCAN, 1);
        ck_assert_ok(fx_close(&file));
        mem_release(f.x.m, MEM_SCAN);
        visit_some(&f, 3, 10);
        expect(&f, 10, "0000.json new.json");
        fx_end(&f.x);
}
END_TEST

/* Others make partitions and remove them, after the table was listed. */
START_TEST(test_others) {
        struct tour_fx f;
        struct fx_listing l;
        char name[16];

        init(&f, 1, 10);
        f.x.o.cache_ttl_ns = NS_PER_S;
        fx_clock(&f.x);
        start(&f, LISTING);
        for (unsigned i = 0; i < 20; i++)
                mem_putf(f.x.m, "Music", "{\"Artist\":\"q%02u\",\"Song\":\"s\"}", i);
        for (unsigned i = 6; i < 12; i++)
                ck_assert(mem_delete(f.x.m, "Music", f.names[i], "0000"));
        visit_some(&f, 0, 6);
        for (unsigned i = 6; i < 12; i++) {
                int r = visit_named(&f, f.names[i], &l);

                ck_assert_msg(r == -ENOENT || (r == 0 && l.n == 0), "%s: %d, %u", f.names[i], r, l.n);
                buf_deinit(&l.names);
        }
        visit_some(&f, 12, PARTITIONS);
        ck_assert_uint_le(queries(&f), 3 + 2 * 6); /* those that are gone are asked for */
        fx_advance(2 * NS_PER_S); /* until then they are known not to exist */
        for (unsigned i = 0; i < 20; i++) {
                (void)snprintf(name, sizeof(name), "q%02u", i);
                ck_assert_ok(visit_named(&f, name, &l));
                ck_assert_uint_eq(l.n, 1);
                buf_deinit(&l.names);
        }
        fx_end(&f.x);
}
END_TEST

/* ---- failures ---- */

/* What fails ahead is nobody's error, and ends the reading ahead. */
START_TEST(test_failure) {
        struct tour_fx f;

        init(&f, 20, 2000);
        f.x.o.cache_size = MIB / 2; /* three partitions at a time */
        start(&f, LISTING);
        mem_fail(f.x.m, MEM_SCAN, 1, 1000, ERR_BUSY, false);
        visit_some(&f, 0, PARTITIONS);
        ck_assert_uint_eq(scans(&f), 1);
        ck_assert_uint_ge(queries(&f), PARTITIONS);
        fx_end(&f.x);
}
END_TEST

/* In the middle of a partition: what has come of it is not taken for all. */
START_TEST(test_failure_in_a_partition) {
        struct tour_fx f;

        init(&f, 5, 10);
        mem_set_page_size(f.x.m, 7);
        start(&f, LISTING);
        mem_fail(f.x.m, MEM_SCAN, 3, 1000, ERR_SERVICE, false);
        visit_some(&f, 0, PARTITIONS);
        ck_assert_uint_eq(scans(&f), 3);
        fx_end(&f.x);
}
END_TEST

/* ---- who waits for what is under way ---- */

struct waiter {
        struct fx *x;
        uint64_t music;
        struct str name;
        struct op_ctx ctx;
        int r;
};

static void *wait_main(void *arg) {
        struct waiter *w = arg;
        struct fs_entry entry;

        w->r = fs_lookup(w->x->fs, &w->ctx, w->music, w->name, &entry);
        return NULL;
}

static void under_way(struct tour_fx *f, struct fs_entry *music) {
        init(f, 5, 10);
        start(f, LISTING);
        ck_assert_ok(fx_lookup(&f->x, "Music", music));
        mem_hold(f->x.m, MEM_SCAN, false);
        visit_some(f, 0, 3);
        mem_wait_held(f->x.m, MEM_SCAN, 1);
}

START_TEST(test_interrupted) {
        struct waiter w;
        struct fs_entry music;
        struct tour_fx f;
        pthread_t thread;

        under_way(&f, &music);
        w = (struct waiter){ .x = &f.x, .music = music.node, .name = str_of(f.names[5]) };
        op_ctx_init(&w.ctx, "lookup", _i ? 20 * NS_PER_MS : 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_main, &w), 0);
        nap();
        if (_i == 0)
                op_ctx_cancel(&w.ctx);
        (void)pthread_join(thread, NULL);
        op_ctx_deinit(&w.ctx);
        ck_assert_int_eq(w.r, _i ? -ETIMEDOUT : -EINTR);
        mem_release(f.x.m, MEM_SCAN); /* the crawl goes on, and what was under way is used */
        visit_some(&f, 3, PARTITIONS);
        ck_assert_uint_eq(queries(&f), 3);
        fs_forget(f.x.fs, music.node, 1);
        fx_end(&f.x);
}
END_TEST

/* The mount ends while something is under way: it is cancelled, not waited for. */
START_TEST(test_end) {
        struct fs_entry music;
        struct tour_fx f;

        under_way(&f, &music);
        fs_forget(f.x.fs, music.node, 1);
        fx_end(&f.x);
}
END_TEST

/* A new listing of the table begins a new crawl; the old one's order counts no more. */
START_TEST(test_listed_anew) {
        struct tour_fx f;

        init(&f, 1, 10);
        f.x.o.cache_ttl_ns = NS_PER_S;
        fx_clock(&f.x);
        start(&f, LISTING);
        visit_some(&f, 0, PARTITIONS);
        ck_assert_uint_eq(queries(&f), 3);
        for (unsigned i = 0; i < PARTITIONS; i += 2) {
                ck_assert(mem_delete(f.x.m, "Music", f.names[i], "0000"));
                mem_putf(f.x.m, "Music", "{\"Artist\":\"q%02u\",\"Song\":\"s\"}", i);
        }
        fx_advance(2 * NS_PER_S);
        list_table(&f, LISTING);
        visit_some(&f, 0, PARTITIONS);
        ck_assert_uint_le(queries(&f), 3);
        fx_end(&f.x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("tour");
        TCase *t = tcase_create("tour");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_listing_order, 0, 8);
        tcase_add_loop_test(t, test_other_orders, 0, 2);
        tcase_add_test(t, test_longer_than_a_minute);
        tcase_add_test(t, test_no_order);
        tcase_add_test(t, test_option);
        tcase_add_test(t, test_too_slow);
        tcase_add_test(t, test_window);
        tcase_add_test(t, test_too_large);
        tcase_add_test(t, test_expired);
        tcase_add_test(t, test_own_writes);
        tcase_add_test(t, test_own_write_overtakes);
        tcase_add_test(t, test_others);
        tcase_add_test(t, test_failure);
        tcase_add_test(t, test_failure_in_a_partition);
        tcase_add_loop_test(t, test_interrupted, 0, 2);
        tcase_add_test(t, test_end);
        tcase_add_test(t, test_listed_anew);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
