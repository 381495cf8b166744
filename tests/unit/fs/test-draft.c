/* SPDX-License-Identifier: Apache-2.0 */
/* Open files between open and close (PRODUCT sections 4 and 5). */
#include "fixture.h"

#define PATH "Users/42.json"
#define ITEM "{\"Id\":\"42\",\"a\":1}"
#define TEXT "{\n  \"Id\": \"42\",\n  \"a\": 1\n}\n"

static void begin(struct fx *x, bool with_item) {
        fx_init(x);
        fx_clock(x);
        fx_start(x);
        if (with_item)
                mem_put(x->m, "Users", ITEM);
}

/* A shell's `> f`: two descriptors, the first closed while nothing is written. */
START_TEST(test_shell_double_close) {
        struct fx_file f;
        struct fx x;

        begin(&x, _i == 0);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT | O_TRUNC, &f));
        ck_assert_ok(fx_flush(&f)); /* dup2, close */
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_ok(fx_write(&f, "{\"b\":2}"));
        ck_assert_ok(fx_flush(&f));
        ck_assert_uint_eq(mem_writes(x.m), 1);
        ck_assert_ok(fx_flush(&f));
        fx_release(&f);
        ck_assert_uint_eq(mem_writes(x.m), 1);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"b\":2}");
        fx_end(&x);
}
END_TEST

START_TEST(test_touch) {
        struct fs_attr attr;
        struct fx x;

        begin(&x, false);
        ck_assert_ok(fx_touch(&x, PATH));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\"}");
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.size, strlen("{\n  \"Id\": \"42\"\n}\n"));
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_touch(&x, PATH)); /* of what is there: nothing */
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

/* Somebody made it between touch's open and its close: theirs stays. */
START_TEST(test_touch_race) {
        struct fx_file f;
        struct fx x;

        begin(&x, false);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT, &f));
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

/* Truncated and never written: as it was, by every way of truncating. */
START_TEST(test_truncate_only) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_cat(&x, PATH, text));
        switch (_i) {
        case 0:
                ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
                ck_assert_ok(fx_close(&f));
                break;
        case 1:
                ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
                ck_assert_ok(fx_ftruncate(&f, 0));
                ck_assert_ok(fx_close(&f));
                break;
        case 2:
                ck_assert_ok(fx_truncate(&x, PATH, 0));
                break;
        case 3:
                ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
                ck_assert_ok(fx_pwrite(&f, "garbage", 0));
                ck_assert_ok(fx_ftruncate(&f, 0));
                ck_assert_ok(fx_close(&f));
                break;
        default:
                ck_assert_ok(fx_open(&x, PATH, O_RDONLY | O_TRUNC, &f));
                ck_assert_ok(fx_close(&f));
                break;
        }
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_str_eq(text, TEXT);
        fx_end(&x);
}
END_TEST

/* truncate(1) to another length makes bad JSON: refused, nothing changed; to the same length is nothing. */
START_TEST(test_truncate_to) {
        char text[FX_TEXT_MAX];
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_truncate(&x, PATH, strlen(TEXT)));
        ck_assert_ok(fx_truncate(&x, PATH, strlen(TEXT) - 1)); /* without the newline: the same item */
        ck_assert_int_eq(fx_truncate(&x, PATH, 5), -EINVAL);
        ck_assert_int_eq(fx_truncate(&x, PATH, 500), -EINVAL);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_str_eq(text, TEXT);
        fx_end(&x);
}
END_TEST

START_TEST(test_append) {
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_APPEND, &f));
        ck_assert_ok(fx_pwrite(&f, " \n", 0)); /* wherever the kernel says */
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_ok(fx_open(&x, "Users/43.json", O_WRONLY | O_CREAT | O_APPEND, &f));
        ck_assert_ok(fx_pwrite(&f, "{\"a\"", 0));
        ck_assert_ok(fx_pwrite(&f, ":1}", 0));
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":1}");
        fx_end(&x);
}
END_TEST

/* Writes in any order, with holes filled later. */
START_TEST(test_write_order) {
        struct fx_file f;
        char text[64];
        struct fx x;

        begin(&x, false);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR | O_CREAT, &f));
        ck_assert_ok(fx_pwrite(&f, "}", 8));
        ck_assert_ok(fx_pwrite(&f, "{\"a\"", 0));
        ck_assert_ok(fx_pwrite(&f, ":123", 4));
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_str_eq(text, "{\"a\":123}");
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":123}");
        fx_end(&x);
}
END_TEST

