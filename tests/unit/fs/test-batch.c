/* SPDX-License-Identifier: Apache-2.0 */
/* -o commit=batch: what close answered 0 for is in the table, in the journal, or in rejected with its reason. */
#include <signal.h>
#include <sys/resource.h>
#include "batch.h"

START_TEST(test_many) {
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/p"));
        mem_reset_calls(x.m);
        for (unsigned i = 0; i < 1000; i++)
                save(&x, i);
        ck_assert_ok(sync_all(&x));
        ck_assert_uint_eq(mem_count(x.m, "Music"), 1000);
        ck_assert_uint_eq(mem_calls(x.m, MEM_WRITE), 0);
        ck_assert_int_eq(journal_bytes(&x), 0);
        ck_assert_item(&x, "Music", "p", "00999", "{\"Artist\":\"p\",\"Song\":\"00999\",\"a\":999}");
        fx_end(&x);
}
END_TEST

/* While nothing can be sent this mount sees its own saves, and nothing else has changed. */
START_TEST(test_own_writes) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        begin(&x);
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        ck_assert_uint_eq(mem_count(x.m, "Users"), 0);
        ck_assert_int_gt(journal_bytes(&x), 0);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_str_eq(text, "{\n  \"Id\": \"42\",\n  \"a\": 1\n}\n");
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f)); /* strongly */
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_str_eq(text, "{\n  \"Id\": \"42\",\n  \"a\": 1\n}\n");
        ck_assert_ok(fx_close(&f));
        ck_assert_int_eq(fx_open(&x, PATH, O_WRONLY | O_CREAT | O_EXCL, &f) ? -EEXIST : fx_write(&f, "{\"a\":3}") ? 0 : fx_close(&f), -EEXIST);
        mem_release(x.m, MEM_BATCH_WRITE);
        ck_assert_str_eq(fx_names(&x, "Users"), "42.json");
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

/* The last of many saves of one key is what stays. */
START_TEST(test_order) {
        char text[64];
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < 100; i++) {
                (void)snprintf(text, sizeof(text), "{\"a\":%u}", i);
                ck_assert_ok(fx_save(&x, PATH, text));
        }
        ck_assert_ok(sync_all(&x));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":99}");
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":100}"));
        ck_assert_ok(fx_rm(&x, PATH));
        ck_assert_ok(sync_all(&x));
        ck_assert_uint_eq(mem_count(x.m, "Users"), 0);
        fx_end(&x);
}
END_TEST

/* Read, changed by somebody else, saved: kept in rejected, told, and fsync says so. */
START_TEST(test_conflict) {
        _cleanup_(buf_deinit) struct buf why = BUF_INIT(MIB);
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        begin(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7}");
        ck_assert_ok(fx_ftruncate(&f, 0));
        ck_assert_ok(fx_pwrite(&f, "{\"a\":2}", 0));
        ck_assert_ok(fx_flush(&f));
        ck_assert_int_eq(fx_fsync(&f), -ESTALE);
        fx_release(&f);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":7}");
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/42.json", text));
        ck_assert_str_eq(text, "{\n  \"Id\": \"42\",\n  \"a\": 2\n}\n");
        ck_assert_ok(fx_error(&x, PATH, &why));
        ck_assert_ptr_nonnull(strstr(why.p, "ESTALE"));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_str_eq(text, "{\n  \"Id\": \"42\",\n  \"a\": 7\n}\n");
        ck_assert_int_eq(journal_bytes(&x), 0);
        fx_end(&x);
}
END_TEST

/* An edit is conditional on what was read, and leaves others' changes alone. */
START_TEST(test_edit) {
        char text[FX_TEXT_MAX];
        struct fx x;

        begin(&x);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":1}");
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":2}");
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":5,\"b\":1}"));
        ck_assert_ok(sync_all(&x));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":5,\"b\":2}");
        fx_end(&x);
}
END_TEST

/* No answer: fsync says so, nothing is lost, and it is sent as soon as it can be. */
START_TEST(test_network) {
        struct fx_file f;
        struct fx x;

        begin(&x);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1000, ERR_CONNECT, false);
        mem_fail(x.m, MEM_WRITE, 1, 1000, ERR_CONNECT, false); /* how a new item goes after a while */
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_ok(fx_flush(&f));
        ck_assert_int_eq(fx_fsync(&f), -EHOSTUNREACH);
        fx_release(&f);
        ck_assert_int_gt(journal_bytes(&x), 0);
        mem_fail(x.m, MEM_BATCH_WRITE, 0, 0, ERR_NONE, false); /* works again */
        mem_fail(x.m, MEM_WRITE, 0, 0, ERR_NONE, false);
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

