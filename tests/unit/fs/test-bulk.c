/* SPDX-License-Identifier: Apache-2.0 */
/* Exports of large tables, scanned ahead of their readers; imports. */
#include "killed.h"
#include <stdlib.h>
#include <unistd.h>

#define ITEMS 200

static void begin(struct fx *x, unsigned parallel) {
        fx_init(x);
        for (int i = 0; i < ITEMS; i++)
                mem_putf(x->m, "Log", "{\"Id\": %d, \"text\": \"some text, to have more than one read of it\"}", i);
        mem_set_page_size(x->m, 7);
        x->o.parallel = parallel;
        fx_start(x);
}

/* Which items a stream of lines has; fails for one that comes twice. */
static unsigned count_lines(const char *text) {
        bool seen[ITEMS] = { false };
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, "\"Id\":")); p++, n++) {
                int id = atoi(p + 5);

                ck_assert(id >= 0 && id < ITEMS && !seen[id]);
                seen[id] = true;
        }
        return n;
}

START_TEST(test_pumped) {
        static const char *const formats[] = { "jsonl", "json", "csv", "tsv" };
        char *text = malloc(ITEMS * 100), path[64];
        unsigned lines = 0;
        struct fx_file f;
        struct fx x;

        begin(&x, 8);
        snprintf(path, sizeof(path), "Log/.export/%s", formats[_i]);
        ck_assert_ok(fx_open(&x, path, O_RDONLY, &f));
        ck_assert_ok(fx_read(&f, text, ITEMS * 100));
        for (const char *p = text; (p = strchr(p, '\n')); p++)
                lines++;
        ck_assert_uint_eq(lines, ITEMS + (_i == 0 ? 0 : _i == 1 ? 2 : 1));
        if (_i < 2)
                ck_assert_uint_eq(count_lines(text), ITEMS);
        ck_assert_ok(fx_read(&f, path, 30)); /* anew, from its beginning */
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
        free(text);
}
END_TEST

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, what)); p++)
                n++;
        return n;
}

/* What csv leaves out is told at its end, once, with what to do about it. */
START_TEST(test_left_out) {
        static const char *const silent[] = { "Music/A/.export/jsonl", "Music/A/.columns/Song,a0/.export/csv",
                                              "Music/A/.first/2/.export/csv" };
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        for (int i = 0; i < 5; i++)
                mem_putf(x.m, "Music", "{\"Artist\": \"A\", \"Song\": \"s%d\", \"a%d\": 1}", i, i);
        for (int i = 0; i < 40; i++)
                mem_putf(x.m, "Log", "{\"Id\": %d, \"a%d\": 1}", i, i);
        mem_set_page_size(x.m, 2);
        x.o.parallel = 8;
        fx_start(&x);
        for (size_t i = 0; i < ARRAY_LEN(silent); i++)
                ck_assert_ok(fx_cat(&x, silent[i], text));
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_str_eq(text, "");
        ck_assert_ok(fx_open(&x, _i ? "Log/.export/tsv" : "Music/A/.export/csv", O_RDONLY, &f));
        for (int i = 0; i < 2; i++)
                ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_uint_eq(count(text, "values are left out"), 1);
        ck_assert_uint_eq(count(text, ".columns/"), 1);
        if (_i == 0)
                ck_assert_uint_eq(count(text, "3 values are left out, the first of attribute \\\"a2\\\""), 1);
        fx_end(&x);
}
END_TEST

/* Of a program that goes by the size nothing is heard but this. */
START_TEST(test_never_read) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        begin(&x, 8);
        ck_assert_ok(fx_open(&x, "Log/.export/jsonl", O_RDONLY, &f));
        ck_assert_ok(fx_read(&f, text, 1));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_str_eq(text, "");
        ck_assert_ok(fx_open(&x, "Log/.export/jsonl", O_RDONLY, &f));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_uint_eq(count(text, "without being read"), 1);
        ck_assert_uint_eq(count(text, "/Log/.export/jsonl"), 1);
        fx_end(&x);
}
END_TEST

static int read_at(struct fx *x, struct fx_file *f, uint64_t offset, size_t n, struct str *ret, struct fs_hold *hold) {
        return FX_CALL(fs_read(x->fs, &ctx, f->opened.file, offset, n, ret, hold));
}

