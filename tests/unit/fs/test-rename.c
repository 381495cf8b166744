/* SPDX-License-Identifier: Apache-2.0 */
/* Rename (PRODUCT section 4). */
#include <linux/fs.h>
#include "fixture.h"

#define A "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}"
#define B "{\"Artist\":\"a\",\"Song\":\"y\",\"w\":2}"

static void begin(struct fx *x) {
        fx_init(x);
        fx_start(x);
        mem_put(x->m, "Music", A);
        mem_put(x->m, "Music", B);
}

/* From Music/a/x.json; what is at Music/a/x and where it went afterwards. */
static const struct {
        const char *name, *to;
        unsigned flags;
        int r;
        const char *old;                  /* Music a x afterwards */
        const char *table, *hash, *range; /* the new place */
        const char *new;
        unsigned transactions;
} moves[] = {
        { "a new name", "Music/a/z.json", 0, 0, NULL, "Music", "a", "z", "{\"Artist\":\"a\",\"Song\":\"z\",\"v\":1}",
          1 },
        { "over another", "Music/a/y.json", 0, 0, NULL, "Music", "a", "y", "{\"Artist\":\"a\",\"Song\":\"y\",\"v\":1}",
          1 },
        { "to another partition", "Music/b/x.json", 0, 0, NULL, "Music", "b", "x",
          "{\"Artist\":\"b\",\"Song\":\"x\",\"v\":1}", 1 },
        { "to another table", "Users/x.json", 0, 0, NULL, "Users", "x", NULL,
          "{\"Id\":\"x\",\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}", 1 },
        { "NOREPLACE, free", "Music/a/z.json", RENAME_NOREPLACE, 0, NULL, "Music", "a", "z",
          "{\"Artist\":\"a\",\"Song\":\"z\",\"v\":1}", 1 },
        { "NOREPLACE, taken", "Music/a/y.json", RENAME_NOREPLACE, -EEXIST, A, "Music", "a", "y", B, 1 },
        { "EXCHANGE", "Music/a/y.json", RENAME_EXCHANGE, 0, "{\"Artist\":\"a\",\"Song\":\"x\",\"w\":2}", "Music", "a",
          "y", "{\"Artist\":\"a\",\"Song\":\"y\",\"v\":1}", 1 },
        { "EXCHANGE with nothing", "Music/a/z.json", RENAME_EXCHANGE, -ENOENT, A, "Music", "a", "z", NULL, 0 },
        { "to a bad name", "Users/%2f.json", 0, -EINVAL, A, "Music", "a", "y", B, 0 },
        { "to a bad name in a partition", "Music/a/b%zz.json", 0, -EINVAL, A, "Music", "a", "y", B, 0 },
        { "to a name of another type", "Log/x.json", 0, -EINVAL, A, "Music", "a", "y", B, 0 },
        { "to what begins no long name", "Music/a/b%+", 0, -EINVAL, A, "Music", "a", "y", B, 0 },
        { "to the root", "x.json", 0, -EPERM, A, "Music", "a", "y", B, 0 },
};

START_TEST(test_move) {
        char text[FX_TEXT_MAX];
        struct fx x;
        int r;

        begin(&x);
        if (strstr(moves[_i].to, "Music/b"))
                ck_assert_ok(fx_mkdir(&x, "Music/b"));
        ck_assert_ok(fx_cat(&x, "Music/a/x.json", text));
        ck_assert_int_eq(fx_exists(&x, "Music/a/z.json"), -ENOENT);
        mem_reset_calls(x.m);
        r = fx_mv(&x, "Music/a/x.json", moves[_i].to, moves[_i].flags);
        ck_assert_msg(r == moves[_i].r, "%s: %d", moves[_i].name, r);
        ck_assert_pstr_eq(mem_text(x.m, "Music", "a", "x"), moves[_i].old);
        ck_assert_pstr_eq(mem_text(x.m, moves[_i].table, moves[_i].hash, moves[_i].range), moves[_i].new);
        ck_assert_uint_eq(mem_calls(x.m, MEM_TRANSACT_WRITE), moves[_i].transactions);
        ck_assert_uint_eq(mem_writes(x.m), moves[_i].transactions);
        /* the mount shows what is there */
        ck_assert_int_eq(fx_exists(&x, "Music/a/x.json"), moves[_i].old ? 0 : -ENOENT);
        if (r == 0) {
                ck_assert_ok(fx_cat(&x, moves[_i].to, text));
                ck_assert_ptr_nonnull(strstr(text, "\"v\": 1"));
        }
        fx_end(&x);
}
END_TEST

