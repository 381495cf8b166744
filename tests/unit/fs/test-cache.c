/* SPDX-License-Identifier: Apache-2.0 */
/* What this mount knows, how long, and what it costs to know it (PRODUCT section 5). */
#include <pthread.h>
#include "ddbfs/base/metrics.h"
#include "fixture.h"

#define PATH "Users/42.json"
#define ITEM "{\"Id\":\"42\",\"a\":1}"

/* Whether what has changed underneath is seen after this time, and what asking costs. */
static const struct {
        uint64_t ttl, after;
        bool fresh;
} ages[] = {
        { NS_PER_S, 0, false },
        { NS_PER_S, NS_PER_S - 1, false },
        { NS_PER_S, NS_PER_S, true },
        { 0, 0, true },
        { 60 * NS_PER_S, 59 * NS_PER_S, false },
        { 60 * NS_PER_S, 61 * NS_PER_S, true },
        { FS_FOREVER, 1000000 * NS_PER_S, false },
};

START_TEST(test_ttl_content) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        x.o.cache_ttl_ns = ages[_i].ttl;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":2}");
        fx_advance(ages[_i].after);
        mem_reset_calls(x.m);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, ages[_i].fresh ? "\"a\": 2" : "\"a\": 1"));
        if (!ages[_i].fresh)
                ck_assert_uint_eq(mem_all_calls(x.m), 0);
        fx_end(&x);
}
END_TEST

START_TEST(test_ttl_negative) {
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        x.o.cache_ttl_ns = ages[_i].ttl;
        fx_start(&x);
        ck_assert_int_eq(fx_exists(&x, PATH), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Music/a"), -ENOENT);
        mem_put(x.m, "Users", ITEM);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"b\"}");
        fx_advance(ages[_i].after);
        mem_reset_calls(x.m);
        ck_assert_int_eq(fx_exists(&x, PATH), ages[_i].fresh ? 0 : -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Music/a"), ages[_i].fresh ? 0 : -ENOENT);
        if (!ages[_i].fresh)
                ck_assert_uint_eq(mem_all_calls(x.m), 0);
        fx_end(&x);
}
END_TEST

/* The kernel may keep no more than the mount itself would. */
START_TEST(test_valid_times) {
        struct fs_entry entry;
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        x.o.cache_ttl_ns = ages[_i].ttl;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        for (int i = 0; i < 2; i++) {
                ck_assert_ok(fx_lookup(&x, PATH, &entry));
                fs_forget(x.fs, entry.node, 1);
                if (ages[_i].ttl == FS_FOREVER) {
                        ck_assert_uint_eq(entry.valid_ns, FS_FOREVER);
                } else {
                        ck_assert_uint_le(entry.valid_ns, ages[_i].ttl);
                        ck_assert_uint_le(entry.attr.valid_ns, ages[_i].ttl);
                        if (i == 1 && !ages[_i].fresh)
                                ck_assert_uint_le(entry.valid_ns, ages[_i].ttl - ages[_i].after);
                }
                fx_advance(ages[_i].after);
        }
        fx_end(&x);
}
END_TEST

START_TEST(test_consistent) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        x.o.consistent = true;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"b\"}");
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_cat(&x, "Music/a/b.json", text));
        ck_assert_str_eq(fx_names(&x, "Music"), "a");
        ck_assert_str_eq(fx_names(&x, "Music/a"), "b.json");
        ck_assert_uint_eq(mem_strong_reads(x.m),
                          mem_calls(x.m, MEM_GET) + mem_calls(x.m, MEM_QUERY) + mem_calls(x.m, MEM_SCAN));
        fx_end(&x);
}
END_TEST

/* Opening for writing reads strongly consistent, however fresh the cache is. */
START_TEST(test_open_for_writing) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":2}");
        mem_reset_calls(x.m);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 2"));
        ck_assert_uint_eq(mem_strong_reads(x.m), 1);
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
}
END_TEST

