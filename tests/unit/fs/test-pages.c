/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's page cache is given, and when it may keep what it has. */
#include "fixture.h"

#define PATH "Users/42.json"

static struct {
        unsigned n;
        uint64_t node;
        char text[FX_TEXT_MAX];
} stored;

static void on_store(void *arg, uint64_t node, struct str content) {
        (void)arg;
        stored.n++;
        stored.node = node;
        ck_assert_uint_lt(content.n, sizeof(stored.text));
        memcpy(stored.text, content.p, content.n);
        stored.text[content.n] = '\0';
}

static void set_up(struct fx *x) {
        static const struct fs_notify notify = { .store = on_store };

        memset(&stored, 0, sizeof(stored));
        fx_init(x);
        fx_clock(x);
        fx_start(x);
        fs_set_notify(x->fs, &notify);
        mem_put(x->m, "Users", "{\"Id\":\"42\",\"a\":1}");
}

START_TEST(test_first_reader) {
        char text[FX_TEXT_MAX];
        struct fx_file f, g;
        struct fs_entry keep; /* the kernel goes on knowing it */
        struct fx x;

        set_up(&x);
        ck_assert_ok(fx_lookup(&x, PATH, &keep));
        ck_assert_uint_eq(stored.n, 0);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &f));
        ck_assert(f.opened.keep_cache && !f.opened.direct_io);
        ck_assert_uint_eq(stored.n, 1);
        ck_assert_uint_eq(stored.node, keep.node);
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_str_eq(stored.text, text);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &g));
        ck_assert(g.opened.keep_cache && !g.opened.direct_io);
        ck_assert_ok(fx_close(&g));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &f)); /* the kernel has it */
        ck_assert(f.opened.keep_cache);
        ck_assert_ok(fx_close(&f));
        ck_assert_uint_eq(stored.n, 1);
        fs_forget(x.fs, keep.node, 1);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &f)); /* and has forgotten it */
        ck_assert_uint_eq(stored.n, 2);
        ck_assert_ok(fx_close(&f));
        fx_end(&x);
}
END_TEST

/* An attribute's file too: its size and its content are of one version for whoever compares them. */
START_TEST(test_attribute) {
        struct fs_entry keep;
        struct fx_file f;
        struct fx x;

        set_up(&x);
        ck_assert_ok(fx_lookup(&x, "Users/42/a", &keep));
        ck_assert_ok(fx_open(&x, "Users/42/a", O_RDONLY, &f));
        ck_assert(f.opened.keep_cache && !f.opened.direct_io);
        ck_assert_uint_eq(stored.n, 1);
        ck_assert_uint_eq(stored.node, keep.node);
        ck_assert_uint_eq(strlen(stored.text), keep.attr.size);
        ck_assert_ok(fx_close(&f));
        fs_forget(x.fs, keep.node, 1);
        fx_end(&x);
}
END_TEST

/* Another version: the old pages go, and the kernel may not know the size yet. */
START_TEST(test_other_version) {
        struct fx_file old, new;
        struct fs_entry keep;
        struct fx x;

        set_up(&x);
        ck_assert_ok(fx_lookup(&x, PATH, &keep));
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &old));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":\"longer\"}");
        fx_advance(2 * NS_PER_S);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &new));
        ck_assert(new.opened.direct_io && !new.opened.keep_cache);
        ck_assert_ok(fx_close(&new));
        ck_assert_ok(fx_close(&old));
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &new));
        ck_assert(!new.opened.direct_io && !new.opened.keep_cache);
        ck_assert_ok(fx_close(&new));
        ck_assert_uint_eq(stored.n, 1);
        fs_forget(x.fs, keep.node, 1);
        fx_end(&x);
}
END_TEST

/* The version changes between look-up and open: the kernel knows the size of the other one. */
START_TEST(test_changed_before) {
        struct fs_opened opened;
        struct fs_entry entry;
        struct fx x;

        set_up(&x);
        ck_assert_ok(fx_lookup(&x, PATH, &entry));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":\"longer\"}");
        fx_advance(2 * NS_PER_S);
        ck_assert_ok(FX_CALL(fs_open(x.fs, &ctx, entry.node, O_RDONLY, &opened)));
        ck_assert_uint_eq(stored.n, 0);
        ck_assert(!opened.keep_cache);
        (void)FX_CALL((fs_release(x.fs, &ctx, opened.file), 0));
        fs_forget(x.fs, entry.node, 1);
        fx_end(&x);
}
END_TEST

START_TEST(test_large_and_writers) {
        static char large[200 * KIB];
        struct fx_file f;
        struct fx x;

        set_up(&x);
        (void)snprintf(large, sizeof(large), "{\"Id\":\"42\",\"a\":\"%0*d\"}", 150 * 1024, 1);
        mem_put(x.m, "Users", large);
        ck_assert_ok(fx_open(&x, PATH, O_RDONLY, &f));
        ck_assert(!f.opened.keep_cache && !f.opened.direct_io);
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_open(&x, "Users/new.json", O_RDWR | O_CREAT, &f));
        ck_assert(f.opened.direct_io);
        ck_assert_ok(fx_close(&f));
        ck_assert_uint_eq(stored.n, 0);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("pages");
        TCase *t = tcase_create("pages");

        tcase_add_test(t, test_first_reader);
        tcase_add_test(t, test_attribute);
        tcase_add_test(t, test_other_version);
        tcase_add_test(t, test_changed_before);
        tcase_add_test(t, test_large_and_writers);
        suite_add_tcase(s, t);
        return fx_run(s);
}
