/* SPDX-License-Identifier: Apache-2.0 */
/* The next page of a listing is fetched while this one is read (dir_ahead.c). */
#include <pthread.h>
#include "dir_reader.h"

#define PAGE 10
#define ITEMS 50
#define PAGES (ITEMS / PAGE + 1) /* the service cannot know that a full page was the last */

static void start(struct fx *x, bool off, struct dir *d) {
        fx_init(x);
        x->o.cache_ttl_ns = FS_FOREVER;
        x->o.no_readahead = off;
        fx_start(x);
        mem_set_page_size(x->m, PAGE);
        fill_partition(x, ITEMS);
        dir_open(x, "Music/a", d);
        mem_reset_calls(x->m);
}

static void nap(void) {
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* As many, and after a while no more. */
static void expect_queries(struct fx *x, unsigned n) {
        for (unsigned i = 0; i < 2500 && mem_calls(x->m, MEM_QUERY) < n; i++)
                nap();
        for (unsigned i = 0; i < 20; i++)
                nap();
        ck_assert_uint_eq(mem_calls(x->m, MEM_QUERY), n);
}

/* One call, with room for n names. */
static int read_once(struct dir *d, uint64_t offset, unsigned n, struct got *g) {
        *g = (struct got){ .want = n, .next = offset };
        return FX_CALL(fs_readdir(d->x->fs, &ctx, d->d, offset, false, take, g));
}

/* The first page is loaded, the second call asks for the next one. */
static uint64_t read_twice(struct dir *d) {
        struct got g;

        ck_assert_ok(read_once(d, 0, 3, &g));
        expect_queries(d->x, 1);
        ck_assert_ok(read_once(d, g.next, 2, &g));
        ck_assert_str_eq(g.names, "0001.json 0002.json");
        return g.next;
}

/* The names from `first` to the end. */
static void expect_rest(struct dir *d, uint64_t offset, unsigned first) {
        char name[16];
        struct got g;

        ck_assert_ok(dir_read(d, offset, 1000, &g));
        ck_assert_uint_eq(g.n, ITEMS - first);
        for (unsigned i = first; i < ITEMS; i++) {
                (void)snprintf(name, sizeof(name), "%04u.json", i);
                ck_assert_ptr_nonnull(strstr(g.names, name));
        }
}

static void end(struct dir *d, struct fx *x) {
        dir_close(d);
        fx_end(x);
}

/* None before the second call; one ahead, and no more before the reader comes to it; all in all each page once. */
START_TEST(test_one_ahead) {
        struct fx x;
        struct dir d;
        struct got g;
        uint64_t next;

        start(&x, _i == 1, &d);
        next = read_twice(&d);
        expect_queries(&x, _i ? 1 : 2);
        ck_assert_ok(dir_read(&d, next, 5, &g));
        expect_queries(&x, _i ? 1 : 2);
        expect_rest(&d, g.next, 8);
        expect_queries(&x, PAGES);
        end(&d, &x);
}
END_TEST

/* The second page hangs, or its answer does. */
static uint64_t hang(struct fx *x, struct dir *d, bool after) {
        struct got g;

        start(x, false, d);
        ck_assert_ok(read_once(d, 0, 3, &g));
        mem_hold(x->m, MEM_QUERY, after);
        ck_assert_ok(read_once(d, g.next, 2, &g));
        mem_wait_held(x->m, MEM_QUERY, 1);
        return g.next;
}

/* What is fetched ahead and not read is cancelled: closing waits for nothing. */
START_TEST(test_close_while_it_hangs) {
        struct fx x;
        struct dir d;

        (void)hang(&x, &d, _i);
        end(&d, &x);
}
END_TEST

/* A failure ahead is no error: the page is asked for again when it is needed, and told if that fails too. */
START_TEST(test_failure) {
        struct fx x;
        struct dir d;
        struct got g;
        uint64_t next;

        start(&x, false, &d);
        mem_fail(x.m, MEM_QUERY, 2, _i ? 2 : 1, ERR_BUSY, false);
        next = read_twice(&d);
        expect_queries(&x, 2);
        ck_assert_ok(dir_read(&d, next, 7, &g));
        ck_assert_str_eq(g.names, "0003.json 0004.json 0005.json 0006.json 0007.json 0008.json 0009.json");
        if (_i)
                ck_assert_int_eq(read_once(&d, g.next, 5, &(struct got){ 0 }), -EBUSY);
        expect_rest(&d, g.next, 10);
        ck_assert_uint_eq(mem_calls(x.m, MEM_QUERY), PAGES + 1 + (unsigned)_i);
        end(&d, &x);
}
END_TEST

/* Who goes elsewhere does not get the page that was fetched ahead. */
START_TEST(test_seek) {
        struct fx x;
        struct dir d;
        struct got g;

        start(&x, false, &d);
        ck_assert_ok(dir_read(&d, 0, 25, &g)); /* on the third page: the fourth is fetched */
        ck_assert_ok(read_once(&d, g.next, 1, &g));
        ck_assert_str_eq(g.names, "0023.json");
        expect_queries(&x, 4);
        expect_rest(&d, 2 + 4, 4);
        ck_assert_ok(read_once(&d, 2 + 23, 1, &g));
        ck_assert_str_eq(g.names, "0023.json");
        expect_rest(&d, 2 + 24, 24);
        end(&d, &x);
}
END_TEST

/* rewinddir looks again, also where the page ahead was asked for before. */
START_TEST(test_rewind) {
        struct fx x;
        struct dir d;
        struct got g;

        (void)hang(&x, &d, true);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"0005b\"}");
        mem_release(x.m, MEM_QUERY);
        ck_assert_ok(dir_read(&d, 0, 1000, &g));
        ck_assert_uint_eq(g.n, ITEMS + 3);
        ck_assert_ptr_nonnull(strstr(g.names, "0005b.json"));
        end(&d, &x);
}
END_TEST

