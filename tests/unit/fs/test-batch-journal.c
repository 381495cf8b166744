/* SPDX-License-Identifier: Apache-2.0 */
/* -o commit=batch: what a crashed mount has left in its journal, whole or damaged, is sent by the next one or kept. */
#include <signal.h>
#include <sys/resource.h>
#include "batch.h"
#include "../../../src/fs/saves_record.h"

static bool holds(const char *path, const char *part) {
        char text[4096] = "";
        FILE *f = fopen(path, "r");

        ck_assert_ptr_nonnull(f);
        (void)fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
        return strstr(text, part);
}

/* Ended while nothing could be sent: the next mount sends it, whatever its own options, before it serves anything. */
START_TEST(test_replay) {
        struct fx x;

        begin(&x);
        mem_fail_all(x.m, ERR_CONNECT);
        ck_assert_int_eq(fx_exists(&x, "Users/1.json"), -EHOSTUNREACH);
        mem_fail_all(x.m, ERR_NONE);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1000, ERR_CONNECT, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":2}"));
        x.o.commit_batch = _i == 0;
        fx_restart(&x);
        mem_fail(x.m, MEM_BATCH_WRITE, 1000, 1, ERR_CONNECT, false); /* works again */
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":2}");
        ck_assert_int_eq(journal_bytes(&x), 0);
        fx_end(&x);
}
END_TEST

/* The mount ends, and then the service answers again. */
static void end_unsent(struct fx *x) {
        mem_fail_all(x->m, ERR_CONNECT);
        x->fs = fs_free(x->fs);
        mem_fail_all(x->m, ERR_NONE);
        mem_fail(x->m, MEM_BATCH_WRITE, 1000000, 1, ERR_CONNECT, false);
        mem_fail(x->m, MEM_WRITE, 1000000, 1, ERR_CONNECT, false);
}

/* A mount of other tables leaves it to one of the right ones, also while it goes on. */
START_TEST(test_of_another_table) {
        struct fx x;
        struct fs *other;

        begin(&x);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1000000, ERR_CONNECT, false);
        mem_fail(x.m, MEM_WRITE, 1, 1000000, ERR_CONNECT, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        end_unsent(&x);
        x.o.tables = "Music";
        fx_start(&x);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 0);
        ck_assert_int_gt(journal_bytes(&x), 0);
        other = x.fs;
        x.o.tables = "Users";
        fx_start(&x);
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_int_eq(journal_bytes(&x), 0);
        (void)fs_free(other);
        fx_end(&x);
}
END_TEST

/* How many files with this in their names there are in the journals. */
static unsigned journal_files(struct fx *x, const char *part) {
        char path[256];
        struct dirent *e, *f;
        unsigned n = 0;
        DIR *d, *in;

        (void)snprintf(path, sizeof(path), "%s/journal", x->state_dir);
        d = opendir(path);
        while (d && (e = readdir(d))) {
                (void)snprintf(path, sizeof(path), "%s/journal/%.64s", x->state_dir, e->d_name);
                in = e->d_name[0] == '.' ? NULL : opendir(path);
                while (in && (f = readdir(in)))
                        n += strstr(f->d_name, part) != NULL;
                if (in)
                        closedir(in);
        }
        if (d)
                closedir(d);
        return n;
}

/* A byte in the middle has gone bad: what follows is not sent, and not thrown away either. */
START_TEST(test_damaged) {
        char path[256];
        struct fx x;
        FILE *f;

        begin(&x);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1000000, ERR_CONNECT, false);
        mem_fail(x.m, MEM_WRITE, 1, 1000000, ERR_CONNECT, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        journal_file(&x, path);
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":2}"));
        ck_assert_ok(fx_save(&x, "Users/44.json", "{\"a\":3}"));
        end_unsent(&x);
        f = fopen(path, "r+");
        ck_assert_ptr_nonnull(f);
        (void)fseek(f, records_end(path) / 2, SEEK_SET);
        (void)fputc('?', f);
        (void)fclose(f);
        fx_start(&x);
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        ck_assert_uint_eq(journal_files(&x, "damaged"), 1);
        fx_restart(&x);
        ck_assert_uint_eq(journal_files(&x, "damaged"), 1);
        fx_end(&x);
}
END_TEST

/* What is noted down as sent behind the damage was sent: it is not to be written over what others have made of it. */
START_TEST(test_damaged_before_done) {
        char path[256], *at;
        char text[8192];
        struct fx x;
        size_t n;
        FILE *f;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/p"));
        mem_deny(x.m, "Music", ERR_BUSY);
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        ck_assert_ok(fx_save(&x, "Music/p/2.json", "{\"a\":\"damage\"}"));
        mem_release(x.m, MEM_BATCH_WRITE);
        ck_assert_int_eq(sync_all(&x), -EBUSY);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_ok(fx_save(&x, "Music/p/3.json", "{\"a\":3}"));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7}");
        journal_file(&x, path);
        x.fs = fs_free(x.fs);
        mem_deny(x.m, "Music", ERR_NONE);
        f = fopen(path, "r+");
        ck_assert_ptr_nonnull(f);
        n = fread(text, 1, sizeof(text), f);
        at = memmem(text, n, "damage", 6);
        ck_assert(at && memmem(at, n - (size_t)(at - text), "done 1\n", 7));
        ck_assert_int_eq(fseek(f, at - text, SEEK_SET), 0);
        (void)fputc('?', f);
        (void)fclose(f);
        fx_start(&x);
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":7}");
        ck_assert_uint_eq(journal_files(&x, "damaged"), 1);
        fx_end(&x);
}
END_TEST