/* Writing to .ddbfs/flush drops everything, negative entries and tables too. */
START_TEST(test_flush) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_int_eq(fx_exists(&x, "Users/43.json"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Later"), -ENOENT);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":2}");
        mem_put(x.m, "Users", "{\"Id\":\"43\"}");
        mem_table(x.m, "Later", "Id:S", NULL);
        ck_assert_ok(fx_open(&x, ".ddbfs/flush", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "\n"));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 2"));
        ck_assert_ok(fx_exists(&x, "Users/43.json"));
        ck_assert_ok(fx_exists(&x, "Later"));
        fx_end(&x);
}
END_TEST

/* ---- bytes ---- */

START_TEST(test_bounded) {
        static char big[20000];
        char path[32], text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        x.o.cache_size = MIB;
        fx_start(&x);
        memset(big, 'x', sizeof(big) - 1);
        for (int i = 0; i < 300; i++)
                mem_putf(x.m, "Log", "{\"Id\":%d,\"v\":\"%s\"}", i, big);
        for (int round = 0; round < 3; round++) {
                for (int i = 0; i < 300; i++) {
                        (void)snprintf(path, sizeof(path), "Log/%d.json", i);
                        ck_assert_ok(fx_open(&x, path, O_RDONLY, &f));
                        ck_assert_ok(fx_read(&f, text, sizeof(text)));
                        fx_release(&f);
                        ck_assert_int_le(metric_get(METRIC_CACHE_BYTES), MIB);
                        ck_assert_int_ge(metric_get(METRIC_CACHE_BYTES), 0);
                }
        }
        /* the youngest are there, what is read again and again stays */
        mem_reset_calls(x.m);
        for (int i = 290; i < 300; i++) {
                (void)snprintf(path, sizeof(path), "Log/%d.json", i);
                ck_assert_ok(fx_cat(&x, path, text));
        }
        ck_assert_uint_eq(mem_calls(x.m, MEM_GET), 0);
        fx_end(&x);
}
END_TEST

/* Negative entries are bounded too. */
START_TEST(test_negative_bounded) {
        char path[64];
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        x.o.cache_size = MIB;
        fx_start(&x);
        for (int i = 0; i < 20000; i++) {
                (void)snprintf(path, sizeof(path), "Log/%d.json", i);
                ck_assert_int_eq(fx_exists(&x, path), -ENOENT);
                ck_assert_int_le(metric_get(METRIC_CACHE_BYTES), MIB);
        }
        ck_assert_int_le(metric_get(METRIC_NODES), 10);
        fx_end(&x);
}
END_TEST

/* Names of tables that are none: what is remembered of them is bounded as well. */
#if !SANITIZED
#include <malloc.h>

START_TEST(test_no_tables_bounded) {
        size_t before;
        char path[64];
        struct fx x;

        fx_init(&x);
        x.o.cache_size = MIB;
        fx_start(&x);
        before = mallinfo2().uordblks;
        for (int i = 0; i < 20000; i++) {
                (void)snprintf(path, sizeof(path), "no-table-%d", i);
                ck_assert_int_eq(fx_exists(&x, path), -ENOENT);
        }
        ck_assert_uint_le(mallinfo2().uordblks, before + 2 * MIB);
        fx_end(&x);
}
END_TEST
#endif

/* ---- single flight ---- */

#define THREADS 16

struct asker {
        struct fx *x;
        const char *path;
        uint64_t node; /* open_late(): instead of the path */
        pthread_t thread;
        struct op_ctx ctx;
        int r;
        bool done;
};

static void *ask(void *arg) {
        struct asker *a = arg;

        a->r = fx_exists(a->x, a->path);
        return NULL;
}

static void single_flight(const char *warm, const char *path, int want, enum mem_op op) {
        struct asker askers[THREADS];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"b\"}");
        if (warm)
                ck_assert_ok(fx_exists(&x, warm));
        mem_reset_calls(x.m);
        mem_hold(x.m, op, false);
        for (int i = 0; i < THREADS; i++) {
                askers[i] = (struct asker){ .x = &x, .path = path };
                ck_assert_int_eq(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
        }
        mem_wait_held(x.m, op, 1);
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL); /* the others come to wait for the first */
        mem_release(x.m, op);
        for (int i = 0; i < THREADS; i++) {
                pthread_join(askers[i].thread, NULL);
                ck_assert_int_eq(askers[i].r, want);
        }
        ck_assert_uint_eq(mem_calls(x.m, op), 1);
        fx_end(&x);
}

