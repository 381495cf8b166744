/* SPDX-License-Identifier: Apache-2.0 */
/* -o commit=batch: what is wrong with one table is no reason for the saves of others to wait or to fail. */
#include <pthread.h>
#include "batch.h"

static void open_to_save(struct fx *x, const char *path, const char *text, struct fx_file *f) {
        char now[FX_TEXT_MAX];

        ck_assert_ok(fx_open(x, path, O_RDWR | O_CREAT, f));
        ck_assert_ok(fx_read(f, now, sizeof(now)));
        ck_assert_ok(fx_ftruncate(f, 0));
        ck_assert_ok(fx_pwrite(f, text, 0));
        ck_assert_ok(fx_flush(f));
}

/* A table that is throttled keeps its saves; those of others go on, new items and edits.  Who waits is told
 * of what he waits for. */
START_TEST(test_failing_table) {
        struct fx_file busy, other;
        struct fx x;

        begin(&x);
        if (_i) {
                mem_put(x.m, "Music", "{\"Artist\":\"p\",\"Song\":\"1\",\"a\":0}");
                mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":0}");
        } else {
                ck_assert_ok(fx_mkdir(&x, "Music/p"));
        }
        mem_deny(x.m, "Music", ERR_BUSY);
        open_to_save(&x, "Music/p/1.json", "{\"a\":1}", &busy);
        open_to_save(&x, PATH, "{\"a\":1}", &other);
        ck_assert_ok(fx_fsync(&other));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_int_eq(fx_fsync(&busy), -EBUSY);
        ck_assert_int_eq(sync_all(&x), -EBUSY);
        fx_release(&other);
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":2}"));
        ck_assert_str_eq(fx_names(&x, "Users"), "42.json 43.json");
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":2}");
        ck_assert_int_gt(journal_bytes(&x), 0);
        mem_deny(x.m, "Music", ERR_NONE);
        ck_assert_ok(fx_fsync(&busy));
        fx_release(&busy);
        ck_assert_item(&x, "Music", "p", "1", "{\"Artist\":\"p\",\"Song\":\"1\",\"a\":1}");
        ck_assert_int_eq(journal_bytes(&x), 0);
        fx_end(&x);
}
END_TEST

/* A table that may not be written to refuses its saves, as it does at close: nothing waits for that to change. */
START_TEST(test_denied) {
        struct fx_file denied, other;
        char text[FX_TEXT_MAX];
        struct fx x;

        begin(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"p\",\"Song\":\"1\",\"a\":0}");
        mem_deny(x.m, "Music", ERR_ACCESS);
        open_to_save(&x, _i ? "Music/p/1.json" : "Music/p/2.json", "{\"a\":1}", &denied);
        open_to_save(&x, PATH, "{\"a\":1}", &other);
        ck_assert_int_eq(fx_fsync(&denied), -EACCES);
        ck_assert_ok(fx_fsync(&other));
        fx_release(&denied);
        fx_release(&other);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_ok(fx_cat(&x, _i ? ".ddbfs/rejected/Music/p/1.json" : ".ddbfs/rejected/Music/p/2.json", text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 1"));
        ck_assert_str_eq(fx_names(&x, "Music/p"), "1.json");
        ck_assert_int_eq(journal_bytes(&x), 0);
        fx_end(&x);
}
END_TEST

static char large[380 * KIB]; /* an item, from begin_large() on */

static void begin_large(struct fx *x) {
        fx_init(x);
        x->o.commit_batch = true;
        x->o.cache_ttl_ns = FS_FOREVER;
        fx_start(x);
        ck_assert_ok(fx_mkdir(x, "Music/p"));
        (void)snprintf(large, sizeof(large), "{\"a\":\"%0*d\"}", (int)sizeof(large) - 100, 1);
}

/* However much waits for one table: no save to another fails for that. */
START_TEST(test_crowded) {
        struct fx_file f;
        char path[64];
        struct fx x;

        begin_large(&x);
        mem_deny(x.m, "Music", ERR_BUSY);
        for (unsigned i = 0; i < 90; i++) { /* over half of what the journal takes */
                (void)snprintf(path, sizeof(path), "Music/p/%u.json", i);
                ck_assert_ok(fx_save(&x, path, large));
        }
        ck_assert_int_gt(journal_bytes(&x), 33 * MIB);
        open_to_save(&x, PATH, "{\"a\":1}", &f);
        ck_assert_ok(fx_fsync(&f));
        fx_release(&f);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

/* The same where the table does not answer at all: half of the journal is empty still. */
START_TEST(test_crowded_silent) {
        struct op_ctx ctx;
        struct fx_file f;
        char path[64];
        struct fx x;

        begin_large(&x);
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        for (unsigned i = 0; i < 200 && journal_bytes(&x) <= (long long)(33 * MIB); i++) {
                (void)snprintf(path, sizeof(path), "Music/p/%u.json", i);
                ck_assert_ok(fx_open(&x, path, O_WRONLY | O_CREAT | O_TRUNC, &f));
                ck_assert_ok(fx_write(&f, large));
                op_ctx_init(&ctx, "test", NS_PER_S);
                ctx.pid = fx_pid;
                ck_assert_ok(fs_flush(x.fs, &ctx, f.opened.file));
                op_ctx_deinit(&ctx);
                fx_release(&f);
        }
        open_to_save(&x, PATH, "{\"a\":1}", &f);
        op_ctx_init(&ctx, "test", NS_PER_S);
        ctx.pid = fx_pid;
        ck_assert_ok(fs_flush(x.fs, &ctx, f.opened.file));
        op_ctx_deinit(&ctx);
        fx_release(&f);
        mem_release(x.m, MEM_BATCH_WRITE);
        fx_end(&x);
}
END_TEST

/* A policy with PutItem in it and no BatchWriteItem. */
START_TEST(test_no_batches) {
        struct fx x;

        begin(&x);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1000000, ERR_ACCESS, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":2}"));
        ck_assert_ok(sync_all(&x));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":2}");
        fx_end(&x);
}
END_TEST