START_TEST(test_missing) {
        struct fx x;

        begin(&x);
        ck_assert_int_eq(fx_mv(&x, "Music/a/nosuch.json", "Music/a/z.json", 0), -ENOENT);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_uint_eq(mem_count(x.m, "Music"), 2);
        fx_end(&x);
}
END_TEST

/* The open node follows its item: number and content stay, the name is new. */
START_TEST(test_node_follows) {
        struct fs_entry before, after;
        struct fs_attr attr;
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_lookup(&x, "Music/a/x.json", &before));
        ck_assert_ok(fx_mv(&x, "Music/a/x.json", "Music/a/z.json", 0));
        ck_assert_ok(fx_lookup(&x, "Music/a/z.json", &after));
        ck_assert_uint_eq(before.node, after.node);
        ck_assert_ok(FX_CALL(fs_getattr(x.fs, &ctx, before.node, NULL, &attr)));
        ck_assert_uint_eq(attr.ino, after.attr.ino);
        fs_forget(x.fs, after.node, 1);
        fs_forget(x.fs, before.node, 1);
        /* and both of an exchange */
        ck_assert_ok(fx_lookup(&x, "Music/a/z.json", &before));
        ck_assert_ok(fx_lookup(&x, "Music/a/y.json", &after));
        ck_assert_ok(fx_mv(&x, "Music/a/z.json", "Music/a/y.json", RENAME_EXCHANGE));
        {
                struct fs_entry z, y;

                ck_assert_ok(fx_lookup(&x, "Music/a/z.json", &z));
                ck_assert_ok(fx_lookup(&x, "Music/a/y.json", &y));
                ck_assert_uint_eq(z.node, after.node);
                ck_assert_uint_eq(y.node, before.node);
                fs_forget(x.fs, z.node, 1);
                fs_forget(x.fs, y.node, 1);
        }
        fs_forget(x.fs, before.node, 1);
        fs_forget(x.fs, after.node, 1);
        fx_end(&x);
}
END_TEST

static void change(struct mem_store *m, void *arg) {
        mem_put(m, "Music", arg);
}

static void delete_x(struct mem_store *m, void *arg) {
        (void)arg;
        mem_delete(m, "Music", "a", "x");
}

/* Changed or deleted by somebody else between our reading and our writing: refused, nothing lost. */
START_TEST(test_conflict) {
        struct fx x;

        begin(&x);
        mem_before(x.m, MEM_TRANSACT_WRITE, 1, change, (void *)(uintptr_t) "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":9}");
        ck_assert_int_eq(fx_mv(&x, "Music/a/x.json", "Music/a/z.json", 0), -ESTALE);
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":9}");
        ck_assert_pstr_eq(mem_text(x.m, "Music", "a", "z"), NULL);
        mem_before(x.m, MEM_TRANSACT_WRITE, 1, change, (void *)(uintptr_t) "{\"Artist\":\"a\",\"Song\":\"y\",\"w\":9}");
        ck_assert_int_eq(fx_mv(&x, "Music/a/x.json", "Music/a/y.json", RENAME_EXCHANGE), -ESTALE);
        ck_assert_item(&x, "Music", "a", "y", "{\"Artist\":\"a\",\"Song\":\"y\",\"w\":9}");
        mem_before(x.m, MEM_TRANSACT_WRITE, 1, delete_x, NULL);
        ck_assert_int_eq(fx_mv(&x, "Music/a/x.json", "Music/a/z.json", 0), -ESTALE);
        ck_assert_pstr_eq(mem_text(x.m, "Music", "a", "z"), NULL);
        fx_end(&x);
}
END_TEST