START_TEST(test_single_flight_item) {
        single_flight("Users", PATH, 0, MEM_GET);
}
END_TEST

START_TEST(test_single_flight_absent) {
        single_flight("Users", "Users/nobody.json", -ENOENT, MEM_GET);
}
END_TEST

START_TEST(test_single_flight_partition) {
        single_flight("Music", "Music/a", 0, MEM_QUERY);
}
END_TEST

START_TEST(test_single_flight_table) {
        single_flight(NULL, "Users", 0, MEM_DESCRIBE);
}
END_TEST

static void *ask_ctx(void *arg) {
        struct asker *a = arg;
        struct fs_entry users = { 0 }, entry = { 0 };

        a->r = fx_lookup(a->x, "Users", &users);
        if (a->r == 0)
                a->r = fs_lookup(a->x->fs, &a->ctx, users.node, STR("42.json"), &entry);
        if (entry.node)
                fs_forget(a->x->fs, entry.node, 1);
        fs_forget(a->x->fs, users.node, 1);
        __atomic_store_n(&a->done, true, __ATOMIC_SEQ_CST);
        return NULL;
}

static bool ended(struct asker *a) {
        for (int i = 0; i < 2000; i++) {
                if (__atomic_load_n(&a->done, __ATOMIC_SEQ_CST))
                        return true;
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        return false;
}

/* Ctrl-C ends the one who waits at once and nobody else; the leader's own leaves the others a new leader. */
START_TEST(test_interrupted_waiters) {
        struct asker a[3];
        struct fx x;
        int victim = _i;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_exists(&x, "Users"));
        mem_reset_calls(x.m);
        mem_hold(x.m, MEM_GET, false);
        for (int i = 0; i < 3; i++) {
                a[i] = (struct asker){ .x = &x };
                op_ctx_init(&a[i].ctx, "lookup", 0);
                ck_assert_int_eq(pthread_create(&a[i].thread, NULL, ask_ctx, &a[i]), 0);
                mem_wait_held(x.m, MEM_GET, 1); /* the first is the leader */
        }
        nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
        op_ctx_cancel(&a[victim].ctx);
        ck_assert(ended(&a[victim]));
        ck_assert_int_eq(a[victim].r, -EINTR);
        mem_release(x.m, MEM_GET);
        for (int i = 0; i < 3; i++) {
                pthread_join(a[i].thread, NULL);
                op_ctx_deinit(&a[i].ctx);
                if (i != victim)
                        ck_assert_ok(a[i].r);
        }
        ck_assert_uint_le(mem_calls(x.m, MEM_GET), 2);
        fx_end(&x);
}
END_TEST

START_TEST(test_deadline_of_waiter) {
        struct asker a[2];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_exists(&x, "Users"));
        mem_hold(x.m, MEM_GET, false);
        for (int i = 0; i < 2; i++) {
                a[i] = (struct asker){ .x = &x };
                op_ctx_init(&a[i].ctx, "lookup", i ? 50 * NS_PER_MS : 0);
                ck_assert_int_eq(pthread_create(&a[i].thread, NULL, ask_ctx, &a[i]), 0);
                mem_wait_held(x.m, MEM_GET, 1);
        }
        ck_assert(ended(&a[1]));
        ck_assert_int_eq(a[1].r, -ETIMEDOUT);
        mem_release(x.m, MEM_GET);
        for (int i = 0; i < 2; i++) {
                pthread_join(a[i].thread, NULL);
                op_ctx_deinit(&a[i].ctx);
        }
        ck_assert_ok(a[0].r);
        fx_end(&x);
}
END_TEST

/* ---- own writes are seen at once ---- */

START_TEST(test_own_write_seen) {
        char text[FX_TEXT_MAX];
        struct fs_attr attr;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = _i ? FS_FOREVER : 0;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":2}"));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 2"));
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.size, strlen(text));
        ck_assert_ok(fx_rm(&x, PATH));
        ck_assert_int_eq(fx_exists(&x, PATH), -ENOENT);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":3}"));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 3"));
        ck_assert_ok(fx_mv(&x, PATH, "Users/43.json", 0));
        ck_assert_int_eq(fx_exists(&x, PATH), -ENOENT);
        ck_assert_ok(fx_exists(&x, "Users/43.json"));
        fx_end(&x);
}
END_TEST