START_TEST(test_backpressure) {
        struct fx_file f;
        struct str got;
        unsigned asked;
        struct fs_hold hold;
        struct fx x;

        begin(&x, 8);
        ck_assert_ok(fx_open(&x, "Log/.export/jsonl", O_RDONLY, &f));
        ck_assert_ok(read_at(&x, &f, 0, 10, &got, &hold));
        ck_assert_uint_eq(got.n, 10);
        fs_read_done(hold);
        do { /* until it asks for no more */
                asked = mem_calls(x.m, MEM_SCAN);
                usleep(20000);
        } while (asked != mem_calls(x.m, MEM_SCAN));
        ck_assert_uint_le(asked, 13);
        ck_assert_ok(read_at(&x, &f, 1000, 10, &got, &hold));
        fs_read_done(hold);
        ck_assert_int_eq(read_at(&x, &f, 3, 10, &got, &hold), -ESPIPE);
        ck_assert_ok(fx_close(&f));
        asked = mem_calls(x.m, MEM_SCAN);
        usleep(20000);
        ck_assert_uint_eq(mem_calls(x.m, MEM_SCAN), asked);
        fx_end(&x);
}
END_TEST

START_TEST(test_pump_fails) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct str got;
        struct fs_hold hold;
        struct fx x;

        begin(&x, 8);
        mem_fail(x.m, MEM_SCAN, 5, 1, ERR_ACCESS, false);
        ck_assert_int_eq(fx_cat(&x, "Log/.export/jsonl", text), -EACCES);
        /* a reader that is interrupted while it waits */
        mem_hold(x.m, MEM_SCAN, false);
        ck_assert_ok(fx_open(&x, "Log/.export/jsonl", O_RDONLY, &f));
        struct op_ctx ctx;

        op_ctx_init(&ctx, "test", 50 * NS_PER_MS);
        ck_assert_int_eq(fs_read(x.fs, &ctx, f.opened.file, 0, 10, &got, &hold), -ETIMEDOUT);
        op_ctx_deinit(&ctx);
        ck_assert_ok(fx_close(&f));
        mem_release(x.m, MEM_SCAN);
        fx_end(&x);
}
END_TEST

/* More streams than threads: all the same, page after page. */
START_TEST(test_many_pumps) {
        char *text = malloc(ITEMS * 100);
        struct fx_file f[8];
        struct fx x;

        begin(&x, 4);
        for (unsigned i = 0; i < 8; i++) {
                struct str got;
                struct fs_hold hold;

                ck_assert_ok(fx_open(&x, "Log/.export/jsonl", O_RDONLY, &f[i]));
                ck_assert_ok(read_at(&x, &f[i], 0, 10, &got, &hold));
                fs_read_done(hold);
        }
        for (unsigned i = 0; i < 8; i++) {
                ck_assert_ok(fx_read(&f[i], text, ITEMS * 100));
                ck_assert_uint_eq(count_lines(text), ITEMS);
                ck_assert_ok(fx_close(&f[i]));
        }
        fx_end(&x);
        free(text);
}
END_TEST

/* ---- imports ---- */

START_TEST(test_import) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(fx_exists(&x, "Music/A/one.json"), -ENOENT);
        ck_assert_str_eq(fx_names(&x, "Music"), "");
        ck_assert_ok(fx_open(&x, "Music/.import/jsonl", O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"Artist\": \"A\", \"Song\": \"one\"}\n\n{\"Artist\": \"A\", "));
        ck_assert_ok(fx_write(&f, "\"Song\": \"two\"}\n{\"Artist\": \"B\", \"Song\": \"one\", \"n\": 1}"));
        ck_assert_ok(fx_fsync(&f)); /* whole lines */
        ck_assert_uint_eq(mem_count(x.m, "Music"), 2);
        ck_assert_ok(fx_flush(&f));
        ck_assert_uint_eq(mem_count(x.m, "Music"), 3);
        ck_assert_ok(fx_write(&f, "\r\n{\"Artist\": \"B\", \"Song\": \"one\", \"n\": 2}\r\n"));
        ck_assert_int_eq(fx_pwrite(&f, "{}", 3), -ESPIPE);
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Music", "B", "one", "{\"Artist\":\"B\",\"Song\":\"one\",\"n\":2}");
        ck_assert_str_eq(fx_names(&x, "Music/A"), "one.json two.json");
        ck_assert_ok(fx_exists(&x, "Music/A/one.json"));
        ck_assert_ok(fx_cat(&x, "Music/B/one.json", text));
        ck_assert_int_eq(fx_open(&x, "Music/.import/jsonl", O_RDONLY, &f), -EACCES);
        fx_end(&x);
}
END_TEST

