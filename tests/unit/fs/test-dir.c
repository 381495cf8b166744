/* SPDX-License-Identifier: Apache-2.0 */
/* Listings (PRODUCT sections 2 and 5). */
#include <pthread.h>
#include "ddbfs/base/metrics.h"
#include "dir_reader.h"

/* ---- every entry once, whatever the sizes of pages and buffers ---- */

START_TEST(test_complete) {
        static const unsigned pages[] = { 1, 2, 3, 7, 100, 1000 }, budgets[] = { 1, 2, 5, 0 };
        unsigned page = pages[_i % 6], budget = budgets[_i / 6 % 4];
        bool plus = _i / 24 % 2, empty = _i / 48;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, page);
        mem_set_empty_pages(x.m, empty);
        fill_partition(&x, 20);
        for (unsigned i = 0; i < 20; i++)
                for (unsigned k = 0; k < i % 4 + 1; k++)
                        mem_putf(x.m, "Num", "{\"H\":%u,\"R\":%u}", i, k);
        for (unsigned i = 0; i < 20; i++)
                mem_putf(x.m, "Users", "{\"Id\":\"%u\"}", i);
        static const struct {
                const char *path;
                unsigned n;
        } dirs[] = { { "/", 5 },     { "Music", 1 },  { "Music/a", 20 }, { "Num", 20 },
                     { "Num/3", 4 }, { "Users", 20 }, { "Log", 0 },      { ".ddbfs", 0 } };
        for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
                struct fx_listing l = { .names = BUF_INIT(MIB), .budget = budget, .plus = plus };

                ck_assert_msg(fx_ls(&x, dirs[i].path, &l) == 0, "%s", dirs[i].path);
                ck_assert_msg(dirs[i].path[0] == '.' || l.n == dirs[i].n, "%s: %u, page %u, budget %u:\n%s",
                              dirs[i].path, l.n, page, budget, l.names.p ? l.names.p : "");
                for (unsigned k = 0; i == 2 && k < 20; k++) {
                        char name[16];

                        (void)snprintf(name, sizeof(name), "%04u.json", k);
                        ck_assert(fx_listed(&l, name));
                }
                ck_assert(!plus || l.plus_checked == l.n);
                buf_deinit(&l.names);
        }
        fx_end(&x);
}
END_TEST

/* Sorted by sort key, as the Query is. */
START_TEST(test_order) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Num", "{\"H\":1,\"R\":10}");
        mem_put(x.m, "Num", "{\"H\":1,\"R\":9}");
        mem_put(x.m, "Num", "{\"H\":1,\"R\":-1}");
        ck_assert_ok(fx_ls(&x, "Num/1", &l));
        ck_assert_str_eq(l.names.p, "-1.json\n9.json\n10.json\n");
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

START_TEST(test_offsets) {
        struct got first, again;
        struct dir d;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 3);
        fill_partition(&x, 20);
        dir_open(&x, "Music/a", &d);
        ck_assert_ok(dir_read(&d, 0, 100, &first));
        ck_assert_uint_eq(first.n, 22);
        /* every place can be come back to, in any order, also over page borders and after the end */
        for (uint64_t back = 22; back > 0; back--) {
                struct got upto, from;

                ck_assert_ok(dir_read(&d, 0, (unsigned)back, &upto));
                ck_assert_ok(dir_read(&d, upto.next, 100, &from));
                ck_assert_uint_eq(upto.n + from.n, 22);
                ck_assert_str_eq(from.names, back == 22 ? "" : strstr(first.names, from.names));
        }
        ck_assert_ok(dir_read(&d, 2 + 15, 1, &again)); /* seekdir to what telldir gave */
        ck_assert_str_eq(again.names, "0015.json");
        ck_assert_ok(dir_read(&d, 2 + 4, 1, &again));
        ck_assert_str_eq(again.names, "0004.json");
        ck_assert_ok(dir_read(&d, 2 + 19, 5, &again));
        ck_assert_str_eq(again.names, "0019.json");
        ck_assert_ok(dir_read(&d, 1000, 5, &again));
        ck_assert_uint_eq(again.n, 0);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