/* Of two mounts that died, the one that has saved last has the last word, whatever their folders are called. */
START_TEST(test_order_of_mounts) {
        char paths[2][256], path[256];
        struct dirent *e;
        struct fs *first;
        unsigned n = 0;
        struct fx x;
        DIR *d;

        begin(&x);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1000000, ERR_CONNECT, false);
        first = x.fs;
        fx_start(&x);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":2}"));
        {
                struct fs *second = x.fs;

                x.fs = first;
                ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
                x.fs = second;
        }
        mem_fail_all(x.m, ERR_CONNECT);
        (void)fs_free(first);
        end_unsent(&x);
        (void)snprintf(path, sizeof(path), "%s/journal", x.state_dir);
        d = opendir(path);
        while ((e = readdir(d)))
                if (e->d_name[0] != '.' && n < 2)
                        (void)snprintf(paths[n++], sizeof(paths[0]), "%s/journal/%.64s/saves", x.state_dir, e->d_name);
        closedir(d);
        ck_assert_uint_eq(n, 2);
        for (unsigned i = 0; i < 2; i++) {
                const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = i == (unsigned)_i ? 2000 : 1000 } };

                ck_assert_int_eq(utimensat(AT_FDCWD, paths[i], times, 0), 0);
                if (i == (unsigned)_i)
                        n = holds(paths[i], "\"a\":{\"N\":\"1\"}") ? 1 : 2;
        }
        fx_start(&x);
        ck_assert_ok(sync_soon(&x));
        ck_assert_item(&x, "Users", "42", NULL, n == 1 ? ITEM : "{\"Id\":\"42\",\"a\":2}");
        ck_assert_int_eq(journal_bytes(&x), 0);
        fx_end(&x);
}
END_TEST

/* What is damaged cannot be kept now: nothing is sent either, for the next mount would send it again. */
START_TEST(test_damaged_not_kept) {
        static char large[100 * KIB];
        struct rlimit limit, was;
        char path[256];
        struct fx x;
        FILE *f;

        begin(&x);
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)snprintf(large, sizeof(large), "{\"a\":\"%0*d\"}", (int)sizeof(large) - 100, 1);
        mem_fail(x.m, MEM_WRITE, 1, 1000000, ERR_CONNECT, false);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1}"));
        journal_file(&x, path);
        f = fopen(path, "r+");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fseek(f, records_end(path) + 2, SEEK_SET), 0);
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":2}"));
        ck_assert_ok(fx_save(&x, "Users/44.json", large));
        (void)fputc('?', f);
        (void)fclose(f);
        end_unsent(&x);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
        limit = was;
        limit.rlim_cur = 64 * KIB;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fx_start(&x);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
        ck_assert_ok(sync_soon(&x));
        ck_assert_uint_eq(mem_count(x.m, "Users"), 0);
        fx_restart(&x);
        ck_assert_ok(sync_soon(&x));
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        ck_assert_uint_eq(journal_files(&x, "damaged"), 1);
        fx_end(&x);
}
END_TEST

/* What is no record stays where it is, and the save right behind it is seen. */
START_TEST(test_damaged_record) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(MIB);
        struct save_payload p = { .op = WRITE_PUT, .table = STR("Users arn"), .path = STR("/Users/42.json") };
        struct save_record rec;
        struct str rest;

        buf_puts(&text, "d?ne 7\n");
        save_record(&text, 8, &p);
        rest = buf_view(&text);
        ck_assert(!save_record_next(&rest, &rec));
        ck_assert(str_eq(rest, buf_view(&text)));
        ck_assert(save_record_follows(rest));
        rest = str_skip(rest, 7);
        ck_assert(save_record_next(&rest, &rec));
        ck_assert_uint_eq(rec.seq, 8);
        ck_assert_uint_eq(rest.n, 0);
}
END_TEST

int main(void) {
        Suite *s = suite_create("batch-journal");
        TCase *t = tcase_create("batch-journal");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_replay, 0, 2);
        tcase_add_test(t, test_of_another_table);
        tcase_add_test(t, test_damaged);
        tcase_add_test(t, test_damaged_before_done);
        tcase_add_loop_test(t, test_order_of_mounts, 0, 2);
        tcase_add_test(t, test_damaged_not_kept);
        tcase_add_test(t, test_damaged_record);
        suite_add_tcase(s, t);
        return fx_run(s);
}