/* A read that began before an own write and answers after it: neither its text nor its "no such item" is shown to
 * anybody who opens later. */
START_TEST(test_late_read) {
        struct asker slow = { 0 };
        char text[FX_TEXT_MAX];
        struct fx x;
        bool absent = _i % 2;

        fx_init(&x);
        x.o.cache_ttl_ns = _i / 2 ? FS_FOREVER : 0;
        fx_start(&x);
        if (!absent)
                mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_exists(&x, "Users"));
        mem_hold(x.m, MEM_GET, true); /* the answer is taken, but does not arrive */
        slow = (struct asker){ .x = &x };
        op_ctx_init(&slow.ctx, "lookup", 0);
        ck_assert_int_eq(pthread_create(&slow.thread, NULL, ask_ctx, &slow), 0);
        mem_wait_held(x.m, MEM_GET, 1);
        /* meanwhile it is written here: by create, as nobody has looked it up yet */
        {
                struct fs_opened opened;
                struct fs_entry users, entry;

                ck_assert_ok(fx_lookup(&x, "Users", &users));
                ck_assert_ok(FX_CALL(fs_create(x.fs, &ctx, users.node, STR("42.json"), O_WRONLY, &entry, &opened)));
                ck_assert_ok(FX_CALL(fs_write(x.fs, &ctx, opened.file, 0, STR("{\"a\":2}"))));
                ck_assert_ok(FX_CALL(fs_flush(x.fs, &ctx, opened.file)));
                (void)FX_CALL((fs_release(x.fs, &ctx, opened.file), 0));
                fs_forget(x.fs, entry.node, 1);
                fs_forget(x.fs, users.node, 1);
        }
        if (_i / 2) { /* the cache answers, the late read does not matter */
                ck_assert_ok(fx_cat(&x, PATH, text));
                ck_assert_ptr_nonnull(strstr(text, "\"a\": 2"));
        }
        mem_release(x.m, MEM_GET);
        pthread_join(slow.thread, NULL);
        op_ctx_deinit(&slow.ctx);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 2"));
        fx_end(&x);
}
END_TEST

/* By node, so that the look-up of the path is not what asks. */
static void *open_late(void *arg) {
        struct asker *a = arg;
        struct fs_opened opened;
        struct str text = STR_NULL;
        struct fs_hold hold = { .of = NULL };

        a->r = FX_CALL(fs_open(a->x->fs, &ctx, a->node, O_RDONLY, &opened));
        if (a->r)
                return NULL;
        a->r = FX_CALL(fs_read(a->x->fs, &ctx, opened.file, 0, FX_TEXT_MAX, &text, &hold));
        if (a->r == 0)
                a->r = memmem(text.p, text.n, "\"a\": 2", 6) ? 0 : 1;
        fs_read_done(hold);
        (void)FX_CALL((fs_release(a->x->fs, &ctx, opened.file), 0));
        return NULL;
}

/* Who opens after an own write must not join a read that began before it. */
START_TEST(test_join_late_read) {
        struct asker slow = { 0 }, late = { 0 };
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = 0;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        mem_hold(x.m, MEM_GET, true);
        slow = (struct asker){ .x = &x, .node = f.node };
        ck_assert_int_eq(pthread_create(&slow.thread, NULL, open_late, &slow), 0);
        mem_wait_held(x.m, MEM_GET, 1);
        ck_assert_ok(fx_fsync(&f)); /* now it is written */
        late = (struct asker){ .x = &x, .node = f.node };
        ck_assert_int_eq(pthread_create(&late.thread, NULL, open_late, &late), 0);
        mem_wait_held(x.m, MEM_GET, 2); /* it asks for itself */
        mem_release(x.m, MEM_GET);
        pthread_join(slow.thread, NULL);
        pthread_join(late.thread, NULL);
        ck_assert_int_eq(slow.r, 1);
        ck_assert_int_eq(late.r, 0);
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
}
END_TEST