/* A listing whose last pages were asked for before a write is not kept as if it showed it. */
START_TEST(test_own_write) {
        struct fx_file file;
        struct fx x;
        struct dir d;
        uint64_t next;

        next = hang(&x, &d, true);
        mem_release(x.m, MEM_QUERY);
        expect_queries(&x, 2);
        ck_assert_ok(fx_open(&x, "Music/a/0012b.json", O_WRONLY | O_CREAT | O_EXCL, &file));
        ck_assert_ok(fx_write(&file, "{\"v\":1}"));
        ck_assert_ok(fx_close(&file));
        expect_rest(&d, next, 3);
        ck_assert_ptr_nonnull(strstr(fx_names(&x, "Music/a"), "0012b.json"));
        end(&d, &x);
}
END_TEST

/* ---- who waits for the page ---- */

struct waiter {
        struct dir *d;
        uint64_t offset;
        struct op_ctx ctx;
        struct got g;
        int r;
};

static void *wait_main(void *arg) {
        struct waiter *w = arg;

        w->r = fs_readdir(w->d->x->fs, &w->ctx, w->d->d, w->offset, false, take, &w->g);
        return NULL;
}

/* Interrupted, or out of time, while the page ahead is under way: the listing goes on with it afterwards. */
START_TEST(test_interrupted) {
        struct fx x;
        struct dir d;
        struct got g;
        struct waiter w;
        pthread_t thread;

        (void)hang(&x, &d, false);
        ck_assert_ok(dir_read(&d, 2 + 3, 7, &g)); /* the rest of the first page */
        w = (struct waiter){ .d = &d, .offset = g.next, .g = { .want = 100 } };
        op_ctx_init(&w.ctx, "readdir", _i ? 20 * NS_PER_MS : 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_main, &w), 0);
        nap();
        if (_i == 0)
                op_ctx_cancel(&w.ctx);
        (void)pthread_join(thread, NULL);
        op_ctx_deinit(&w.ctx);
        ck_assert_int_eq(w.r, _i ? -ETIMEDOUT : -EINTR);
        ck_assert_uint_eq(mem_calls(x.m, MEM_QUERY), 2);
        mem_release(x.m, MEM_QUERY);
        expect_rest(&d, g.next, 10);
        ck_assert_uint_eq(mem_calls(x.m, MEM_QUERY), PAGES);
        end(&d, &x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("dir-ahead");
        TCase *t = tcase_create("dir-ahead");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_one_ahead, 0, 2);
        tcase_add_loop_test(t, test_close_while_it_hangs, 0, 2);
        tcase_add_loop_test(t, test_failure, 0, 2);
        tcase_add_test(t, test_seek);
        tcase_add_test(t, test_rewind);
        tcase_add_test(t, test_own_write);
        tcase_add_loop_test(t, test_interrupted, 0, 2);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