/* The answer to the first attempt is lost: what that has written is no conflict, made anew or edited. */
START_TEST(test_lost_answer) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        begin(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        mem_fail(x.m, MEM_WRITE, 1, 1, ERR_CONNECT, true);
        ck_assert_ok(fx_ftruncate(&f, 0));
        ck_assert_ok(fx_pwrite(&f, "{\"a\":2}", 0));
        ck_assert_ok(fx_flush(&f));
        fx_release(&f);
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        ck_assert_int_eq(fx_exists(&x, ".ddbfs/rejected/Users/42.json"), -ENOENT);
        /* what was saved meanwhile goes on from there */
        mem_fail(x.m, MEM_WRITE, 1, 1, ERR_CONNECT, true);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":3}"));
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":4}"));
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":4}");
        ck_assert_int_eq(fx_exists(&x, ".ddbfs/rejected/Users/42.json"), -ENOENT);
        fx_end(&x);
}
END_TEST

/* What was sent is noted down with the next, where it could not be at once. */
START_TEST(test_not_noted) {
        struct rlimit limit, was;
        char path[256], text[4096];
        struct fx_file f;
        struct fx x;
        int r = -EIO;
        FILE *file;

        begin(&x);
        (void)signal(SIGXFSZ, SIG_IGN);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_fail(x.m, MEM_WRITE, 1, 100000, ERR_CONNECT, false);
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":5}"));
        ck_assert_ok(fx_open(&x, "Users/1.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_ok(fx_flush(&f));
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
        limit = was;
        journal_file(&x, path);
        limit.rlim_cur = (rlim_t)records_end(path);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        mem_release(x.m, MEM_BATCH_WRITE);
        for (unsigned i = 0; r && i < 1000; i++)
                r = fx_fsync(&f);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
        ck_assert_ok(r);
        fx_release(&f);
        journal_file(&x, path);
        ck_assert_ok(fx_open(&x, "Users/2.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_ok(fx_flush(&f));
        for (unsigned i = 0, failed = 1; failed && i < 1000; i++)
                failed = fx_fsync(&f) != 0;
        fx_release(&f);
        file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        (void)fclose(file);
        ck_assert_ptr_nonnull(strstr(text, "done 2\n"));
        ck_assert_ptr_nonnull(strstr(text, "done 3\n"));
        fx_end(&x);
}
END_TEST

#define MANY 70

/* No refusal is forgotten, however many there are. */
START_TEST(test_many_refused) {
        struct fx_file f[MANY];
        char path[64], text[FX_TEXT_MAX];
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < MANY; i++) {
                (void)snprintf(path, sizeof(path), "Users/%u.json", i);
                mem_putf(x.m, "Users", "{\"Id\":\"%u\",\"a\":1}", i);
                ck_assert_ok(fx_open(&x, path, O_RDWR, &f[i]));
                ck_assert_ok(fx_read(&f[i], text, sizeof(text)));
                mem_putf(x.m, "Users", "{\"Id\":\"%u\",\"a\":7}", i);
                ck_assert_ok(fx_ftruncate(&f[i], 0));
                ck_assert_ok(fx_pwrite(&f[i], "{\"a\":2}", 0));
                ck_assert_ok(fx_flush(&f[i]));
        }
        ck_assert_ok(sync_all(&x));
        ck_assert_int_eq(fx_fsync(&f[0]), -EIO);
        ck_assert_int_eq(fx_fsync(&f[MANY - 1]), -ESTALE);
        for (unsigned i = 0; i < MANY; i++)
                fx_release(&f[i]);
        fx_end(&x);
}
END_TEST

/* A lock file is the table's to decide, at close. */
START_TEST(test_lock) {
        struct fx_file f;
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT | O_EXCL, &f));
        mem_put(x.m, "Users", ITEM);
        ck_assert_int_eq(fx_close(&f), -EEXIST);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

/* The service refuses one of many: that one is kept, the others are there. */
START_TEST(test_refused) {
        static char big[450 * 1024];
        char text[FX_TEXT_MAX];
        struct fx x;

        begin(&x);
        memset(big, 'x', sizeof(big) - 1);
        memcpy(big, "{\"a\":\"", 6);
        memcpy(big + sizeof(big) - 3, "\"}", 2);
        ck_assert_ok(fx_save(&x, "Users/1.json", "{\"a\":1}"));
        ck_assert_int_le(fx_save(&x, "Users/2.json", big), 0);
        ck_assert_ok(fx_save(&x, "Users/3.json", "{\"a\":3}"));
        (void)sync_all(&x);
        ck_assert_ok(sync_all(&x));
        ck_assert_item(&x, "Users", "1", NULL, "{\"Id\":\"1\",\"a\":1}");
        ck_assert_item(&x, "Users", "3", NULL, "{\"Id\":\"3\",\"a\":3}");
        (void)text;
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("batch");
        TCase *t = tcase_create("batch");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_many);
        tcase_add_test(t, test_own_writes);
        tcase_add_test(t, test_order);
        tcase_add_test(t, test_conflict);
        tcase_add_test(t, test_edit);
        tcase_add_test(t, test_network);
        tcase_add_test(t, test_lost_answer);
        tcase_add_test(t, test_not_noted);
        tcase_add_test(t, test_many_refused);
        tcase_add_test(t, test_lock);
        tcase_add_test(t, test_refused);
        suite_add_tcase(s, t);
        return fx_run(s);
}
