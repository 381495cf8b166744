/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch files that are removed serve as the next ones, and nobody can tell. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fixture.h"

/* How many there are in the spool; *ret: one's path. */
static unsigned spares(struct fx *x, char ret[512]) {
        char path[256];
        struct dirent *e;
        unsigned n = 0;
        DIR *d;

        (void)snprintf(path, sizeof(path), "%s/spool/test", x->state_dir);
        d = opendir(path);
        ck_assert_ptr_nonnull(d);
        while ((e = readdir(d))) {
                if (strncmp(e->d_name, "spare-", 6) != 0)
                        continue;
                (void)snprintf(ret, 512, "%s/%.100s", path, e->d_name);
                n++;
        }
        closedir(d);
        return n;
}

static ino_t inode_of(const char *path) {
        struct stat st;

        ck_assert_int_eq(stat(path, &st), 0);
        return st.st_ino;
}

START_TEST(test_again) {
        char text[FX_TEXT_MAX], path[512];
        struct fx x;
        ino_t ino;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/a.tmp", "a long text of the first"));
        ck_assert_uint_eq(spares(&x, path), 0);
        ck_assert_ok(fx_rm(&x, "Users/a.tmp"));
        ck_assert_int_eq(fx_exists(&x, "Users/a.tmp"), -ENOENT);
        ck_assert_uint_eq(spares(&x, path), 1);
        ino = inode_of(path);
        ck_assert_ok(fx_save(&x, "Users/b.tmp", "b"));
        ck_assert_uint_eq(spares(&x, path), 0);
        ck_assert_ok(fx_cat(&x, "Users/b.tmp", text));
        ck_assert_str_eq(text, "b");
        ck_assert_ok(fx_rm(&x, "Users/b.tmp"));
        ck_assert_uint_eq(spares(&x, path), 1);
        ck_assert_uint_eq(inode_of(path), ino);
        fx_end(&x);
}
END_TEST

/* As sed -i ends: the scratch file becomes an item. */
START_TEST(test_renamed_to_item) {
        char path[512];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/sedAbCdEf", "{\"a\":1}"));
        ck_assert_ok(fx_mv(&x, "Users/sedAbCdEf", "Users/42.json", 0));
        ck_assert_uint_eq(spares(&x, path), 1);
        ck_assert_ok(fx_save(&x, "Users/sedGhIjKl", "{\"a\":2}"));
        ck_assert_uint_eq(spares(&x, path), 0);
        ck_assert_ok(fx_mv(&x, "Users/sedGhIjKl", "Users/42.json", 0));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        fx_end(&x);
}
END_TEST

/* Unlinked while open: it stays what it is for who has it open. */
START_TEST(test_open) {
        char text[FX_TEXT_MAX], path[512];
        struct fx_file reader, writer;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/a.tmp", "first"));
        ck_assert_ok(fx_open(&x, "Users/a.tmp", O_RDONLY, &reader));
        ck_assert_ok(fx_rm(&x, "Users/a.tmp"));
        ck_assert_ok(fx_open(&x, "Users/b.tmp", O_WRONLY | O_CREAT, &writer));
        ck_assert_ok(fx_write(&writer, "second"));
        ck_assert_ok(fx_rm(&x, "Users/b.tmp"));
        ck_assert_uint_eq(spares(&x, path), 0);
        ck_assert_ok(fx_save(&x, "Users/c.tmp", "third"));
        ck_assert_ok(fx_read(&reader, text, sizeof(text)));
        ck_assert_str_eq(text, "first");
        ck_assert_ok(fx_write(&writer, "second"));
        ck_assert_ok(fx_close(&writer));
        ck_assert_ok(fx_close(&reader));
        ck_assert_ok(fx_cat(&x, "Users/c.tmp", text));
        ck_assert_str_eq(text, "third");
        fx_end(&x);
}
END_TEST