/* Several programs at once: nobody waits for the saves, and they are sent nevertheless. */
struct saver {
        struct fx *x;
        unsigned i;
        pthread_barrier_t *start;
};

static void *saver(void *arg) {
        struct saver *s = arg;
        char path[64];

        (void)snprintf(path, sizeof(path), "Users/%u.json", s->i);
        (void)pthread_barrier_wait(s->start);
        ck_assert_ok(fx_save(s->x, path, "{\"a\":1}"));
        return NULL;
}

#define SAVERS 8
START_TEST(test_at_once) {
        pthread_barrier_t start;
        struct fx x;

        begin(&x);
        for (unsigned round = 0; round < 20; round++) {
                struct saver savers[SAVERS];
                pthread_t threads[SAVERS];
                unsigned ms = 0;

                (void)pthread_barrier_init(&start, NULL, SAVERS);
                for (unsigned i = 0; i < SAVERS; i++) {
                        savers[i] = (struct saver){ &x, round * SAVERS + i, &start };
                        ck_assert_int_eq(pthread_create(&threads[i], NULL, saver, &savers[i]), 0);
                }
                for (unsigned i = 0; i < SAVERS; i++)
                        (void)pthread_join(threads[i], NULL);
                for (; ms < 3000 && mem_count(x.m, "Users") < (round + 1) * SAVERS; ms += 20)
                        (void)usleep(20000);
                ck_assert_msg(mem_count(x.m, "Users") == (round + 1) * SAVERS, "round %u: %u sent after 3 s", round,
                              (unsigned)(mem_count(x.m, "Users") - round * SAVERS));
                (void)pthread_barrier_destroy(&start);
        }
        fx_end(&x);
}
END_TEST

/* A table that does not answer: one sender is left for the others, and is not asleep. */
START_TEST(test_silent_table) {
        char path[64];
        struct fx x;

        fx_init(&x);
        x.o.commit_batch = true;
        x.o.cache_ttl_ns = _i ? NS_PER_MS : FS_FOREVER; /* whether a name is taken is asked for again, or known */
        fx_start(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/p"));
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        for (unsigned i = 0; mem_held(x.m, MEM_BATCH_WRITE) < 4 && i < 5000; i++)
                save(&x, i);
        mem_wait_held(x.m, MEM_BATCH_WRITE, 4);
        save(&x, 5000); /* of the same: it waits */
        (void)usleep(1500000);
        for (unsigned i = 0; i < 3; i++) {
                (void)snprintf(path, sizeof(path), "Users/%u.json", i);
                ck_assert_ok(fx_save(&x, path, "{\"a\":1}"));
        }
        mem_wait_held(x.m, MEM_BATCH_WRITE, 5); /* theirs */
        mem_release(x.m, MEM_BATCH_WRITE);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("batch-tables");
        TCase *t = tcase_create("batch-tables");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_at_once);
        tcase_add_loop_test(t, test_silent_table, 0, 2);
        tcase_add_loop_test(t, test_failing_table, 0, 2);
        tcase_add_loop_test(t, test_denied, 0, 2);
        tcase_add_test(t, test_crowded);
        tcase_add_test(t, test_no_batches);
        tcase_add_test(t, test_crowded_silent);
        suite_add_tcase(s, t);
        return fx_run(s);
}