START_TEST(test_rewind) {
        struct got g;
        struct dir d;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = 0; /* listings are kept too */
        fx_start(&x);
        mem_set_page_size(x.m, 3);
        fill_partition(&x, 5);
        dir_open(&x, "Music/a", &d);
        ck_assert_ok(dir_read(&d, 0, 100, &g));
        ck_assert_uint_eq(g.n, 7);
        mem_delete(x.m, "Music", "a", "0001");
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"0009\"}");
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"0010\"}");
        ck_assert_ok(dir_read(&d, 0, 100, &g)); /* rewinddir looks again */
        ck_assert_str_eq(g.names, ". .. 0000.json 0002.json 0003.json 0004.json 0009.json 0010.json");
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* rm while listing, as `rm -r` does: what is there all the time is seen once. */
START_TEST(test_delete_while_listing) {
        unsigned seen[40] = { 0 };
        struct got g;
        struct dir d;
        uint64_t offset = 0;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 4);
        fill_partition(&x, 40);
        dir_open(&x, "Music/a", &d);
        do {
                char *save = NULL;

                ck_assert_ok(dir_read(&d, offset, 3, &g));
                offset = g.next;
                for (char *p = strtok_r(g.names, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
                        unsigned k;

                        if (sscanf(p, "%04u.json", &k) != 1)
                                continue;
                        seen[k]++;
                        p[4] = '\0';
                        if (k % 2)
                                mem_delete(x.m, "Music", "a", p);
                }
        } while (g.n > 0);
        for (unsigned k = 0; k < 40; k++)
                ck_assert_msg(seen[k] == 1, "%u: %u times", k, seen[k]);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* `rm -r` through the mount. */
START_TEST(test_remove_all) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };
        char *save = NULL;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 7);
        fill_partition(&x, 100);
        ck_assert_ok(fx_ls(&x, "Music/a", &l));
        ck_assert_int_eq(fx_rmdir(&x, "Music/a"), -ENOTEMPTY);
        for (char *p = strtok_r(l.names.p, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
                char path[64];

                (void)snprintf(path, sizeof(path), "Music/a/%s", p);
                ck_assert_msg(fx_rm(&x, path) == 0, "%s", path);
                ck_assert_int_eq(fx_exists(&x, path), -ENOENT);
        }
        ck_assert_ok(fx_rmdir(&x, "Music/a"));
        ck_assert_uint_eq(mem_count(x.m, "Music"), 0);
        ck_assert_int_eq(fx_exists(&x, "Music/a"), -ENOENT);
        ck_assert_str_eq(fx_names(&x, "Music"), "");
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

/* ---- cost ---- */

START_TEST(test_listing_fills_cache) {
        struct fx_listing l = { .names = BUF_INIT(MIB), .plus = true };
        char text[FX_TEXT_MAX], path[64];
        struct fs_attr attr;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = 60 * NS_PER_S;
        fx_start(&x);
        mem_set_page_size(x.m, 10);
        fill_partition(&x, 25);
        ck_assert_ok(fx_exists(&x, "Music/a"));
        mem_reset_calls(x.m);
        ck_assert_ok(fx_ls(&x, "Music/a", &l));
        for (unsigned i = 0; i < 25; i++) {
                (void)snprintf(path, sizeof(path), "Music/a/%04u.json", i);
                ck_assert_ok(fx_stat(&x, path, &attr));
                ck_assert_ok(fx_cat(&x, path, text));
                ck_assert_uint_eq(attr.size, strlen(text));
        }
        ck_assert_uint_eq(mem_calls(x.m, MEM_GET), 0);
        ck_assert_uint_le(mem_calls(x.m, MEM_QUERY), 3);
        ck_assert_uint_eq(mem_all_calls(x.m), mem_calls(x.m, MEM_QUERY));
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

/* A partition is named once, over however many pages its items go, and pages without a new name end nothing. */
START_TEST(test_big_partition) {
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 2);
        mem_set_empty_pages(x.m, true);
        fill_partition(&x, 50);
        mem_put(x.m, "Music", "{\"Artist\":\"b\",\"Song\":\"x\"}");
        mem_put(x.m, "Music", "{\"Artist\":\"c\",\"Song\":\"x\"}");
        ck_assert_str_eq(fx_names(&x, "Music"), "a b c");
        fx_end(&x);
}
END_TEST

/* Memory does not grow with the directory: what is held while a big one is listed stays below a few pages. */
static size_t heap_used(void);

START_TEST(test_bounded) {
        uint64_t offset = 0;
        size_t before, most = 0;
        struct got g;
        struct dir d;
        struct fx x;

        fx_init(&x);
        x.o.cache_size = MIB;
        fx_start(&x);
        mem_set_page_size(x.m, 100);
        fill_partition(&x, 9999);
        dir_open(&x, "Music/a", &d);
        ck_assert_ok(dir_read(&d, 0, 50, &g));
        before = heap_used();
        do {
                ck_assert_ok(dir_read(&d, offset, 50, &g));
                offset = g.next;
                most = MAX(most, heap_used());
        } while (g.n > 0);
        ck_assert_uint_eq(offset, 10001);
        ck_assert_msg(most <= before + 2 * MIB, "grew by %zu", most - before); /* the cache's one among it */
        ck_assert_int_le(metric_get(METRIC_CACHE_BYTES), MIB);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

#if SANITIZED
static size_t heap_used(void) {
        return 0;
}
#else
#include <malloc.h>

static size_t heap_used(void) {
        return mallinfo2().uordblks;
}
#endif

/* The first names come when the first page has, though the next one hangs. */
struct reader {
        struct fx *x;
        struct dir *d;
        struct got g;
        int r;
};

static void *read_some(void *arg) {
        struct reader *rd = arg;

        rd->g = (struct got){ .want = 100 };
        rd->r = 0;
        for (int i = 0; rd->r == 0 && i < 3 && rd->g.n < 3; i++)
                rd->r = FX_CALL(fs_readdir(rd->x->fs, &ctx, rd->d->d, rd->g.next, false, take, &rd->g));
        return NULL;
}

static void hold_scans(struct mem_store *m, void *arg) {
        (void)arg;
        mem_hold(m, MEM_SCAN, false);
        mem_hold(m, MEM_QUERY, false);
}

START_TEST(test_streams) {
        struct reader rd;
        pthread_t thread;
        struct timespec deadline;
        struct dir d;
        struct fx x;
        int late;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 5);
        fill_partition(&x, 20);
        for (unsigned i = 0; i < 20; i++)
                mem_putf(x.m, "Users", "{\"Id\":\"%u\"}", i);
        dir_open(&x, _i ? "Users" : "Music/a", &d);
        rd = (struct reader){ .x = &x, .d = &d };
        /* from the second page on they hang */
        mem_before(x.m, _i ? MEM_SCAN : MEM_QUERY, 2, hold_scans, NULL);
        ck_assert_int_eq(pthread_create(&thread, NULL, read_some, &rd), 0);
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 2;
        late = pthread_timedjoin_np(thread, NULL, &deadline);
        mem_release(x.m, MEM_SCAN);
        mem_release(x.m, MEM_QUERY);
        if (late)
                pthread_join(thread, NULL);
        ck_assert_int_eq(late, 0);
        ck_assert_ok(rd.r);
        ck_assert_uint_ge(rd.g.n, 3);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* ---- errors ---- */

/* What came before the error is delivered, then the error, then the listing goes on where it was. */
START_TEST(test_error_in_the_middle) {
        struct got g, rest;
        struct dir d;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = 0; /* listings are kept too */
        fx_start(&x);
        mem_set_page_size(x.m, 5);
        fill_partition(&x, 12);
        dir_open(&x, "Music/a", &d);
        mem_fail(x.m, MEM_QUERY, 2, 1, ERR_BUSY, false);
        ck_assert_int_eq(dir_read(&d, 0, 100, &g), -EBUSY);
        ck_assert_uint_eq(g.n, 7);
        ck_assert_ok(dir_read(&d, g.next, 100, &rest));
        ck_assert_str_eq(rest.names, "0005.json 0006.json 0007.json 0008.json 0009.json 0010.json 0011.json");
        dir_close(&d);
        dir_open(&x, "Music/a", &d);
        mem_fail(x.m, MEM_QUERY, 1, 1, ERR_ACCESS, false);
        ck_assert_int_eq(dir_read(&d, 0, 100, &g), -EACCES);
        ck_assert_uint_le(g.n, 2);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* An error that was kept for the next call is not told to one that begins anew. */
START_TEST(test_error_then_rewind) {
        struct got g;
        struct dir d;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 5);
        fill_partition(&x, 12);
        dir_open(&x, "Music/a", &d);
        mem_fail(x.m, MEM_QUERY, 1, 1, ERR_BUSY, false);
        g = (struct got){ .want = 100 };
        (void)FX_CALL(fs_readdir(x.fs, &ctx, d.d, 0, false, take, &g)); /* "." and "..", or the error */
        ck_assert_ok(dir_read(&d, 0, 100, &g));
        ck_assert_uint_eq(g.n, 14);
        dir_close(&d);
        fx_end(&x);
}
END_TEST

/* ---- what exists here only ---- */

START_TEST(test_local_partitions) {
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"there\",\"Song\":\"x\"}");
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_str_eq(fx_names(&x, "Music"), "new there");
        ck_assert_str_eq(fx_names(&x, "Music/new"), "");
        ck_assert_ok(fx_rmdir(&x, "Music/new"));
        ck_assert_str_eq(fx_names(&x, "Music"), "there");
        ck_assert_int_eq(fx_exists(&x, "Music/new"), -ENOENT);
        /* with an item in it, it is one like any other: shown once */
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        ck_assert_ok(fx_open(&x, "Music/new/x.json", O_WRONLY | O_CREAT, &f));
        ck_assert_int_eq(fx_rmdir(&x, "Music/new"), -ENOTEMPTY);
        ck_assert_ok(fx_write(&f, "{}"));
        ck_assert_ok(fx_close(&f));
        ck_assert_str_eq(fx_names(&x, "Music"), "new there");
        ck_assert_int_eq(fx_rmdir(&x, "Music/new"), -ENOTEMPTY);
        fx_end(&x);
}
END_TEST

/* mkdir and rmdir say what is so, also when the kernel asks with an old picture in mind. */
START_TEST(test_mkdir_exists) {
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = 0;
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"there\",\"Song\":\"x\"}");
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        ck_assert_int_eq(fx_mkdir(&x, "Music/new"), -EEXIST);
        ck_assert_int_eq(fx_mkdir(&x, "Music/there"), -EEXIST);
        mem_fail(x.m, MEM_QUERY, 1, 1, ERR_CONNECT, false);
        ck_assert_int_eq(fx_mkdir(&x, "Music/unknown"), -EHOSTUNREACH);
        ck_assert_int_eq(fx_rmdir(&x, "Music/nosuch"), -ENOENT);
        fx_end(&x);
}
END_TEST