START_TEST(test_import_refused) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "Id,n\na,1\nx\nb,\"2\nc\nd,4,5\n"));
        ck_assert_int_eq(fx_flush(&f), -EINVAL); /* an unclosed quote takes the rest with it */
        ck_assert_int_eq(fx_exists(&x, ".ddbfs/rejected/Users/.import/csv"), -ENOENT);
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv", text));
        ck_assert_str_eq(text, "Id,n\nx\nb,\"2\nc\nd,4,5\n");
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv.why", text));
        ck_assert_ptr_nonnull(strstr(text, "2 lines were not imported"));
        /* the store is down: told to the writer, and kept */
        mem_fail_all(x.m, ERR_ACCESS);
        ck_assert_ok(fx_open(&x, "Users/.import/jsonl", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "{\"Id\": \"x\"}\n"));
        ck_assert_int_eq(fx_flush(&f), -EACCES);
        ck_assert_int_eq(fx_write(&f, "{\"Id\": \"y\"}\n"), -EACCES);
        ck_assert_int_eq(fx_close(&f), -EACCES);
        mem_fail_all(x.m, ERR_NONE);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/jsonl", text));
        ck_assert_str_eq(text, "{\"Id\": \"x\"}\n");
        fx_end(&x);
}
END_TEST

/* The first line decides: below a bad header nothing is imported, and all of it is kept once. */
START_TEST(test_import_header) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "\nName,n\nId,Ida\n")); /* the third would be a header */
        ck_assert_ok(fx_write(&f, "a,1\nb,2\n"));
        ck_assert_int_eq(fx_fsync(&f), -EINVAL);
        ck_assert_ok(fx_write(&f, "c,3\n"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 0);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv", text));
        ck_assert_str_eq(text, "Name,n\nId,Ida\na,1\nb,2\n");
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv.2", text)); /* below its header, too */
        ck_assert_str_eq(text, "Name,n\nc,3\n");
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_ptr_nonnull(strstr(text, "lacks"));
        ck_assert_ptr_nonnull(strstr(text, "\"line\": 2"));
        ck_assert_ptr_null(strstr(text, "\"line\": 3"));
        fx_end(&x);
}
END_TEST

/* A cell is of the type that an index's key has; an item need not have it. */
START_TEST(test_import_declared) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        mem_declare(x.m, "Users", "mail:S");
        mem_declare(x.m, "Users", "n:N");
        mem_declare(x.m, "Users", "b:B");
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "Id,mail,n,b\na,555,7,aGk=\nb,true,\"8\",\nc,[1],,\n\nd,,five,\ne,,,hi\nf,,,\n"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_str_eq(mem_text(x.m, "Users", "a", NULL), "{\"Id\":\"a\",\"b\":{\"$b\":\"aGk=\"},\"mail\":\"555\",\"n\":7}");
        ck_assert_str_eq(mem_text(x.m, "Users", "b", NULL), "{\"Id\":\"b\",\"mail\":\"true\",\"n\":8}");
        ck_assert_str_eq(mem_text(x.m, "Users", "c", NULL), "{\"Id\":\"c\",\"mail\":\"[1]\"}");
        ck_assert_str_eq(mem_text(x.m, "Users", "f", NULL), "{\"Id\":\"f\"}");
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv", text));
        ck_assert_str_eq(text, "Id,mail,n,b\nd,,five,\ne,,,hi\n");
        fx_end(&x);
}
END_TEST