/* Two descriptors write one file: each has its own text until it saves; the one that saves last has seen the other. */
START_TEST(test_two_writers) {
        char text[FX_TEXT_MAX];
        struct fx_file a, b;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &a));
        ck_assert_ok(fx_open(&x, PATH, O_RDWR | O_TRUNC, &b));
        ck_assert_ok(fx_write(&b, "{\"a\":2}"));
        ck_assert_ok(fx_close(&a)); /* wrote nothing: saves nothing of its own */
        ck_assert_ok(fx_fsync(&b));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        ck_assert_ok(fx_pwrite(&b, "{\"a\":3}", 0));
        ck_assert_ok(fx_close(&b));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":3}");
        fx_end(&x);
}
END_TEST

/* Both write the same attribute: one of them hears that it was too late, and what the other was told stays. */
START_TEST(test_two_writers_conflict) {
        char text[FX_TEXT_MAX];
        struct fx_file a, b;
        struct fx x;
        int r, s;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &a));
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &b));
        ck_assert_ok(fx_read(&a, text, sizeof(text)));
        ck_assert_ok(fx_read(&b, text, sizeof(text)));
        ck_assert_ok(fx_pwrite(&a, "{\"Id\":\"42\",\"a\":2}     ", 0));
        ck_assert_ok(fx_pwrite(&b, "{\"Id\":\"42\",\"a\":3}     ", 0));
        ck_assert_ok(fx_ftruncate(&a, 20));
        ck_assert_ok(fx_ftruncate(&b, 20));
        r = fx_close(&a);
        s = fx_close(&b);
        ck_assert_ok(r);
        ck_assert_int_eq(s, -ESTALE);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        fx_end(&x);
}
END_TEST

START_TEST(test_write_after_fsync) {
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        ck_assert_ok(fx_fsync(&f));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":9}"); /* what was fsynced is what we replace */
        ck_assert_ok(fx_pwrite(&f, "{\"a\":3}", 0));
        ck_assert_int_eq(fx_flush(&f), -ESTALE);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":9}");
        fx_release(&f);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":9}");
        fx_end(&x);
}
END_TEST

/* A save that failed may be mended and tried again through the same descriptor. */
START_TEST(test_retry) {
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2"));
        ck_assert_int_eq(fx_fsync(&f), -EINVAL);
        ck_assert_ok(fx_write(&f, "}"));
        mem_fail(x.m, MEM_WRITE, 1, 1, ERR_CONNECT, false);
        ck_assert_int_eq(fx_fsync(&f), -EHOSTUNREACH);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_ok(fx_fsync(&f));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        ck_assert_ok(fx_close(&f));
        ck_assert_uint_eq(mem_writes(x.m), 2);
        fx_end(&x);
}
END_TEST

START_TEST(test_unlink_open) {
        char text[FX_TEXT_MAX];
        struct fx_file w, r, again;
        struct fs_attr attr;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &r));
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &w));
        ck_assert_ok(fx_rm(&x, PATH));
        ck_assert_int_eq(fx_exists(&x, PATH), -ENOENT);
        ck_assert_ok(fx_read(&r, text, sizeof(text)));
        ck_assert_str_eq(text, TEXT);
        ck_assert_ok(fx_fstat(&r, &attr));
        ck_assert_uint_eq(attr.size, strlen(TEXT));
        ck_assert_ok(fx_pwrite(&w, "{\"a\":2}", 0));
        /* made anew while the old one is still open */
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT, &again));
        ck_assert_ok(fx_write(&again, "{\"new\":1}"));
        ck_assert_ok(fx_close(&again));
        ck_assert_ok(fx_close(&w));
        fx_release(&r);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"new\":1}");
        fx_end(&x);
}
END_TEST