/* mkdir lasts until the partition holds an item: with its last item it goes like any other. */
START_TEST(test_mkdir_ends) {
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        fx_start(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        fx_advance(600 * NS_PER_S);
        ck_assert_ok(fx_exists(&x, "Music/new"));
        ck_assert_ok(fx_save(&x, "Music/new/x.json", "{}"));
        mem_clear(x.m, "Music");
        fx_advance(600 * NS_PER_S);
        ck_assert_int_eq(fx_exists(&x, "Music/new"), -ENOENT);
        ck_assert_str_eq(fx_names(&x, "Music"), "");
        fx_end(&x);
}
END_TEST

START_TEST(test_unsaved_listed) {
        struct fx_listing l = { .names = BUF_INIT(KIB), .plus = _i };
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", "{\"Id\":\"1\"}");
        ck_assert_ok(fx_open(&x, "Users/2.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_ls(&x, "Users", &l));
        ck_assert_str_eq(l.names.p, "1.json\n2.json\n");
        ck_assert_ok(fx_write(&f, "{}"));
        ck_assert_ok(fx_flush(&f));
        ck_assert_str_eq(fx_names(&x, "Users"), "1.json 2.json");
        ck_assert_ok(fx_close(&f));
        ck_assert_str_eq(fx_names(&x, "Users"), "1.json 2.json");
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

/* Own writes are in the next listing, strongly read, whatever the ttl. */
START_TEST(test_own_writes_listed) {
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        ck_assert_str_eq(fx_names(&x, "Users"), "");
        ck_assert_ok(fx_save(&x, "Users/1.json", "{}"));
        mem_reset_calls(x.m);
        ck_assert_str_eq(fx_names(&x, "Users"), "1.json");
        ck_assert_uint_ge(mem_strong_reads(x.m), 1);
        ck_assert_ok(fx_rm(&x, "Users/1.json"));
        ck_assert_str_eq(fx_names(&x, "Users"), "");
        fx_end(&x);
}
END_TEST

START_TEST(test_table_gone) {
        struct got g;
        struct dir d;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        fill_partition(&x, 3);
        dir_open(&x, "Music/a", &d);
        mem_drop_table(x.m, "Music");
        ck_assert_int_eq(dir_read(&d, 0, 100, &g), -ENOENT);
        dir_close(&d);
        ck_assert_str_eq(fx_names(&x, "/"), "Bin Log Num Users");
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("dir");
        TCase *t = tcase_create("dir");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_complete, 0, 96);
        tcase_add_test(t, test_order);
        tcase_add_test(t, test_offsets);
        tcase_add_test(t, test_rewind);
        tcase_add_test(t, test_delete_while_listing);
        tcase_add_test(t, test_remove_all);
        tcase_add_test(t, test_listing_fills_cache);
        tcase_add_test(t, test_big_partition);
        tcase_add_test(t, test_bounded);
        tcase_add_loop_test(t, test_streams, 0, 2);
        tcase_add_test(t, test_error_in_the_middle);
        tcase_add_test(t, test_error_then_rewind);
        tcase_add_test(t, test_local_partitions);
        tcase_add_test(t, test_mkdir_exists);
        tcase_add_test(t, test_mkdir_ends);
        tcase_add_loop_test(t, test_unsaved_listed, 0, 2);
        tcase_add_test(t, test_own_writes_listed);
        tcase_add_test(t, test_table_gone);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