/* The same for a partition that was empty when it was asked for. */
START_TEST(test_join_late_partition) {
        struct asker slow = { 0 }, late = { 0 };
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = 0;
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"b\"}");
        ck_assert_ok(fx_open(&x, "Music/a/b.json", O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        ck_assert(mem_delete(x.m, "Music", "a", "b"));
        mem_hold(x.m, MEM_QUERY, true);
        slow = (struct asker){ .x = &x, .path = "Music/a" };
        ck_assert_int_eq(pthread_create(&slow.thread, NULL, ask, &slow), 0);
        mem_wait_held(x.m, MEM_QUERY, 1);
        ck_assert_ok(fx_fsync(&f));
        late = (struct asker){ .x = &x, .path = "Music/a" };
        ck_assert_int_eq(pthread_create(&late.thread, NULL, ask, &late), 0);
        mem_wait_held(x.m, MEM_QUERY, 2);
        mem_release(x.m, MEM_QUERY);
        pthread_join(slow.thread, NULL);
        pthread_join(late.thread, NULL);
        ck_assert_int_eq(slow.r, -ENOENT);
        ck_assert_int_eq(late.r, 0);
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
}
END_TEST

/* What is asked before a flush of all caches is not an answer to who asks after it, and is not kept. */
START_TEST(test_join_flushed) {
        struct asker slow = { 0 }, late = { 0 };
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_hold(x.m, MEM_DESCRIBE, true);
        slow = (struct asker){ .x = &x, .path = "Users" };
        ck_assert_int_eq(pthread_create(&slow.thread, NULL, ask, &slow), 0);
        mem_wait_held(x.m, MEM_DESCRIBE, 1);
        ck_assert_ok(fx_open(&x, ".ddbfs/flush", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "1"));
        ck_assert_ok(fx_close(&f));
        late = (struct asker){ .x = &x, .path = "Users" };
        ck_assert_int_eq(pthread_create(&late.thread, NULL, ask, &late), 0);
        mem_wait_held(x.m, MEM_DESCRIBE, 2);
        mem_release(x.m, MEM_DESCRIBE);
        pthread_join(slow.thread, NULL);
        pthread_join(late.thread, NULL);
        ck_assert_ok(slow.r);
        ck_assert_ok(late.r);
        fx_end(&x);
}
END_TEST

/* ---- the network down ---- */

START_TEST(test_offline) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        x.o.schema_ttl_ns = 60 * NS_PER_S;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_fail_all(x.m, ERR_CONNECT);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_int_eq(fx_exists(&x, "Users/43.json"), -EHOSTUNREACH);
        fx_advance(120 * NS_PER_S); /* cached paths go on working */
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_fail_all(x.m, ERR_NONE);
        ck_assert_int_eq(fx_exists(&x, "Users/43.json"), -ENOENT);
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("cache");
        TCase *t = tcase_create("cache");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_ttl_content, 0, ARRAY_LEN(ages));
        tcase_add_loop_test(t, test_ttl_negative, 0, ARRAY_LEN(ages));
        tcase_add_loop_test(t, test_valid_times, 0, ARRAY_LEN(ages));
        tcase_add_test(t, test_consistent);
        tcase_add_test(t, test_open_for_writing);
        tcase_add_test(t, test_flush);
        tcase_add_test(t, test_bounded);
        tcase_add_test(t, test_negative_bounded);
#if !SANITIZED
        tcase_add_test(t, test_no_tables_bounded);
#endif
        tcase_add_test(t, test_single_flight_item);
        tcase_add_test(t, test_single_flight_absent);
        tcase_add_test(t, test_single_flight_partition);
        tcase_add_test(t, test_single_flight_table);
        tcase_add_loop_test(t, test_interrupted_waiters, 0, 3);
        tcase_add_test(t, test_deadline_of_waiter);
        tcase_add_loop_test(t, test_own_write_seen, 0, 2);
        tcase_add_loop_test(t, test_late_read, 0, 4);
        tcase_add_test(t, test_join_late_read);
        tcase_add_test(t, test_join_late_partition);
        tcase_add_test(t, test_join_flushed);
        tcase_add_test(t, test_offline);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