/* Made with O_EXCL, or over one that is there. */
START_TEST(test_there) {
        char text[FX_TEXT_MAX], path[512];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/a.tmp", "a"));
        ck_assert_ok(fx_save(&x, "Users/b.tmp", "text"));
        ck_assert_ok(fx_rm(&x, "Users/a.tmp"));
        ck_assert_uint_eq(spares(&x, path), 1);
        ck_assert_int_eq(fx_open(&x, "Users/b.tmp", O_WRONLY | O_CREAT | O_EXCL, &f), -EEXIST);
        ck_assert_ok(fx_cat(&x, "Users/b.tmp", text));
        ck_assert_str_eq(text, "text");
        ck_assert_uint_eq(spares(&x, path), 1);
        fx_end(&x);
}
END_TEST

/* More than are kept, and none when the mount has ended. */
START_TEST(test_many) {
        char name[32], path[512];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        for (unsigned i = 0; i < 40; i++) {
                (void)snprintf(name, sizeof(name), "Users/%u.tmp", i);
                ck_assert_ok(fx_save(&x, name, "a"));
        }
        for (unsigned i = 0; i < 40; i++) {
                (void)snprintf(name, sizeof(name), "Users/%u.tmp", i);
                ck_assert_ok(fx_rm(&x, name));
                ck_assert_int_eq(fx_exists(&x, name), -ENOENT);
        }
        ck_assert_uint_eq(spares(&x, path), 8);
        fx_restart(&x);
        ck_assert_uint_eq(spares(&x, path), 0);
        fx_end(&x);
}
END_TEST

/* Extended attributes of one are not the next one's. */
START_TEST(test_xattr) {
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(MIB);
        struct fs_entry entry;
        char path[512];
        struct fx x;
        int r;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/a.tmp", "a"));
        ck_assert_ok(fx_lookup(&x, "Users/a.tmp", &entry));
        r = FX_CALL(fs_setxattr(x.fs, &ctx, entry.node, "user.note", STR("old")));
        fs_forget(x.fs, entry.node, 1);
        ck_assert_ok(fx_rm(&x, "Users/a.tmp"));
        ck_assert(r == 0 || r == -EOPNOTSUPP); /* a file system without them */
        ck_assert_uint_eq(spares(&x, path), r == 0 ? 0 : 1);
        ck_assert_ok(fx_save(&x, "Users/b.tmp", "b"));
        ck_assert_ok(fx_lookup(&x, "Users/b.tmp", &entry));
        ck_assert_int_eq(FX_CALL(fs_getxattr(x.fs, &ctx, entry.node, "user.note", &out)), -ENODATA);
        fs_forget(x.fs, entry.node, 1);
        fx_end(&x);
}
END_TEST

/* What a mount that was killed has left is not kept for ever. */
START_TEST(test_left) {
        char path[512], left[600];
        struct fx x;
        FILE *f;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/a.tmp", "a"));
        ck_assert_ok(fx_rm(&x, "Users/a.tmp"));
        ck_assert_uint_eq(spares(&x, path), 1);
        (void)snprintf(left, sizeof(left), "%s-left", path);
        f = fopen(left, "w");
        ck_assert_ptr_nonnull(f);
        (void)fclose(f);
        fx_restart(&x);
        ck_assert_uint_eq(spares(&x, path), 0);
        fx_end(&x);
}
END_TEST

/* Somebody tidies up the state folder. */
START_TEST(test_gone) {
        char text[FX_TEXT_MAX], path[512];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_save(&x, "Users/a.tmp", "a"));
        ck_assert_ok(fx_rm(&x, "Users/a.tmp"));
        ck_assert_uint_eq(spares(&x, path), 1);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_ok(fx_save(&x, "Users/b.tmp", "b"));
        ck_assert_ok(fx_cat(&x, "Users/b.tmp", text));
        ck_assert_ok(fx_rm(&x, "Users/b.tmp"));
        ck_assert_uint_eq(spares(&x, path), 1);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("spare");
        TCase *t = tcase_create("spare");

        tcase_add_test(t, test_again);
        tcase_add_test(t, test_renamed_to_item);
        tcase_add_test(t, test_open);
        tcase_add_test(t, test_there);
        tcase_add_test(t, test_many);
        tcase_add_test(t, test_xattr);
        tcase_add_test(t, test_left);
        tcase_add_test(t, test_gone);
        suite_add_tcase(s, t);
        return fx_run(s);
}