/* A new file unlinked before it was saved never reaches the table. */
START_TEST(test_unlink_unsaved) {
        struct fx_file f;
        struct fx x;

        begin(&x, false);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT, &f));
        ck_assert_str_eq(fx_names(&x, "Users"), "42.json");
        ck_assert_ok(fx_exists(&x, PATH));
        ck_assert_ok(fx_write(&f, "{}"));
        ck_assert_ok(fx_rm(&x, PATH));
        ck_assert_ok(fx_close(&f));
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_int_eq(fx_exists(&x, PATH), -ENOENT);
        ck_assert_str_eq(fx_names(&x, "Users"), "");
        fx_end(&x);
}
END_TEST

START_TEST(test_rename_open) {
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        ck_assert_ok(fx_mv(&x, PATH, "Users/43.json", 0));
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":1}");
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":2}");
        ck_assert_pstr_eq(mem_text(x.m, "Users", "42", NULL), NULL);
        fx_end(&x);
}
END_TEST

/* A temporary item made with O_EXCL and renamed into place before it is closed. */
START_TEST(test_rename_unsaved) {
        struct fx_file f;
        struct fx x;

        begin(&x, _i == 0);
        ck_assert_ok(fx_open(&x, "Users/tmp.json", O_WRONLY | O_CREAT | O_EXCL, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        ck_assert_ok(fx_mv(&x, "Users/tmp.json", PATH, 0));
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        ck_assert_pstr_eq(mem_text(x.m, "Users", "tmp", NULL), NULL);
        fx_end(&x);
}
END_TEST

/* ---- what others see meanwhile ---- */

START_TEST(test_writer_sees_itself) {
        struct fs_attr attr;
        struct fx_file f;
        char text[64];
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
        ck_assert_ok(fx_fstat(&f, &attr));
        ck_assert_uint_eq(attr.size, strlen(TEXT));
        ck_assert_ok(fx_ftruncate(&f, 0));
        ck_assert_ok(fx_fstat(&f, &attr)); /* or an appending program leaves a hole */
        ck_assert_uint_eq(attr.size, 0);
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        ck_assert_ok(fx_fstat(&f, &attr));
        ck_assert_uint_eq(attr.size, 7);
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_str_eq(text, "{\"a\":2}");
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
}
END_TEST

/* A reader has one version from open to close; its size is that of what it reads. */
START_TEST(test_reader_snapshot) {
        char text[FX_TEXT_MAX];
        struct fs_attr attr;
        struct fx_file f, g;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &f));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"long\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}");
        fx_advance(2 * NS_PER_S);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &g));
        ck_assert(g.opened.direct_io || !g.opened.keep_cache);
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_str_eq(text, TEXT);
        ck_assert_ok(fx_fstat(&f, &attr));
        ck_assert_uint_eq(attr.size, strlen(TEXT));
        ck_assert_ok(fx_read(&g, text, sizeof(text)));
        ck_assert_ok(fx_fstat(&g, &attr));
        ck_assert_uint_eq(attr.size, strlen(text));
        ck_assert_ok(fx_stat(&x, PATH, &attr)); /* the kernel keeps one size: more would cut or stretch what f reads */
        ck_assert_uint_eq(attr.size, strlen(TEXT));
        fx_release(&f);
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.size, strlen(text));
        fx_release(&g);
        fx_end(&x);
}
END_TEST

/* stat's size is that of what a program that opens now reads, also while another one is writing. */
START_TEST(test_stat_while_writing) {
        char text[FX_TEXT_MAX];
        struct fs_attr attr;
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2"));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.size, strlen(text));
        ck_assert_ok(fx_write(&f, "}"));
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
}
END_TEST

START_TEST(test_mtime) {
        char text[FX_TEXT_MAX];
        struct fs_attr first, attr;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_stat(&x, PATH, &first));
        fx_advance(10 * NS_PER_S);
        ck_assert_ok(fx_cat(&x, PATH, text)); /* asked again: the same */
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.mtime_ns, first.mtime_ns);
        ck_assert_ok(fx_save(&x, PATH, text)); /* the same text */
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.mtime_ns, first.mtime_ns);
        fx_advance(10 * NS_PER_S);
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":2}")); /* another */
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.mtime_ns, FX_WALL + 20 * NS_PER_S);
        fx_advance(10 * NS_PER_S);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":3}"); /* somebody else's, seen when it is asked for */
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.mtime_ns, FX_WALL + 30 * NS_PER_S);
        fx_advance(10 * NS_PER_S);
        ck_assert_ok(fx_stat(&x, PATH, &attr));
        ck_assert_uint_eq(attr.mtime_ns, FX_WALL + 30 * NS_PER_S);
        fx_end(&x);
}
END_TEST

