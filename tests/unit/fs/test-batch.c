/* SPDX-License-Identifier: Apache-2.0 */
/* -o commit=batch: what close answered 0 for is in the table, in the journal, or in rejected with its reason. */
#include <dirent.h>
#include <pthread.h>
#include <unistd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "fixture.h"
#include "../../../src/fs/saves_record.h"

#define PATH "Users/42.json"
#define ITEM "{\"Id\":\"42\",\"a\":1}"

static void begin(struct fx *x) {
        fx_init(x);
        x->o.commit_batch = true;
        fx_start(x);
}

static int sync_all(struct fx *x) {
        struct fs_dir *d;
        int r;

        ck_assert_ok(FX_CALL(fs_opendir(x->fs, &ctx, FS_ROOT, &d)));
        r = FX_CALL(fs_fsyncdir(x->fs, &ctx, d));
        fs_releasedir(x->fs, d);
        return r;
}

/* The attempt under way may still fail for the old reason. */
static int sync_soon(struct fx *x) {
        int r = -EIO;

        for (unsigned i = 0; r && i < 10; i++)
                r = sync_all(x);
        return r;
}

/* How large the journals of saves are, of all mounts. */
static long long journal_bytes(struct fx *x) {
        char path[256];
        long long total = 0;
        struct dirent *e;
        struct stat st;
        DIR *d;

        (void)snprintf(path, sizeof(path), "%s/journal", x->state_dir);
        d = opendir(path);
        while (d && (e = readdir(d))) {
                (void)snprintf(path, sizeof(path), "%s/journal/%.64s/saves", x->state_dir, e->d_name);
                if (e->d_name[0] != '.' && stat(path, &st) == 0)
                        total += st.st_size;
        }
        if (d)
                closedir(d);
        return total;
}

/* Where the records end: zeros follow. */
static long records_end(const char *path) {
        FILE *f = fopen(path, "r");
        long n = 0;
        int c;

        ck_assert_ptr_nonnull(f);
        for (c = fgetc(f); c != EOF && c != 0; c = fgetc(f))
                n++;
        (void)fclose(f);
        return n;
}

static bool holds(const char *path, const char *part) {
        char text[4096] = "";
        FILE *f = fopen(path, "r");

        ck_assert_ptr_nonnull(f);
        (void)fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
        return strstr(text, part);
}

static void save(struct fx *x, unsigned i) {
        char path[64], text[64];

        (void)snprintf(path, sizeof(path), "Music/p/%05u.json", i);
        (void)snprintf(text, sizeof(text), "{\"a\":%u}", i);
        ck_assert_ok(fx_save(x, path, text));
}

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

/* The journal of this mount, or of the one that has ended. */
static void journal_file(struct fx *x, char path[256]) {
        char folder[64];
        struct dirent *e;
        struct stat st;
        DIR *d;

        (void)snprintf(folder, sizeof(folder), "%.40s/journal", x->state_dir);
        d = opendir(folder);
        ck_assert_ptr_nonnull(d);
        while ((e = readdir(d))) {
                (void)snprintf(path, 256, "%s/%.64s/saves", folder, e->d_name);
                if (e->d_name[0] != '.' && stat(path, &st) == 0)
                        break;
        }
        ck_assert_ptr_nonnull(e);
        closedir(d);
}

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

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/p"));
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        for (unsigned n = 0; n < 4; n++) {
                for (unsigned i = 0; i < 200; i++)
                        save(&x, n * 200 + i);
                mem_wait_held(x.m, MEM_BATCH_WRITE, n + 1);
        }
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
        Suite *s = suite_create("batch");
        TCase *t = tcase_create("batch");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_many);
        tcase_add_test(t, test_at_once);
        tcase_add_test(t, test_silent_table);
        tcase_add_test(t, test_own_writes);
        tcase_add_test(t, test_order);
        tcase_add_test(t, test_conflict);
        tcase_add_test(t, test_edit);
        tcase_add_test(t, test_network);
        tcase_add_test(t, test_lost_answer);
        tcase_add_loop_test(t, test_replay, 0, 2);
        tcase_add_test(t, test_of_another_table);
        tcase_add_test(t, test_damaged);
        tcase_add_test(t, test_damaged_before_done);
        tcase_add_loop_test(t, test_order_of_mounts, 0, 2);
        tcase_add_test(t, test_damaged_not_kept);
        tcase_add_test(t, test_damaged_record);
        tcase_add_test(t, test_not_noted);
        tcase_add_test(t, test_many_refused);
        tcase_add_test(t, test_lock);
        tcase_add_test(t, test_refused);
        tcase_add_loop_test(t, test_failing_table, 0, 2);
        tcase_add_loop_test(t, test_denied, 0, 2);
        tcase_add_test(t, test_crowded);
        tcase_add_test(t, test_no_batches);
        tcase_add_test(t, test_crowded_silent);
        suite_add_tcase(s, t);
        return fx_run(s);
}