/* Lines without anything are none, in tsv as well; one of empty cells lacks its key. */
START_TEST(test_import_empty_lines) {
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/tsv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "\r\nId\tn\n\na\t1\n\n"));
        ck_assert_ok(fx_fsync(&f));
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        ck_assert_ok(fx_write(&f, "\t\n"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        fx_end(&x);
}
END_TEST

/* Behind a quoted cell that is longer than a line can be, lines have the numbers that an editor shows. */
START_TEST(test_import_long_record) {
        char *big = malloc(5 * MIB + 1), text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        for (size_t i = 0; i < 5 * MIB; i++)
                big[i] = i % MIB == 0 ? '\n' : 'x'; /* five */
        big[5 * MIB] = '\0';
        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "Id,n\n\"a\",\""));
        ck_assert_ok(fx_write(&f, big));
        ck_assert_ok(fx_write(&f, "\nb,2\nc\n")); /* lines 8 to 10 */
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_ptr_nonnull(strstr(text, "\"line\": 2"));
        ck_assert_ptr_nonnull(strstr(text, "6 lines of the file are in it"));
        ck_assert_ptr_nonnull(strstr(text, "opens a cell on line 2 "));
        ck_assert_ptr_nonnull(strstr(text, "\"line\": 9"));
        fx_end(&x);
        free(big);
}
END_TEST