/* chmod, chown, utimens: accepted, nothing changed, no request but for the attributes. */
START_TEST(test_setattr_ignored) {
        struct fs_entry entry;
        struct fs_attr attr;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_lookup(&x, PATH, &entry));
        ck_assert_ok(FX_CALL(fs_setattr(x.fs, &ctx, entry.node, NULL, NULL, &attr)));
        ck_assert_uint_eq(attr.mode, S_IFREG | 0644);
        ck_assert_uint_eq(attr.size, strlen(TEXT));
        ck_assert_uint_eq(mem_writes(x.m), 0);
        fs_forget(x.fs, entry.node, 1);
        fx_end(&x);
}
END_TEST

/* The end of the mount saves what is still open. */
START_TEST(test_shutdown) {
        struct op_ctx ctx;
        struct fx_file f;
        struct fx x;

        begin(&x, true);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        op_ctx_init(&ctx, "shutdown", 0);
        fs_shutdown(x.fs, &ctx);
        op_ctx_deinit(&ctx);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        fx_release(&f);
        fx_end(&x);
}
END_TEST

static void count_notice(void *arg, uint64_t node _unused_) {
        unsigned *n = arg;

        ++*n;
}

/* What the kernel was given with a new file it is told to forget when that is saved, and not again at the release,
 * unless there was something since. */
START_TEST(test_told) {
        struct fs_notify notify = { .attr = count_notice };
        struct fx_file f, other;
        unsigned n = 0;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        notify.arg = &n;
        fs_set_notify(x.fs, &notify);
        ck_assert_ok(fx_save(&x, "Users/1.json", "{}"));
        ck_assert_uint_eq(n, 1);

        ck_assert_ok(fx_open(&x, "Users/2.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_ok(fx_flush(&f));
        ck_assert_uint_eq(n, 2);
        ck_assert_ok(fx_write(&f, "?"));
        ck_assert_int_eq(fx_flush(&f), -EINVAL);
        fx_release(&f);
        ck_assert_uint_eq(n, 3);

        ck_assert_ok(fx_open(&x, "Users/3.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_open(&x, "Users/3.json", O_WRONLY, &other));
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_ok(fx_close(&f));
        ck_assert_uint_eq(n, 4);
        ck_assert_ok(fx_close(&other));
        ck_assert_uint_eq(n, 5);

        ck_assert_ok(fx_open(&x, "Users/5.json", O_WRONLY | O_CREAT | O_EXCL, &f)); /* touch: it is made meanwhile */
        mem_put(x.m, "Users", "{\"Id\":\"5\",\"a\":\"somebody else's\"}");
        fx_release(&f);
        ck_assert_uint_eq(n, 6);
        fs_set_notify(x.fs, &(struct fs_notify){ 0 });
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("draft");
        TCase *t = tcase_create("draft");

        tcase_add_loop_test(t, test_shell_double_close, 0, 2);
        tcase_add_test(t, test_touch);
        tcase_add_test(t, test_touch_race);
        tcase_add_loop_test(t, test_truncate_only, 0, 5);
        tcase_add_test(t, test_truncate_to);
        tcase_add_test(t, test_append);
        tcase_add_test(t, test_write_order);
        tcase_add_test(t, test_two_writers);
        tcase_add_test(t, test_two_writers_conflict);
        tcase_add_test(t, test_write_after_fsync);
        tcase_add_test(t, test_retry);
        tcase_add_test(t, test_unlink_open);
        tcase_add_test(t, test_unlink_unsaved);
        tcase_add_test(t, test_rename_open);
        tcase_add_loop_test(t, test_rename_unsaved, 0, 2);
        tcase_add_test(t, test_writer_sees_itself);
        tcase_add_test(t, test_reader_snapshot);
        tcase_add_test(t, test_stat_while_writing);
        tcase_add_test(t, test_mtime);
        tcase_add_test(t, test_setattr_ignored);
        tcase_add_test(t, test_shutdown);
        tcase_add_test(t, test_told);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