/* NOREPLACE holds for a new file that is not saved yet, too. */
START_TEST(test_unsaved_noreplace) {
        struct fx_file f;
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_open(&x, "Music/a/new.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_write(&f, "{\"n\":1}"));
        ck_assert_int_eq(fx_mv(&x, "Music/a/new.json", "Music/a/y.json", RENAME_NOREPLACE), -EEXIST);
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Music", "a", "y", B);
        ck_assert_item(&x, "Music", "a", "new", "{\"Artist\":\"a\",\"Song\":\"new\",\"n\":1}");
        fx_end(&x);
}
END_TEST

/* The path decides the key: that is what a rename means, also with strict_keys. */
/* Onto a name whose item was renamed to a scratch name: that version is replaced, not what others have made of it. */
START_TEST(test_onto_what_was_changed) {
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mv(&x, "Music/a/x.json", "Music/a/x.json~", 0));
        if (_i == 0)
                mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":7}");
        else if (_i == 1)
                ck_assert(mem_delete(x.m, "Music", "a", "x"));
        ck_assert_int_eq(fx_mv(&x, "Music/a/y.json", "Music/a/x.json", 0), _i ? 0 : -ESTALE);
        if (_i) {
                ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"w\":2}");
                ck_assert_item(&x, "Music", "a", "y", NULL);
        } else {
                ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":7}");
                ck_assert_item(&x, "Music", "a", "y", B);
        }
        fx_end(&x);
}
END_TEST

START_TEST(test_strict_keys) {
        struct fx x;

        fx_init(&x);
        x.o.text.strict_keys = true;
        fx_start(&x);
        mem_put(x.m, "Music", A);
        ck_assert_ok(fx_mv(&x, "Music/a/x.json", "Music/a/z.json", 0));
        ck_assert_item(&x, "Music", "a", "z", "{\"Artist\":\"a\",\"Song\":\"z\",\"v\":1}");
        ck_assert_ok(fx_mv(&x, "Music/a", "Music/b", 0));
        ck_assert_item(&x, "Music", "b", "z", "{\"Artist\":\"b\",\"Song\":\"z\",\"v\":1}");
        fx_end(&x);
}
END_TEST

/* An item moved and made anew at once: two items, neither a conflict with the other. */
START_TEST(test_backup_then_new) {
        char text[FX_TEXT_MAX];
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_cat(&x, "Music/a/x.json", text));
        ck_assert_ok(fx_mv(&x, "Music/a/x.json", "Music/a/old.json", 0));
        ck_assert_ok(fx_save(&x, "Music/a/x.json", "{\"v\":2}"));
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":2}");
        ck_assert_item(&x, "Music", "a", "old", "{\"Artist\":\"a\",\"Song\":\"old\",\"v\":1}");
        fx_end(&x);
}
END_TEST

/* ---- partitions ---- */