/* A line as long as it likes, and the end of the mount in the middle of an import. */
START_TEST(test_import_bounds) {
        char *big = malloc(MIB + 1);
        struct fx_file f;
        struct fx x;

        memset(big, 'x', MIB);
        big[MIB] = '\0';
        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/jsonl", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "{\"Id\": \""));
        for (int i = 0; i < 9; i++)
                ck_assert_ok(fx_write(&f, big));
        ck_assert_ok(fx_write(&f, "\n{\"Id\": \"after\"}\n"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        mem_hold(x.m, MEM_BATCH_WRITE, false);
        ck_assert_ok(fx_open(&x, "Users/.import/jsonl", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "{\"Id\": \"held\"}\n"));
        mem_wait_held(x.m, MEM_BATCH_WRITE, 1);
        x.fs = fs_free(x.fs); /* with the file open: nothing is waited for */
        mem_release(x.m, MEM_BATCH_WRITE);
        fx_start(&x);
        ck_assert_ok(fx_exists(&x, ".ddbfs/rejected/Users/.import/jsonl"));
        fx_end(&x);
        free(big);
}
END_TEST

enum { FLUSH, FSYNC, CHILD };

/* Written in pieces with something between each two; the errors that the log has of the import in *log. */
static int in_pieces(struct fx *x, const char *path, const char *const *pieces, int between, char log[FX_TEXT_MAX]) {
        struct fx_file f;
        int r;

        fx_pid = (uint32_t)getpid();
        ck_assert_ok(fx_open(x, path, O_WRONLY, &f));
        for (; *pieces; pieces++) {
                ck_assert_ok(fx_write(&f, *pieces));
                fx_pid = between == CHILD ? 1 : (uint32_t)getpid();
                r = between == FSYNC ? fx_fsync(&f) : fx_flush(&f);
                ck_assert(r == 0 || r == -EINVAL);
                fx_pid = (uint32_t)getpid();
        }
        r = fx_close(&f);
        fx_pid = 0;
        ck_assert_ok(fx_cat(x, ".ddbfs/errors.jsonl", log));
        return r;
}

/* What is closed or synced in the middle of a line, by whom ever, does not end it. */
START_TEST(test_import_goes_on) {
        static const char *const csv[] = { "\xEF\xBB\xBFId", ",n\r", "\na,ab", "c\r", "\n", "b,\"x\n", "y\"", "\r\nc", ",", "3",
                                           "4\n", NULL },
                                 *const jsonl[] = { "{\"Id\"", ": \"d\"", "}", " ", "\n{\"Id\": \"e\"", "}", NULL };
        char log[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(in_pieces(&x, "Users/.import/csv", csv, _i, log));
        ck_assert_item(&x, "Users", "a", NULL, "{\"Id\":\"a\",\"n\":\"abc\"}");
        ck_assert_item(&x, "Users", "b", NULL, "{\"Id\":\"b\",\"n\":\"x\\ny\"}");
        ck_assert_item(&x, "Users", "c", NULL, "{\"Id\":\"c\",\"n\":34}");
        ck_assert_ok(in_pieces(&x, "Users/.import/jsonl", jsonl, _i, log));
        ck_assert_uint_eq(mem_count(x.m, "Users"), 5);
        ck_assert_str_eq(log, "");
        ck_assert_int_eq(fx_exists(&x, ".ddbfs/rejected/Users"), -ENOENT);
        fx_end(&x);
}
END_TEST

/* As old Macs and Excel's "CSV (Macintosh)" write it; numbered as an editor numbers it. */
START_TEST(test_import_cr) {
        static const char *const csv[] = { "Id,n\r", "a,1\r\r", "b,\"x\ry\"\r", "c\r", "d,2\r", "\ne,3\r", NULL };
        char log[FX_TEXT_MAX], text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(in_pieces(&x, "Users/.import/csv", csv, CHILD, log), -EINVAL);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 4);
        ck_assert_item(&x, "Users", "b", NULL, "{\"Id\":\"b\",\"n\":\"x\\ry\"}");
        ck_assert_item(&x, "Users", "e", NULL, "{\"Id\":\"e\",\"n\":3}");
        ck_assert_ptr_nonnull(strstr(log, "header\", \"line\": 6"));
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv", text));
        ck_assert_str_eq(text, "Id,n\nc\n");
        fx_end(&x);
}
END_TEST

/* What is left is told and kept once, under its number, by the close and when nothing follows. */
START_TEST(test_import_ends_in_half) {
        static const char *const csv[] = { "Id,n\na,1\n", "b", NULL }, *const header[] = { "Id,", NULL },
                                 *const jsonl[] = { "{\"Id\": \"d\"}\n\n{\"Id\"", NULL };
        char log[FX_TEXT_MAX], text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(in_pieces(&x, "Users/.import/csv", csv, _i, log), -EINVAL);
        ck_assert_ptr_nonnull(strstr(log, "fewer cells than the header\", \"line\": 3"));
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv", text));
        ck_assert_str_eq(text, "Id,n\nb\n");
        ck_assert_int_eq(in_pieces(&x, "Users/.import/csv", header, _i, log), -EINVAL);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv.2", text));
        ck_assert_str_eq(text, "Id,\n");
        ck_assert_int_eq(in_pieces(&x, "Users/.import/jsonl", jsonl, _i, log), -EINVAL);
        ck_assert_ptr_nonnull(strstr(log, "\"line\": 3, \"column\": 6"));
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/jsonl", text));
        ck_assert_str_eq(text, "{\"Id\"\n");
        ck_assert_uint_eq(mem_count(x.m, "Users"), 2);
        fx_end(&x);
}
END_TEST

/* A key that went on: both items are there, and that is said.  Refused by the service, then longer: nothing is. */
START_TEST(test_import_half_sent) {
        static const char *const key[] = { "n,Id\n1,a", "b\n", NULL };
        char log[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(in_pieces(&x, "Users/.import/csv", key, FLUSH, log), -EINVAL);
        ck_assert_ptr_nonnull(strstr(log, "shorter key is in the table"));
        ck_assert_item(&x, "Users", "ab", NULL, "{\"Id\":\"ab\",\"n\":1}");
        ck_assert_int_eq(fx_exists(&x, ".ddbfs/rejected/Users"), -ENOENT);
        ck_assert_ok(in_pieces(&x, "Users/.import/csv", key, FSYNC, log));
        ck_assert_ok(in_pieces(&x, "Users/.import/csv", key, CHILD, log));
        ck_assert_ok(fx_open(&x, "Users/.import/jsonl", O_WRONLY, &f)); /* of nobody that is known */
        ck_assert_ok(fx_write(&f, "{\"Id\": \"x\"}"));
        ck_assert_ok(fx_flush(&f));
        ck_assert_item(&x, "Users", "x", NULL, "{\"Id\":\"x\"}");
        ck_assert_ok(fx_write(&f, ",\n"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/jsonl", log));
        ck_assert_str_eq(log, "{\"Id\": \"x\"},\n");
        fx_end(&x);
}
END_TEST

/* What a killed program has written of its last line is nobody else's. */
START_TEST(test_import_killed) {
        static const char *const begins[] = { "Id,n\n7,1\n1", "Id,n\n7,1\nx,1" }; /* no line; it looks like one, and an earlier close sent it */
        pid_t killed = killed_process();
        char log[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        fx_pid = (uint32_t)(_i ? getpid() : killed);
        ck_assert_ok(fx_open(&x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, begins[_i]));
        if (_i)
                ck_assert_ok(fx_flush(&f));
        fx_pid = (uint32_t)killed;
        if (_i)
                ck_assert_ok(fx_write(&f, "2"));
        ck_assert_int_eq(fx_flush(&f), -EINVAL);
        fx_pid = (uint32_t)getpid();
        ck_assert_ok(fx_write(&f, "2,34\n"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        fx_pid = 0;
        ck_assert_item(&x, "Users", "7", NULL, "{\"Id\":\"7\",\"n\":1}");
        ck_assert_item(&x, "Users", "2", NULL, "{\"Id\":\"2\",\"n\":34}");
        ck_assert_uint_eq(mem_count(x.m, "Users"), _i ? 3 : 2);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/.import/csv", log));
        ck_assert_str_eq(log, _i ? "Id,n\nx,12\n" : "Id,n\n1\n");
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", log));
        ck_assert_ptr_nonnull(strstr(log, "was killed before the end of the line"));
        ck_assert_int_eq(strstr(log, "is an item of the table") != NULL, _i);
        fx_end(&x);
        ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
}
END_TEST

/* The error of a line whose beginning was sent says so. */
START_TEST(test_import_half_refused) {
        static const char *const csv[] = { "Id,n\na,1", "2,too many\n", NULL };
        char log[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(in_pieces(&x, "Users/.import/csv", csv, FLUSH, log), -EINVAL);
        ck_assert_ptr_nonnull(strstr(log, "is an item of the table"));
        ck_assert_item(&x, "Users", "a", NULL, "{\"Id\":\"a\",\"n\":1}");
        fx_end(&x);
}
END_TEST

/* A row that is too long, and ends in a CR at the end of a write. */
START_TEST(test_import_long_cr) {
        char *big = malloc(5 * MIB + 1), log[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        memset(big, 'x', 5 * MIB);
        big[5 * MIB] = '\0';
        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "Id,n\ra,"));
        ck_assert_ok(fx_write(&f, big));
        ck_assert_ok(fx_write(&f, "\r"));
        ck_assert_ok(fx_write(&f, _i ? "\nb,1\rc,2\rd,x,y\r" : "b,1\rc,2\rd,x,y\r"));
        ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 2);
        ck_assert_item(&x, "Users", "b", NULL, "{\"Id\":\"b\",\"n\":1}");
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", log));
        ck_assert_ptr_nonnull(strstr(log, "\"line\": 5"));
        fx_end(&x);
        free(big);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("bulk");
        TCase *t = tcase_create("bulk");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_pumped, 0, 4);
        tcase_add_test(t, test_backpressure);
        tcase_add_test(t, test_pump_fails);
        tcase_add_test(t, test_many_pumps);
        tcase_add_loop_test(t, test_left_out, 0, 2);
        tcase_add_test(t, test_never_read);
        tcase_add_test(t, test_import);
        tcase_add_loop_test(t, test_import_goes_on, FLUSH, CHILD + 1);
        tcase_add_test(t, test_import_cr);
        tcase_add_loop_test(t, test_import_ends_in_half, FLUSH, CHILD + 1);
        tcase_add_test(t, test_import_half_sent);
        tcase_add_loop_test(t, test_import_killed, 0, 2);
        tcase_add_test(t, test_import_half_refused);
        tcase_add_loop_test(t, test_import_long_cr, 0, 2);
        tcase_add_test(t, test_import_refused);
        tcase_add_test(t, test_import_header);
        tcase_add_test(t, test_import_declared);
        tcase_add_test(t, test_import_empty_lines);
        tcase_add_test(t, test_import_long_record);
        tcase_add_test(t, test_import_bounds);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