START_TEST(test_partition) {
        unsigned n = (unsigned[]){ 0, 1, 50, 51 }[_i];
        struct fx_file f;
        struct fx x;
        int r;

        fx_init(&x);
        fx_start(&x);
        if (n == 0)
                ck_assert_ok(fx_mkdir(&x, "Music/p"));
        for (unsigned i = 0; i < n; i++)
                mem_putf(x.m, "Music", "{\"Artist\":\"p\",\"Song\":\"%u\",\"v\":%u}", i, i);
        r = fx_mv(&x, "Music/p", "Music/q", 0);
        ck_assert_int_eq(r, n > 50 ? -EXDEV : 0);
        ck_assert_uint_eq(mem_count(x.m, "Music"), n);
        ck_assert_uint_eq(mem_writes(x.m), n > 0 && n <= 50);
        if (r == 0) {
                ck_assert_str_eq(fx_names(&x, "Music"), "q");
                ck_assert_int_eq(fx_exists(&x, "Music/p"), -ENOENT);
                ck_assert_ok(fx_open(&x, "Music/q/new.json", O_WRONLY | O_CREAT, &f));
                ck_assert_ok(fx_write(&f, "{}"));
                ck_assert_ok(fx_close(&f));
                ck_assert_item(&x, "Music", "q", "new", "{\"Artist\":\"q\",\"Song\":\"new\"}");
        }
        if (n == 1)
                ck_assert_item(&x, "Music", "q", "0", "{\"Artist\":\"q\",\"Song\":\"0\",\"v\":0}");
        fx_end(&x);
}
END_TEST

START_TEST(test_partition_refused) {
        struct fx x;

        begin(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"b\",\"Song\":\"x\"}");
        ck_assert_int_eq(fx_mv(&x, "Music/a", "Music/b", 0), -ENOTEMPTY);
        ck_assert_int_eq(fx_mv(&x, "Music/a", "Music/b", RENAME_NOREPLACE), -EEXIST);
        ck_assert_int_eq(fx_mv(&x, "Music/nosuch", "Music/c", 0), -ENOENT);
        ck_assert_int_lt(fx_mv(&x, "Music", "Musik", 0), 0);
        ck_assert_int_lt(fx_mv(&x, "Music/a", "Musik", 0), 0);
        ck_assert_int_lt(fx_mv(&x, "Music/a", "Music/%2f", 0), 0);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        mem_before(x.m, MEM_TRANSACT_WRITE, 1, change, (void *)(uintptr_t) "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":9}");
        ck_assert_int_eq(fx_mv(&x, "Music/a", "Music/c", 0), -ESTALE);
        ck_assert_uint_eq(mem_count(x.m, "Music"), 3);
        fx_end(&x);
}
END_TEST

/* ---- scratch files: an editor's save (PRODUCT: Editors) ---- */

/* Never missing for another reader: watched at every call of the store. */
static void watch(struct mem_store *m, void *arg) {
        unsigned *missing = arg;

        *missing += mem_text(m, "Music", "a", "x") == NULL;
}

START_TEST(test_editor_renames) {
        unsigned missing = 0;
        struct fx_file f;
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_open(&x, "Music/a/x.json~", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_close(&f));
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_str_eq(fx_names(&x, "Music/a"), "x.json x.json~ y.json");
        ck_assert_ok(fx_mv(&x, "Music/a/x.json", "Music/a/x.json~", 0)); /* the backup */
        ck_assert_int_eq(fx_exists(&x, "Music/a/x.json"), -ENOENT);
        ck_assert_item(&x, "Music", "a", "x", A);
        mem_before(x.m, MEM_WRITE, 1, watch, &missing);
        ck_assert_ok(fx_save(&x, "Music/a/x.json", "{\"v\":2}"));
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":2}");
        ck_assert_uint_eq(missing, 0);
        ck_assert_ok(fx_rm(&x, "Music/a/x.json~"));
        ck_assert_str_eq(fx_names(&x, "Music/a"), "x.json y.json");
        /* the other way: a temporary file renamed onto the item */
        ck_assert_ok(fx_open(&x, "Music/a/sedAbCdEf", O_WRONLY | O_CREAT | O_EXCL, &f));
        ck_assert_ok(fx_write(&f, "{\"v\":3}"));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_mv(&x, "Music/a/sedAbCdEf", "Music/a/x.json", 0));
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":3}");
        ck_assert_str_eq(fx_names(&x, "Music/a"), "x.json y.json");
        fx_end(&x);
}
END_TEST

/* What `sed -i` does: that the scratch file is there, and its size, is known from its making on. */
START_TEST(test_scratch_made) {
        struct fs_entry dir, entry;
        struct fs_opened opened;
        struct fs_attr now;
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_lookup(&x, "Music/a", &dir));
        for (unsigned i = 0; i < 2; i++) { /* the folder is made with the first only */
                ck_assert_ok(FX_CALL(fs_create(x.fs, &ctx, dir.node, i ? STR("sedB") : STR("sedA"),
                                               O_RDWR | O_CREAT | O_EXCL, &entry, &opened)));
                ck_assert_uint_gt(entry.valid_ns, 0);
                ck_assert_uint_gt(entry.attr.valid_ns, 0);
                ck_assert_uint_eq(entry.attr.size, 0);
                ck_assert_ok(FX_CALL(fs_getattr(x.fs, &ctx, entry.node, opened.file, &now)));
                ck_assert_uint_eq(now.ino, entry.attr.ino);
                ck_assert_uint_eq(now.mtime_ns, entry.attr.mtime_ns);
                ck_assert_uint_eq(now.mode, entry.attr.mode);
                FX_CALL((fs_release(x.fs, &ctx, opened.file), 0));
                fs_forget(x.fs, entry.node, 1);
        }
        fs_forget(x.fs, dir.node, 1);
        ck_assert_str_eq(fx_names(&x, "Music/a"), "sedA sedB x.json y.json");
        fx_restart(&x); /* the partition is there for the sake of its scratch files, also for the next mount */
        mem_put(x.m, "Music", "{\"Artist\":\"b\",\"Song\":\"x\"}");
        ck_assert_ok(fx_rm(&x, "Music/a/x.json"));
        ck_assert_ok(fx_rm(&x, "Music/a/y.json"));
        ck_assert_str_eq(fx_names(&x, "Music"), "a b");
        fx_end(&x);
}
END_TEST

struct late {
        struct fx *x;
        struct fx_file f;
        bool replaced;
};

/* Another program changes the scratch file, and is told that this is done. */
static void change_late(struct mem_store *m _unused_, void *arg) {
        struct late *l = arg;

        if (!l->replaced) {
                ck_assert_ok(fx_pwrite(&l->f, "{\"v\":5}", 0));
        } else {
                ck_assert_ok(fx_save(l->x, "Music/a/other", "{\"v\":5}"));
                ck_assert_ok(fx_mv(l->x, "Music/a/other", "Music/a/tmp", 0));
        }
        ck_assert_ok(fx_close(&l->f));
}

/* While a scratch file becomes an item it is written to, or replaced by another: that is saved as well. */
START_TEST(test_changed_meanwhile) {
        struct late l = { .replaced = _i > 0 };
        struct fx x;

        begin(&x);
        l.x = &x;
        ck_assert_ok(fx_save(&x, "Music/a/tmp", "{\"v\":4}"));
        ck_assert_ok(fx_open(&x, "Music/a/tmp", O_WRONLY, &l.f));
        mem_before(x.m, MEM_WRITE, 1, change_late, &l);
        ck_assert_ok(fx_mv(&x, "Music/a/tmp", "Music/a/x.json", 0));
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":5}");
        ck_assert_str_eq(fx_names(&x, "Music/a"), "x.json y.json");
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("rename");
        TCase *t = tcase_create("rename");

        tcase_add_loop_test(t, test_move, 0, ARRAY_LEN(moves));
        tcase_add_test(t, test_missing);
        tcase_add_test(t, test_node_follows);
        tcase_add_test(t, test_conflict);
        tcase_add_test(t, test_unsaved_noreplace);
        tcase_add_loop_test(t, test_onto_what_was_changed, 0, 3);
        tcase_add_test(t, test_strict_keys);
        tcase_add_test(t, test_backup_then_new);
        tcase_add_loop_test(t, test_partition, 0, 4);
        tcase_add_test(t, test_partition_refused);
        tcase_add_test(t, test_editor_renames);
        tcase_add_test(t, test_scratch_made);
        tcase_add_loop_test(t, test_changed_meanwhile, 0, 2);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
